"""Many containers: ``python -m bench.scale``.

- 1,000 containers run when the agent begins: how long until it knows them, its memory, and what it
  takes while nothing happens.
- 100 containers a second start and end for a minute: how late they are reported, how many are lost,
  what one costs.

A program of this directory stands in for the runtime: docker starts some ten a second here.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bench.agent import Agent, wall
from bench.command import parser, reporting
from bench.engine import engines
from bench.footprint import pss_mib
from bench.kills import cgroups, start_many
from bench.node import held, own_lab
from bench.numbers import percentile
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row
from lab import waiting
from lab.engines import unique
from sensor.bpf import loader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.engine import Engines
    from lab.engines import Lab

COMMAND = "python -m bench.scale"
RUNNING = 1000
KEPT_PER_SECOND = 250
KEPT_SECONDS = 3600
FILL_SECONDS = 60.0
KNOWN_SECONDS = 5.0
RUNNING_MIB = 45.0
IDLE_SECONDS = 30.0
IDLE_PERCENT = 0.1
PER_SECOND, SECONDS = 100, 60
LAG_MS = 10.0
START_MS = 3.0
NS_PER_MS = 1e6
NS_PER_SECOND = 1e9


@contextmanager
def kept(lab: Lab, bundle: Path, count: int) -> Iterator[None]:
    """Have so many containers run meanwhile."""
    program = compiled("starts", lab.sub("programs"))
    runtime = shutil.copy2(program, program.with_name("runc"))
    with cgroups() as parent:
        prefix = secrets.token_hex(28)
        driver = subprocess.Popen(
            [
                *(program, runtime, str(count), str(KEPT_PER_SECOND), bundle, prefix),
                *("/bin/busybox", "sleep", str(KEPT_SECONDS)),
            ],
            env={**os.environ, "CGROUPS": str(parent), "KEEP": "1", **lab.mark},
            start_new_session=True,
        )
        try:
            waiting.until(
                lambda: sum(1 for _ in parent.glob(f"{prefix}*")) >= count,
                f"{count} containers run",
                FILL_SECONDS,
            )
            yield
        finally:
            for place in parent.glob(f"{prefix}*"):
                with suppress(OSError):
                    (place / "cgroup.kill").write_text("1", encoding="ascii")
                for pid in _pids(place):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            driver.wait()


def _pids(cgroup: Path) -> list[int]:
    """Return the processes of one of the containers of :func:`kept`."""
    with suppress(OSError):
        return [int(line) for line in (cgroup / "cgroup.procs").read_text().split()]
    return []


def running(lab: Lab, node: Engines, stamp: Path, count: int) -> Iterator[Row]:
    """Start an agent on a node with so many containers."""
    bundle = node.runc.bundle(unique("kept"), "true")
    say(f"{count} containers begin to run")
    with held():
        loader.unload()
    with kept(lab, bundle, count):
        agent = Agent(lab, stamp)
        began = time.monotonic()
        with agent:
            ready = time.monotonic() - began
            agent.wait_for(
                lambda: agent.status().containers_running >= count, f"{count} containers are known"
            )
            known = time.monotonic() - began - ready
            mib = pss_mib(agent)
            say(f"leaving the agent alone for {IDLE_SECONDS:.0f} s")
            cpu, began = agent.cpu_ns(), time.monotonic()
            time.sleep(IDLE_SECONDS)
            idle = 100 * (agent.cpu_ns() - cpu) / NS_PER_SECOND / (time.monotonic() - began)
    yield Row(
        f"{count:,} containers run when the agent begins: they are known after",
        f"{known:.1f} s; {ready:.1f} s until it answers, with the load of the probes",
        f"{KNOWN_SECONDS:.0f} s",
        known <= KNOWN_SECONDS,
        COMMAND,
        {"ready_s": ready, "known_s": known},
    )
    yield Row(
        "the same: memory (PSS)",
        f"{mib:.1f} MiB",
        f"{RUNNING_MIB:.0f} MiB",
        mib <= RUNNING_MIB,
        COMMAND,
        {"pss_mib": mib},
    )
    yield Row(
        f"the same: agent's CPU when idle, {IDLE_SECONDS:.0f} s",
        f"{idle:.3f} % of a core",
        f"{IDLE_PERCENT} %",
        idle <= IDLE_PERCENT,
        COMMAND,
        {"idle_percent": idle},
    )


def rate(lab: Lab, node: Engines, stamp: Path, per_second: int, seconds: int) -> Iterator[Row]:
    """Start and end so many containers a second for a while."""
    bundle = node.runc.bundle(unique("rate"), "true")
    count = per_second * seconds
    with Agent(lab, stamp) as agent:
        agent.settle(node.runc)
        say(f"{per_second} starts a second for {seconds} s")
        cpu, began = agent.cpu_ns(), time.monotonic()
        ids = set(start_many(lab, bundle, count, per_second))
        took = time.monotonic() - began
        agent.settle(node.runc)
        used = (agent.cpu_ns() - cpu) / NS_PER_MS / count
        starts = [line for line in agent.of("start") if line.container["id"] in ids]
        stops = [line for line in agent.of("stop") if line.container["id"] in ids]
        mib = pss_mib(agent)
    lags = [(line.read - wall(line.event["time"])) / NS_PER_MS for line in starts]
    p50, p99 = percentile(lags, 0.5), percentile(lags, 0.99)
    seen = {line.container["id"] for line in starts}
    absent, twice = len(ids - seen), len(starts) - len(seen)
    yield Row(
        f"{count:,} starts at {count / took:.0f} a second, with their stops: reported",
        f"{absent} missing, {twice} twice, {len(stops)} stops",
        "0, 0",
        not absent and not twice,
        COMMAND,
        {"missing": absent, "twice": twice, "stops": len(stops), "per_second": count / took},
    )
    yield Row(
        "the same: init's execve to line read",
        f"p50 {p50:.2f} ms, p99 {p99:.2f} ms",
        f"p99 {LAG_MS:.0f} ms",
        p99 <= LAG_MS,
        COMMAND,
        {"p50_ms": p50, "p99_ms": p99},
    )
    yield Row(
        "the same: agent's CPU for one start and its stop, memory (PSS)",
        f"{used:.2f} ms, {mib:.1f} MiB",
        f"{START_MS:.0f} ms",
        used <= START_MS,
        COMMAND,
        {"cpu_ms_per_start": used, "pss_mib": mib},
    )


def main() -> None:
    """Run from the command line."""
    options = parser(COMMAND, __doc__)
    options.add_argument(
        "--running", type=int, default=RUNNING, help="containers that run; 0: none"
    )
    options.add_argument("--seconds", type=int, default=SECONDS, help="of the rate; 0: none")
    arguments = options.parse_args()
    with reporting(arguments.json) as rows, own_lab() as lab, engines(lab) as node:
        stamp = compiled("stamp", lab.sub("programs"))
        if arguments.running:
            rows.extend(running(lab, node, stamp, arguments.running))
        if arguments.seconds:
            rows.extend(rate(lab, node, stamp, PER_SECOND, arguments.seconds))


if __name__ == "__main__":
    main()
