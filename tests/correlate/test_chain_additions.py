"""What restarts a container in its pod explains one start of it."""

from __future__ import annotations

import json

import pytest

from sensor.correlate.chain import CausalChain
from sensor.correlate.chain_index import Pod
from sensor.model.control_plane import ChainConfidence, Effect, RequestedBy
from sensor.sources.controlplane.times import wall
from tests.correlate.audit_log import Log, records

BEGIN = wall("2026-03-02T10:00:00Z") or 0
SECOND = 1_000_000_000


def patched() -> tuple[CausalChain, Pod]:
    """Alice's pod, whose image bob changed after 100 s."""
    log = Log()
    spec = {"containers": [{"name": "web", "image": "web:1"}]}
    answer = {"kind": "Pod", "metadata": {"name": "one", "uid": "P"}, "spec": spec}
    log.call(0, "alice", "create", "pods", name="one", answer=answer, body=answer)
    newer = {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}
    log.call(100, "bob", "patch", "pods", name="one", answer=answer, body=newer)
    chain = CausalChain()
    for record in records(b"\n".join(json.dumps(line).encode() for line in log.lines)):
        chain.add(record)
    pod = chain.pod("shop", "one", "P")
    assert pod is not None
    return chain, pod


def asked(
    chain: CausalChain, pod: Pod, attempt: int, seconds: float, container: str = "web"
) -> RequestedBy | None:
    return chain.requester(pod, container, attempt, BEGIN + int(seconds * SECOND))


def test_a_new_image_is_the_cause_of_the_restart_that_follows() -> None:
    chain, pod = patched()
    answer = asked(chain, pod, 1, 130)
    assert answer is not None
    # A crash may have come between: the start is tied to the patch by its time.
    assert (answer.actor, answer.effect, answer.confidence) == (
        "bob",
        Effect.RESTART,
        ChainConfidence.INFERRED,
    )


@pytest.mark.parametrize("seconds", [50, 1000], ids=["before it", "long after it"])
def test_a_new_image_is_not_the_cause_of_any_other_restart(seconds: float) -> None:
    chain, pod = patched()
    assert asked(chain, pod, 1, seconds) is None


def test_a_new_image_restarts_a_container_once() -> None:
    chain, pod = patched()
    assert asked(chain, pod, 1, 130) is not None
    assert asked(chain, pod, 2, 150) is None
    assert asked(chain, pod, 1, 130) is not None


def test_a_new_image_of_another_container_restarts_nothing() -> None:
    chain, pod = patched()
    assert asked(chain, pod, 1, 130, "sidecar") is None
