"""Verdicts of pods: what the kubelet starts again, moves, multiplies and rolls out is explained.

A change or nothing explains the first pod; what follows comes from a kubelet over containerd's CRI.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agent import Agent
from lab.containerd import Containerd
from lab.cri import Cri, Pod
from lab.engines import Lab, unique
from lab.kubelet import Kubelet, running
from tests.e2e.test_judging import Verdict, castoff, place, verdict_of

__all__ = ["place"]

pytestmark = pytest.mark.e2e

OLD, NEW = "5d4f8c9b7d", "7c9f5d8b6f"
"""Hashes of two revisions of a deployment, as its ReplicaSets have them."""
SLEEP = ("sleep", "3600")


@pytest.fixture
def kubelet(lab: Lab, cri: Cri, images_in_containerd: Containerd) -> Iterator[Kubelet]:
    """A kubelet that is there before the agent of this test."""
    del cri
    with running(lab, images_in_containerd) as process:
        yield process


def pod_of(namespace: str, revision: str, tail: str) -> Pod:
    """Return a pod that a deployment called web would have."""
    return Pod(f"web-{revision}-{tail}", namespace=namespace)


def approved(agent: Agent, namespace: str) -> None:
    """Record a change for one start of the deployment, whose pods share namespaces of the host."""
    castoff(
        agent, "change", "add", namespace, "--selector", f"workload=k8s/{namespace}/web",
        "--for", "1h", "--by", "carol", "--max-starts", "1", "--allow", "ns:*",
    )  # fmt: skip


def said(verdict: Verdict) -> tuple[bool | None, str | None]:
    return verdict["expected"], verdict["explanation"]


@pytest.mark.usefixtures("place")
def test_a_restart_after_a_failed_probe_and_one_after_a_crash_carry_on_the_change(
    own_agent: Agent, kubelet: Kubelet
) -> None:
    own_agent.start()
    namespace = unique("probe")
    approved(own_agent, namespace)
    sandbox = kubelet.run_pod(pod_of(namespace, OLD, "x2x7k"))
    first = kubelet.run(sandbox, "main", *SLEEP)
    verdict = verdict_of(own_agent, first)
    assert (said(verdict), verdict["change"]) == ((True, "change"), namespace), verdict
    assert verdict["workload"] == f"k8s/{namespace}/web"
    # A failed probe: the kubelet ends the container itself and starts it again.
    kubelet.stop(first)
    own_agent.one_stop(first)
    second = kubelet.run(sandbox, "main", "sh", "-c", "exit 3", attempt=1)
    assert said(verdict_of(own_agent, second)) == (True, "health_check")
    own_agent.one_stop(second)
    third = kubelet.run(sandbox, "main", *SLEEP, attempt=2)
    assert said(verdict_of(own_agent, third)) == (True, "attempt")


@pytest.mark.usefixtures("place")
def test_more_instances_another_revision_and_a_moved_pod_carry_on_the_change(
    own_agent: Agent, kubelet: Kubelet
) -> None:
    own_agent.start()
    namespace = unique("roll")
    approved(own_agent, namespace)

    def run(revision: str, tail: str) -> tuple[str, str]:
        sandbox = kubelet.run_pod(pod_of(namespace, revision, tail))
        return sandbox, kubelet.run(sandbox, "main", *SLEEP)

    sandboxes, containers = zip(*(run(OLD, tail) for tail in ("x2x7k", "bbbbb")), strict=True)
    verdicts = [verdict_of(own_agent, one) for one in containers]
    assert [said(one) for one in verdicts] == [(True, "change"), (True, "scaling")], verdicts
    fresh, container = run(NEW, "zz2lm")
    verdict = verdict_of(own_agent, container)
    assert said(verdict) == (True, "rollout")
    assert NEW in verdict["reasons"][0]
    for sandbox in (*sandboxes, fresh):
        kubelet.remove_pod(sandbox)
    for one in (*containers, container):
        own_agent.one_stop(one)
    _, moved = run(NEW, "ccccc")
    assert said(verdict_of(own_agent, moved)) == (True, "reschedule")


@pytest.mark.usefixtures("place")
def test_what_follows_from_an_unexplained_pod_stays_unexplained_across_a_restart_of_the_agent(
    own_agent: Agent, kubelet: Kubelet, place: Path
) -> None:
    policy = place / "policy.toml"
    namespace = unique("stray")
    policy.write_text(f'[require_explanation.pods]\nnamespace = "{namespace}"\n')
    policy.chmod(0o644)
    own_agent.start()
    sandbox = kubelet.run_pod(pod_of(namespace, OLD, "x2x7k"))
    first = kubelet.run(sandbox, "main", *SLEEP)
    verdict = verdict_of(own_agent, first)
    assert (said(verdict), verdict["findings"]) == ((None, None), ["no-explanation"])
    own_agent.stop()
    own_agent.start()
    kubelet.stop(first)
    own_agent.one_stop(first)
    second = kubelet.run(sandbox, "main", *SLEEP, attempt=1)
    verdict = verdict_of(own_agent, second)
    # It stays unexplained, and that was reported already.
    assert (said(verdict), verdict["findings"]) == ((None, None), [])
    assert "the first start had no explanation" in verdict["reasons"][0]
