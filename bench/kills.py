"""What the end of an agent costs: ``python -m bench.kills``.

The agent is killed ten times while 500 containers run through docker, 8 at a time; then the log is
asked what started. After that 5,000 containers start while no agent runs, and the next one has to
make up for them: a program of this directory stands in for the runtime there, since runc itself
would take a quarter of an hour. Ends with 1 when a target is missed.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.agent import COMMAND as CASTOFF
from bench.agent import Agent, wall
from bench.burst import PARALLEL
from bench.command import parser, reporting
from bench.engine import engines
from bench.node import own_lab
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row
from lab.engines import unique
from lab.image import IMAGE
from sensor.bpf import pins
from sensor.bpf.ring import Ring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.engine import Engines
    from lab.engines import Lab

COMMAND = "python -m bench.kills"
STARTS = 500
KILLS = 10
MEASURED = 40
"""Starts by which the room in a ring is measured."""

BACKLOG = 5_000
BACKLOG_SECONDS = 2.0
BACKLOG_STARTS = 20_000
DRIVERS = 4
PER_SECOND = 200
"""Starts of one driver in a second: below what the probes allow one parent."""

ASK_SECONDS = 60.0
LIMIT = 100_000


def log_of(agent: Agent, since: float) -> list[dict[str, Any]]:
    """Ask the agent's log for starts and gaps, as a person does."""
    done = subprocess.run(
        [
            *(CASTOFF, "events", "--type", "start", "--type", "gap", "--since", str(int(since))),
            *("-n", str(LIMIT), "-o", "json", "--socket", agent.socket),
        ],
        check=True,
        capture_output=True,
        timeout=ASK_SECONDS,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def started(log: list[dict[str, Any]]) -> Counter[str]:
    """Count how often the log says each container started."""
    return Counter(event["container"]["id"] for event in log if event["start"] is not None)


# --------------------------------------------------------------------------- killed at work


def kills(agent: Agent, running: Engines, starts: int) -> Row:
    """Kill the agent again and again while containers run, and count what its log has of them."""
    docker = running.docker
    ran: list[str] = []

    def run(name: str) -> None:
        identity, code = docker.run_to_end("--rm", "--name", name, IMAGE, "true")
        if code != 0:
            raise RuntimeError(f"docker run of {name} ended with {code}")
        ran.append(identity)

    since = time.time() - 1
    with ThreadPoolExecutor(PARALLEL) as pool:
        waiting = [pool.submit(run, unique("kill")) for _ in range(starts)]
        for number in range(1, KILLS + 1):
            while len(ran) < number * starts // (KILLS + 1) and not waiting[-1].done():
                time.sleep(0.01)
            agent.kill()
            say(f"killed {number} times, {len(ran)} of {starts} containers have run")
            agent.__enter__()
        for one in waiting:
            one.result()
    agent.settle(running.runc)
    logged = started(log_of(agent, since))
    absent = sum(identity not in logged for identity in ran)
    twice = sum(logged[identity] > 1 for identity in ran)
    surplus = len(logged.keys() - set(ran))
    return Row(
        f"{len(ran)} docker run, {PARALLEL} at a time, agent killed {KILLS} times: in the log",
        f"{absent} missing, {twice} twice",
        "0, 0",
        not absent and not twice,
        COMMAND,
        {"starts": len(ran), "missing": absent, "twice": twice, "others": surplus},
    )


# --------------------------------------------------------------------------- started meanwhile


def rings() -> dict[str, tuple[int, int]]:
    """Size and bytes that wait, of each ring of the probes that are loaded."""
    found = {}
    for name in ("lifecycle", "commands"):
        ring = Ring(pins.loaded_sets(pins.PIN_ROOT)[-1].map(name))
        try:
            found[name] = (ring.size, ring.backlog())
        finally:
            ring.close()
    return found


def room(running: Engines) -> Iterator[Row]:
    """Measure what one start takes of the rings, with no agent running."""
    before = rings()
    for _ in range(MEASURED):
        running.docker.run_to_end("--rm", IMAGE, "true")
    for name, (size, waiting) in rings().items():
        each = (waiting - before[name][1]) / MEASURED
        holds = int(size / each)
        target = BACKLOG_STARTS if name == "lifecycle" else None
        yield Row(
            f"docker starts and stops that the {name} ring holds ({size >> 20} MiB)",
            f"{holds:,} of {each:.0f} bytes",
            f"{target:,}" if target else None,
            holds >= target if target else None,
            COMMAND,
            {"starts": holds, "bytes": each},
        )


@contextmanager
def cgroups() -> Iterator[Path]:
    """Yield where containers of Docker have their cgroups."""
    root = Path("/sys/fs/cgroup")
    parent = (root if (root / "cgroup.controllers").exists() else root / "pids") / "docker"
    made = not parent.exists()
    parent.mkdir(exist_ok=True)
    try:
        yield parent
    finally:
        if made:
            with suppress(OSError):
                parent.rmdir()


def start_many(
    lab: Lab, bundle: Path, count: int, per_second: int = DRIVERS * PER_SECOND
) -> list[str]:
    """Start containers, as fast as the probes take their commands by default; return their ids."""
    program = compiled("starts", lab.sub("programs"))
    # A runtime that a runtime executes is not a start of its own: the driver has another name.
    runtime = shutil.copy2(program, program.with_name("runc"))
    prefixes = [secrets.token_hex(28) for _ in range(DRIVERS)]
    each = count // DRIVERS
    with cgroups() as parent:
        drivers = [
            subprocess.Popen(
                [
                    *(program, runtime, str(each), str(per_second // DRIVERS), bundle, prefix),
                    *("/bin/busybox", "true"),
                ],
                env={**os.environ, "CGROUPS": str(parent), **lab.mark},
            )
            for prefix in prefixes
        ]
        if sum(driver.wait() for driver in drivers):
            raise RuntimeError("not everything could be started")
    return [f"{prefix}{number:08x}" for prefix in prefixes for number in range(each)]


def backlog(lab: Lab, running: Engines, agent: Agent, count: int) -> Iterator[Row]:
    """Start containers while no agent runs, and time the next one until it reported them all.

    Timed by ``observed``, which is when the agent's core had read what an event came of.
    """
    bundle = running.runc.bundle(unique("backlog"), "true")
    say(f"{count} containers start with no agent running")
    since = time.time() - 1
    ids = start_many(lab, bundle, count)
    say(
        f"they are over, waiting (KiB): { {name: one >> 10 for name, (_, one) in rings().items()} }"
    )
    with agent:
        agent.wait_for(lambda: agent.status().starts >= count, f"{count} starts are reported")
        agent.settle(running.runc)
        log = log_of(agent, since)
    logged = started(log)
    wanted = set(ids)
    times = [
        wall(one["observed"]) for one in log if one["start"] and one["container"]["id"] in wanted
    ]
    seconds = (max(times) - min(times)) / 1e9
    gaps = [event["gap"] for event in log if event["gap"] is not None]
    for gap in gaps:
        say(f"a gap of {gap['source']}: {gap['reason']}: {gap['lost']}")
    absent = sum(identity not in logged for identity in ids)
    twice = sum(logged[identity] > 1 for identity in ids)
    yield Row(
        f"backlog of {count:,} starts and their stops, reported by the whole agent",
        f"{seconds:.1f} s, {count / seconds:,.0f} starts/s",
        f"{BACKLOG_SECONDS:.0f} s",
        seconds <= BACKLOG_SECONDS,
        COMMAND,
        {"seconds": seconds, "starts": count},
    )
    yield Row(
        f"the same {count:,} starts in the log",
        f"{absent} missing, {twice} twice, {len(gaps)} gaps said",
        "0, 0",
        not absent and not twice,
        COMMAND,
        {"missing": absent, "twice": twice, "gaps": len(gaps)},
    )


def main() -> None:
    """Run from the command line."""
    options = parser(COMMAND, __doc__)
    options.add_argument("--starts", type=int, default=STARTS, help="containers beside the kills")
    options.add_argument("--backlog", type=int, default=BACKLOG, help="starts with no agent")
    arguments = options.parse_args()
    with reporting(arguments.json) as rows, own_lab() as lab, engines(lab) as running:
        agent = Agent(lab, compiled("stamp", lab.sub("programs")))
        with agent:
            if arguments.starts:
                rows.append(kills(agent, running, arguments.starts))
        rows.extend(room(running))
        if arguments.backlog:
            rows.extend(backlog(lab, running, agent, arguments.backlog))


if __name__ == "__main__":
    main()
