"""200 containers that live a moment, 8 at a time: what most numbers are taken from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.progress import say
from lab.engines import unique
from lab.image import IMAGE

if TYPE_CHECKING:
    from bench.agent import Agent, Line
    from bench.engine import Engines

STARTS = 200
PARALLEL = 8
REPORTED_EVERY = 50


@dataclass(frozen=True, slots=True)
class Burst:
    """What was started, and what the agent said meanwhile."""

    names: dict[str, str]
    """The name of each container by its id."""
    image_id: str
    lines: tuple[Line, ...]
    """All events from just before the first start until everything was written."""
    cpu_ns: int
    """CPU time of the agent for it."""
    unheard: int
    """Containers before and after it whose end was not reported in time."""

    def of(self, kind: str) -> list[Line]:
        """The events of type ``container.<kind>`` about its containers, in the order of writing."""
        return [
            line for line in self.lines if line.is_a(kind) and line.container["id"] in self.names
        ]


def burst(agent: Agent, engines: Engines, starts: int = STARTS) -> Burst:
    """``docker run --rm`` so many times; returns once the agent has reported all of it."""
    docker = engines.docker
    image_id = docker.image_id()
    agent.settle(engines.runc)
    first, cpu = len(agent.lines), agent.cpu_ns()
    names: dict[str, str] = {}

    def run(name: str) -> None:
        identity, code = docker.run_to_end("--rm", "--name", name, IMAGE, "true")
        if code != 0:
            raise RuntimeError(f"docker run of {name} ended with {code}")
        names[identity] = name
        if len(names) % REPORTED_EVERY == 0:
            say(f"{len(names)} of {starts} containers have run")

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(run, [unique("bench") for _ in range(starts)]))
    agent.wait_for(
        lambda: {line.container["id"] for line in agent.of("stop")} >= names.keys(),
        "every container's stop is reported",
    )
    used = agent.cpu_ns() - cpu
    agent.settle(engines.runc)
    return Burst(names, image_id, tuple(agent.lines[first:]), used, len(agent.unheard))
