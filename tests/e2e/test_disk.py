"""A state directory that cannot be written: the agent goes on and says later what it lost."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.kills import start_many
from lab.agent import COMMAND, Agent, Event, unload_probes
from lab.engines import Lab, unique
from lab.runc import Runc
from lab.waiting import until
from sensor.api.client import AgentClient

pytestmark = pytest.mark.e2e

SMALL = 8 << 20
"""Bytes of the disk: room for what is known of ``BEYOND_MEMORY`` containers, and little else."""
BEYOND_MEMORY = 6_000
"""Starts and stops whose events do not fit in what may wait for the disk."""
PATIENCE = 60.0
FAILING_DISK = Path(__file__).with_name("failing_disk.c")


@pytest.fixture
def disk(own_agent: Agent) -> Iterator[Path]:
    """The agent's state directory, on a disk of ``SMALL`` bytes."""
    place = own_agent.state_dir
    place.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=0755", "castoff-test", place], check=True
    )
    yield place
    own_agent.close()
    # What the disk had no room for waits in the rings: not for the next test's agent.
    unload_probes()
    subprocess.run(["umount", "--lazy", place], check=True)


class Follower:
    """A client that follows the agent's events."""

    def __init__(self, agent: Agent) -> None:
        self.lines: list[Event] = []
        begun = threading.Event()
        client = AgentClient(agent.socket)

        def follow() -> None:
            with contextlib.suppress(Exception):
                for line in client.lines("/v1/events?follow=1", begun.set):
                    self.lines.append(json.loads(line))

        threading.Thread(target=follow, daemon=True).start()
        assert begun.wait(10)

    def starts(self, container: str) -> list[Event]:
        return [
            line
            for line in tuple(self.lines)
            if line["type"] == "container.start" and line["container"]["id"] == container
        ]


def fill_up(place: Path) -> Path:
    """Take all the space there is, as another program might."""
    greedy = place / "another program's"
    with greedy.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return greedy


def logged(agent: Agent, last: int = 10_000) -> list[Event]:
    """The last events of the log, asked as a person does."""
    done = subprocess.run(
        [
            COMMAND,
            "events",
            "-n",
            str(last),
            "-o",
            "json",
            "--socket",
            agent.socket,
        ],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def starts_in(log: list[Event]) -> Counter[str]:
    return Counter(one["container"]["id"] for one in log if one["type"] == "container.start")


def test_a_full_disk_stops_neither_the_reading_nor_the_followers(
    own_agent: Agent, runc: Runc, disk: Path
) -> None:
    greedy = fill_up(disk)
    own_agent.start()
    follower = Follower(own_agent)
    ran = [unique("full") for _ in range(5)]
    for container in ran:
        runc.run(container, "true")
    for container in ran:
        own_agent.one_start(container)
    until(lambda: all(map(follower.starts, ran)), "all are followed")
    assert own_agent.counter("store.failing") == 1
    assert starts_in(logged(own_agent)).keys() >= set(ran), "what waits is found, too"
    greedy.unlink()
    until(lambda: own_agent.counter("store.failing") == 0, "the disk works again", PATIENCE)
    own_agent.kill()
    own_agent.start()
    logged_starts = starts_in(logged(own_agent))
    assert [logged_starts[container] for container in ran] == [1] * len(ran)


def test_what_did_not_fit_in_memory_is_a_gap_when_the_disk_works_again(
    own_agent: Agent, runc: Runc, lab: Lab, disk: Path
) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler: apt-get install gcc")
    greedy = fill_up(disk)
    own_agent.validating = False
    own_agent.start()
    start_many(lab, runc.bundle(unique("many"), "true"), BEYOND_MEMORY)
    client = AgentClient(own_agent.socket)
    until(
        lambda: client.status().starts >= BEYOND_MEMORY and not own_agent.counter("starts.waiting"),
        "all is reported",
        PATIENCE,
    )
    assert own_agent.counter("store.failing") == 1
    assert own_agent.counter("store.lost")
    greedy.unlink()
    until(lambda: own_agent.counter("store.failing") == 0, "the disk works again", PATIENCE)

    def gap() -> Event | None:
        found = [
            one for one in logged(own_agent, 200) if (one["gap"] or {}).get("source") == "store"
        ]
        return found[-1] if found else None

    said = until(gap, "the loss is said", PATIENCE)
    assert said["gap"]["lost"] == own_agent.counter("store.lost")
    assert said["gap"]["since"] < said["gap"]["until"]
    container = unique("after")
    runc.run(container, "true")
    until(lambda: starts_in(logged(own_agent, 200))[container] == 1, "it is kept", PATIENCE)
    assert own_agent.counter("store.failing") == 0


def test_a_read_only_state_directory_is_outlasted(own_agent: Agent, runc: Runc, disk: Path) -> None:
    own_agent.start()
    own_agent.stop()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    own_agent.start()
    follower = Follower(own_agent)
    container = unique("read-only")
    runc.run(container, "true")
    own_agent.one_start(container)
    until(lambda: follower.starts(container), "it is followed")
    assert own_agent.counter("store.failing") == 1
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    until(lambda: own_agent.counter("store.failing") == 0, "the disk works again", PATIENCE)
    assert starts_in(logged(own_agent))[container] == 1


def test_a_disk_with_input_output_errors_is_outlasted(
    own_agent: Agent, runc: Runc, lab: Lab
) -> None:
    """No disk here can be made to fail: a library before the C library answers EIO for it."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc")
    library = lab.directory / "failing_disk.so"
    subprocess.run(
        [compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", library, FAILING_DISK, "-ldl"],
        check=True,
    )
    broken = lab.directory / unique("broken")
    own_agent.environment = {"LD_PRELOAD": str(library), "FAILING_WHILE": str(broken)}
    own_agent.start()
    follower = Follower(own_agent)
    broken.touch()
    container = unique("eio")
    runc.run(container, "true")
    own_agent.one_start(container)
    until(lambda: follower.starts(container), "it is followed")
    until(lambda: own_agent.counter("store.failing") == 1, "the disk fails", PATIENCE)
    broken.unlink()
    until(lambda: own_agent.counter("store.failing") == 0, "the disk works again", PATIENCE)
    assert starts_in(logged(own_agent))[container] == 1
    own_agent.kill()
    own_agent.environment = {}
    own_agent.start()
    assert starts_in(logged(own_agent))[container] == 1
