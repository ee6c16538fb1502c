"""Pods in a burst: whose each container is, how late its line comes, and what naming owners costs.

    python -m bench.pods [--pairs N] [--pods N]

A process called kubelet runs pods side by side below containerd's CRI: in turn those of a
Deployment, and as many without labels whose names no controller gives. Both bursts of a pair make
as many starts. Ends with 1 when a target is missed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.agent import Agent, wall
from bench.command import parser, reporting
from bench.engine import engines
from bench.node import own_lab
from bench.numbers import percentile
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row
from lab.containerd import KUBERNETES
from lab.cri import Pod
from lab.engines import unique
from lab.kubelet import running

if TYPE_CHECKING:
    from bench.agent import Line
    from bench.engine import Engines
    from lab.engines import Lab
    from lab.kubelet import Kubelet

COMMAND = "python -m bench.pods"
PAIRS = 4
PODS = 40
OWNER = ("Deployment", "web")
HASH = "5d9c7b4f8"
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Of which controllers draw the ends of names (apimachinery, pkg/util/rand)."""
NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class PodBurst:
    """What a burst made, and what the agent said and took for it."""

    containers: frozenset[str]
    """Ids of the pods' containers, without the sandboxes."""
    lines: tuple[Line, ...]
    """The starts of containers and sandboxes."""
    cpu_ns: int

    @property
    def owned(self) -> int:
        """How many containers were reported with the Deployment for their owner."""
        found = [line for line in self.lines if line.container["id"] in self.containers]
        return sum(_owner(line.event) == OWNER for line in found)

    @property
    def waits_ms(self) -> list[float]:
        """From each init's execve until its line was read."""
        return [(line.read - wall(line.event["time"])) / NS_PER_MS for line in self.lines]

    @property
    def cpu_ms(self) -> float:
        """The agent's CPU time for one start."""
        return self.cpu_ns / NS_PER_MS / len(self.lines)


def _owner(event: dict[str, Any]) -> tuple[str, str] | None:
    owner = (event["orchestrator"] or {}).get("owner")
    return None if owner is None else (owner["kind"], owner["name"])


def deployed(count: int) -> list[Pod]:
    """Return pods as the ReplicaSet of a Deployment makes them."""
    labels = (("app", "web"), ("pod-template-hash", HASH))
    ends = ("".join(random.choices(ALPHABET, k=5)) for _ in range(count))
    return [Pod(f"web-{HASH}-{end}", labels=labels) for end in ends]


def lone(count: int) -> list[Pod]:
    """Return pods that no controller made."""
    return [Pod(unique("lone")) for _ in range(count)]


def burst(agent: Agent, running_engines: Engines, kubelet: Kubelet, pods: list[Pod]) -> PodBurst:
    """Run pods side by side; returns once each start is reported."""
    agent.settle(running_engines.runc)
    first, cpu = len(agent.lines), agent.cpu_ns()
    made = kubelet.run_pods(pods, "sleep", "3600")
    ids = {id_ for both in made.values() for id_ in both}
    agent.wait_for(
        lambda: {line.container["id"] for line in agent.of("start")} >= ids,
        "every start of the pods is reported",
    )
    used = agent.cpu_ns() - cpu
    lines = [line for line in agent.lines[first:] if line.is_a("start")]
    kubelet.remove_pods()
    return PodBurst(
        frozenset(container for _, container in made.values()),
        tuple(line for line in lines if line.container["id"] in ids),
        used,
    )


def measure(lab: Lab, running_engines: Engines, pairs: int, pods: int) -> list[Row]:
    """Run bursts with and without owners in turn under one agent."""
    archive = lab.directory / "image" / "pods.tar"
    running_engines.docker.save_image(archive)
    running_engines.containerd.import_image(archive, KUBERNETES)
    with_owner: list[PodBurst] = []
    without: list[PodBurst] = []
    with (
        running(lab, running_engines.containerd) as kubelet,
        Agent(lab, compiled("stamp", lab.sub("programs"))) as agent,
    ):
        burst(agent, running_engines, kubelet, lone(pods))
        for number in range(pairs):
            say(f"pair {number + 1} of {pairs}: {pods} pods of a Deployment, and {pods} of none")
            with_owner.append(burst(agent, running_engines, kubelet, deployed(pods)))
            without.append(burst(agent, running_engines, kubelet, lone(pods)))
    return rows(with_owner, without)


def rows(with_owner: list[PodBurst], without: list[PodBurst]) -> list[Row]:
    """Hold the owners against the truth, and show the two kinds of bursts beside each other."""
    total = sum(len(one.containers) for one in with_owner)
    owned, strange = (sum(one.owned for one in bursts) for bursts in (with_owner, without))
    kinds = (("with", with_owner), ("without", without))
    waits = {kind: [wait for one in many for wait in one.waits_ms] for kind, many in kinds}
    p50 = {kind: percentile(found, 0.5) for kind, found in waits.items()}
    p99 = {kind: percentile(found, 0.99) for kind, found in waits.items()}
    cpu = {kind: median(one.cpu_ms for one in many) for kind, many in kinds}
    ratios = [one.cpu_ms / other.cpu_ms for one, other in zip(with_owner, without, strict=True)]
    starts = len(with_owner[0].lines)
    return [
        Row(
            "pods of a Deployment in bursts whose owner is named, and pods without one",
            f"{owned} of {total}, {strange}",
            f"{total}, 0",
            owned == total and not strange,
            COMMAND,
            {"containers": total, "owned": owned, "strange": strange},
        ),
        Row(
            f"init's execve to line read, {starts} starts a burst, with and without owners",
            f"p50 {p50['with']:.2f} and {p50['without']:.2f} ms,"
            f" p99 {p99['with']:.1f} and {p99['without']:.1f} ms",
            None,
            None,
            COMMAND,
            {f"{name}_{kind}_ms": values[kind] for name, values in
             (("p50", p50), ("p99", p99)) for kind in values},
        ),
        Row(
            "agent's CPU for one start in a pod, with and without owners",
            f"{cpu['with']:.2f} and {cpu['without']:.2f} ms, ratio of pairs {median(ratios):.2f}",
            None,
            None,
            COMMAND,
            {**{f"cpu_{kind}_ms": value for kind, value in cpu.items()}, "ratio": median(ratios)},
        ),
    ]  # fmt: skip


def main() -> None:
    """Run from the command line."""
    options = parser(COMMAND, __doc__)
    options.add_argument("--pairs", type=int, default=PAIRS, help="bursts of each kind")
    options.add_argument("--pods", type=int, default=PODS, help="pods of a burst")
    arguments = options.parse_args()
    with reporting(arguments.json) as lines, own_lab() as lab, engines(lab) as found:
        lines.extend(measure(lab, found, arguments.pairs, arguments.pods))


if __name__ == "__main__":
    main()
