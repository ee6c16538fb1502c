"""What restarts a container in its pod explains one start of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sensor.correlate.chain import CausalChain
from sensor.correlate.chain_index import Pod
from sensor.model.control_plane import ChainConfidence, Effect, RequestedBy, Touch
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


def added(*bodies: tuple[str, dict[str, Any] | None]) -> tuple[CausalChain, Pod]:
    """Alice's pod, and what clients added to it, 10 s one after the other."""
    log = Log()
    spec = {"containers": [{"name": "web", "image": "web:1"}]}
    answer = {"kind": "Pod", "metadata": {"name": "one", "uid": "P"}, "spec": spec}
    log.call(0, "alice", "create", "pods", name="one", answer=answer, body=answer)
    for number, (user, body) in enumerate(bodies):
        image = body is not None and "containers" in body["spec"]
        target = "pods" if image else "pods/ephemeralcontainers"
        log.call(10 + 3 * number, user, "patch", target, name="one", answer=answer, body=body)
        if body is None:
            del log.lines[-1]["requestObject"], log.lines[-1]["responseObject"]
    chain = CausalChain()
    for record in log.records():
        chain.add(record)
    pod = chain.pod("shop", "one", "P")
    assert pod is not None
    return chain, pod


def debug(*names: str) -> dict[str, Any]:
    return {"spec": {"ephemeralContainers": [{"name": one, "image": "box"} for one in names]}}


def image(tag: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "web", "image": f"web:{tag}"}]}}


def test_a_debug_container_is_theirs_who_named_it_first() -> None:
    """An update of a client holds all debug containers, those of others too."""
    chain, pod = added(("bob", debug("dbg-1")), ("carol", debug("dbg-1", "dbg-2")))
    answers = [asked(chain, pod, 0, 20, name) for name in ("dbg-1", "dbg-2")]
    assert [one.actor for one in answers if one is not None] == ["bob", "carol"]


def test_debug_containers_whose_records_name_none_may_be_either_clients() -> None:
    chain, pod = added(("bob", None), ("carol", None))
    answer = asked(chain, pod, 0, 20, "dbg-1")
    assert answer is not None
    assert (answer.actor, set(answer.candidates)) == (None, {"bob", "carol"})
    chain, pod = added(("bob", None), ("bob", None))
    answer = asked(chain, pod, 0, 20, "dbg-1")
    assert answer is not None
    assert answer.actor == "bob"


def test_a_crash_after_two_new_images_is_of_neither() -> None:
    chain, pod = added(("bob", image("2")), ("carol", image("3")))
    first = asked(chain, pod, 1, 20)
    assert first is not None
    assert (first.actor, set(first.candidates)) == (None, {"bob", "carol"})
    assert asked(chain, pod, 2, 60) is None


def test_a_resize_whose_record_names_no_container_restarts_nothing() -> None:
    chain, pod = added(("vpa", None))
    record = pod.additions[0]
    assert record.write is not None
    pod.additions[0] = replace(record, write=replace(record.write, touches=(Touch.IMAGE,)))
    assert asked(chain, pod, 1, 20) is None
