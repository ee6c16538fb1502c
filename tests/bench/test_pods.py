"""What a bench of pods counts, from events as an agent writes them."""

from __future__ import annotations

import json

from bench.agent import Line, wall
from bench.pods import PodBurst, deployed, lone, rows
from tests.golden.captures import HERE

READ_LATER = 1_500_000
"""ns from an event's time until its line was read."""


def recorded() -> PodBurst:
    """Return the pods of a recording: of two starts the owner is a Deployment called web."""
    raw = (HERE / "kubelet_pods.jsonl").read_bytes().splitlines()
    events = [json.loads(line) for line in raw]
    lines = tuple(
        Line(line, event, wall(event["time"]) + READ_LATER)
        for line, event in zip(raw, events, strict=True)
        if event["type"] == "container.start"
    )
    inside = [line for line in lines if not line.container["sandbox"]]
    return PodBurst(frozenset(line.container["id"] for line in inside), lines, 4_000_000)


def test_the_owners_latency_and_cpu_of_a_burst_are_counted() -> None:
    burst = recorded()
    owned = [line for line in burst.lines if b'"Deployment"' in line.raw]
    inside = {line.container["id"] for line in owned} & burst.containers
    assert burst.owned == len(inside) > 0
    assert set(burst.waits_ms) == {1.5}
    owners, latency, cpu = rows([burst], [burst])
    assert owners.values["owned"] == burst.owned
    assert latency.values["p50_with_ms"] == latency.values["p99_without_ms"] == 1.5
    assert cpu.values["ratio"] == 1


def test_only_pods_of_a_controller_have_its_labels_and_name() -> None:
    assert all(pod.name.startswith("web-") and pod.labels for pod in deployed(3))
    assert not any(pod.labels or pod.name.startswith("web-") for pod in lone(3))
    assert len({pod.name for pod in deployed(40)}) == 40
