"""An attacker takes the sensor's eyes away: it notices, reports it, and mends what it can."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import processes
from lab.agent import COMMAND, LOCK, Agent, Event
from lab.engines import unique
from lab.runc import Runc
from lab.strangers import Stranger
from lab.waiting import until
from sensor.api.client import AgentClient, RequestRefused

pytestmark = pytest.mark.e2e

NOTICED_SECONDS = 5.0
BPFFS = Path("/sys/fs/bpf")
PINS = BPFFS / "castoff"


def pins() -> list[Path]:
    (found,) = PINS.iterdir()
    return sorted(found.glob("link-*"))


def losses(agent: Agent, since: int) -> list[Event]:
    """Return what was reported of lost probes."""
    return [
        event
        for event in agent.events[since:]
        if (event["sensor"] and event["sensor"]["action"] == "probes_lost")
        or (event["gap"] and event["gap"]["source"].startswith("kernel"))
    ]


def healthy(agent: Agent) -> bool:
    try:
        AgentClient(agent.socket).get("/healthz")
    except RequestRefused:
        return False
    return True


def noticed(agent: Agent, since: int, began: float) -> None:
    """Wait until the loss is reported everywhere, and assert how soon that was."""
    agent.wait_for(lambda: losses(agent, since), "the loss is an event", 3 * NOTICED_SECONDS)
    assert time.monotonic() - began < NOTICED_SECONDS + 1
    assert not healthy(agent)
    status = processes.run([COMMAND, "status", "--socket", agent.socket], check=False)
    assert status.returncode != 0
    assert status.stdout


@pytest.fixture
def watching(own_agent: Agent) -> Iterator[Agent]:
    own_agent.start()
    yield own_agent
    own_agent.close()


def seen_again(agent: Agent, runc: Runc) -> None:
    """Assert that starts are reported, at the latest some seconds later."""

    def reported() -> bool:
        name = unique("again")
        runc.run(name, "true")
        runc.delete(name)
        agent.quiet(0.5)
        return bool(agent.starts(name))

    until(reported, "starts are reported again", 20.0)


@pytest.mark.parametrize("number", [0, -1], ids=["first", "last"])
def test_one_pin_that_is_removed_is_noticed_and_attached_again(
    watching: Agent, runc: Runc, number: int
) -> None:
    """sec-one-pin-removed: any of the links, not only that of execve."""
    since, began = len(watching.events), time.monotonic()
    pins()[number].unlink()
    noticed(watching, since, began)
    seen_again(watching, runc)


def test_all_pins_removed_are_noticed_and_attached_again(watching: Agent, runc: Runc) -> None:
    """sec-blind-without-a-word, by removing what bpffs holds."""
    since, began = len(watching.events), time.monotonic()
    for pin in pins():
        pin.unlink()
    noticed(watching, since, began)
    seen_again(watching, runc)


def test_a_second_bpffs_over_the_first_blinds_nothing(watching: Agent, runc: Runc) -> None:
    """sec-blind-without-a-word: covered pins are not lost links; unmounting gives them back."""
    processes.run(["mount", "-t", "bpf", "bpf", BPFFS])
    try:
        name = unique("covered")
        runc.run(name, "true")
        watching.wait_for(lambda: watching.starts(name), "a start under the cover", 20.0)
    finally:
        processes.run(["umount", "-l", BPFFS])
    seen_again(watching, runc)


def test_the_next_agent_finds_an_incomplete_set(own_agent: Agent, runc: Runc) -> None:
    """sec-one-pin-removed: removed while no agent ran."""
    own_agent.start()
    own_agent.stop()
    pins()[0].unlink()
    own_agent.start()
    name = unique("next")
    runc.run(name, "true")
    own_agent.one_start(name)
    own_agent.close()


def test_an_agent_that_was_stopped_for_a_while_reports_it(watching: Agent, runc: Runc) -> None:
    """Bad input: SIGSTOP. Its records wait in the kernel, and the pause is reported."""
    since = len(watching.events)
    watching._process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]  # it runs
    name = unique("asleep")
    try:
        runc.run(name, "true")
        time.sleep(12)  # what has to pass for a pause to count as one
    finally:
        watching._process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]  # it runs
    watching.one_start(name)
    watching.wait_for(
        lambda: [
            event
            for event in watching.events[since:]
            if event["sensor"] and "stall" in event["sensor"]["action"]
        ],
        "the pause is reported",
    )


# ------------------------------------------------------------------------------------ the lock


def test_a_plain_user_cannot_hold_the_nodes_lock(own_agent: Agent, mallory: Stranger) -> None:
    """sec-node-lock-by-anybody."""
    own_agent.start()
    holding = mallory.begin(["/bin/sh", "-c", f"exec 9<{LOCK} && flock 9 && exec sleep 60"])
    own_agent.stop()
    own_agent.start()
    own_agent.stop()
    assert holding.wait(20) != 0


def test_a_lock_that_an_earlier_version_left_open_stops_no_agent(
    own_agent: Agent, mallory: Stranger
) -> None:
    """``sec-node-lock-by-anybody``, another route: the file is readable to all, and held."""
    own_agent.start()
    own_agent.stop()
    LOCK.chmod(0o644)
    holding = mallory.begin(["/bin/sh", "-c", f"exec 9<{LOCK} && flock 9 && exec sleep 60"])
    until(lambda: holding.poll() is None and str(LOCK) in descriptors(holding.pid), "it holds")
    own_agent.start()
    own_agent.stop()


def descriptors(pid: int) -> str:
    return " ".join(str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())


# ------------------------------------------------------------------------------- a damaged log


def test_a_damaged_log_is_salvaged(own_agent: Agent, runc: Runc) -> None:
    """sec-damaged-log-is-given-up: what can be read is in the new log, the rest is a gap."""
    own_agent.start()
    names = [unique("kept") for _ in range(8)]
    for name in names:
        runc.run(name, "true")
        own_agent.one_start(name)
    own_agent.stop()
    path = own_agent.state_dir / "castoff.db"
    with sqlite3.connect(path) as log:
        log.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = log.execute("PRAGMA page_size").fetchone()[0]
    log.close()
    before = path.read_bytes()
    found = next(at for at in range(page, len(before), page) if names[0].encode() in before[at:])
    damaged = bytearray(before)
    damaged[found] ^= 0x40
    path.write_bytes(damaged)
    own_agent.start()
    printed = subprocess.run(
        [COMMAND, "events", "--socket", own_agent.socket, "-n", "500", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    own_agent.stop()
    kept = [name for name in names if name in printed]
    assert len(kept) >= len(names) - 2, kept
