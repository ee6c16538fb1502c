"""What writes of workloads start where their record shows the state before: holds and releases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sensor.model.control_plane import ControlRecord, Effect, Standing, Touch
from sensor.sources.controlplane.reader import Reader, read

TEMPLATE = {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}
NEW_IMAGE = {"spec": {"template": TEMPLATE}}
RESTARTED = {"kubectl.kubernetes.io/restartedAt": "2026-03-02T10:00:00+01:00"}
CHANGED = (Standing.NO, Effect.CONFIG)
ROLLED_OUT = (Standing.REQUESTED, Effect.ROLLOUT)

Json = dict[str, Any]


def written(
    resource: str, body: object, answer: Json | None = None, *, verb: str = "patch"
) -> ControlRecord:
    event = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Request" if answer is None else "RequestResponse",
        "auditID": "a-1",
        "stage": "ResponseComplete",
        "requestURI": "/",
        "verb": verb,
        "user": {"username": "alice"},
        "objectRef": {"resource": resource, "namespace": "shop", "name": "web"},
        "responseStatus": {"code": 200},
        "requestObject": body,
    }
    if answer is not None:
        event["responseObject"] = {"metadata": {"generation": 3}, **answer}
    (one,) = read([json.dumps(event).encode()], Reader("audit.log", whole=True))
    assert isinstance(one, ControlRecord)
    return one


def reads(one: ControlRecord) -> tuple[Standing, Effect]:
    return one.standing, one.request.effect


def stateful(partition: int, strategy: str = "RollingUpdate", replicas: int = 3) -> Json:
    """A StatefulSet that has a template which not all of its pods have."""
    update = {"type": strategy, "rollingUpdate": {"partition": partition}}
    return {
        "kind": "StatefulSet",
        "spec": {"replicas": replicas, "updateStrategy": update, "template": TEMPLATE},
        "status": {"replicas": 3, "currentRevision": "web-1", "updateRevision": "web-2"},
    }


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (stateful(0), ROLLED_OUT),
        (stateful(2), ROLLED_OUT),
        (stateful(3), CHANGED),
        (stateful(9), CHANGED),
        (stateful(0, "OnDelete"), CHANGED),
    ],
)
def test_a_template_waits_below_a_partition(answer: Json, wanted: tuple[Standing, Effect]) -> None:
    assert reads(written("statefulsets", NEW_IMAGE, answer)) == wanted


def partition(value: int) -> Json:
    return {"spec": {"updateStrategy": {"rollingUpdate": {"partition": value}}}}


@pytest.mark.parametrize(
    "body",
    [
        partition(1),
        [{"op": "replace", "path": "/spec/updateStrategy/rollingUpdate/partition", "value": 1}],
    ],
)
def test_a_lower_partition_lets_the_template_go_on(body: object) -> None:
    one = written("statefulsets", body, stateful(1))
    assert reads(one) == ROLLED_OUT
    assert one.write is not None
    assert one.write.touches == (Touch.RESUME,)
    assert reads(written("statefulsets", body)) == (Standing.POSSIBLE, Effect.ROLLOUT)


def test_a_partition_without_a_waiting_template_starts_nothing() -> None:
    settled = stateful(1)
    settled["status"]["currentRevision"] = "web-2"
    assert reads(written("statefulsets", partition(1), settled)) == CHANGED
    assert reads(written("statefulsets", partition(5), stateful(5))) == CHANGED


@pytest.mark.parametrize(
    ("paused", "replicas", "wanted"),
    [
        (True, 3, CHANGED),
        (True, 5, (Standing.REQUESTED, Effect.SCALE_UP)),
        (True, 1, (Standing.NO, Effect.SCALE_DOWN)),
        (False, 0, (Standing.NO, Effect.SCALE_DOWN)),
        (False, 3, ROLLED_OUT),
    ],
)
def test_a_whole_object_scales_also_while_it_is_paused(
    paused: bool, replicas: int, wanted: tuple[Standing, Effect]
) -> None:
    spec = {"replicas": replicas, "selector": {}, "template": TEMPLATE, "paused": paused}
    body = {"kind": "Deployment", "spec": spec}
    one = written("deployments", body, body | {"status": {"replicas": 3}})
    assert reads(one) == wanted


def job(**status: Any) -> Json:
    return {"kind": "Job", "spec": {"suspend": False, "parallelism": 1}, "status": status}


SUSPENDED = {"conditions": [{"type": "Suspended", "status": "True"}]}
RUNNING = {"active": 1, "startTime": "2026-03-02T09:00:00Z"}


@pytest.mark.parametrize(
    ("verb", "status", "wanted"),
    [
        ("patch", SUSPENDED, (Standing.REQUESTED, Effect.START)),
        ("patch", {}, (Standing.REQUESTED, Effect.START)),
        ("patch", RUNNING, CHANGED),
        ("update", SUSPENDED, (Standing.REQUESTED, Effect.START)),
        ("update", RUNNING, CHANGED),
        ("update", {}, CHANGED),
    ],
)
def test_a_job_starts_where_it_was_suspended(
    verb: str, status: Json, wanted: tuple[Standing, Effect]
) -> None:
    assert reads(written("jobs", job(), job(**status), verb=verb)) == wanted


@pytest.mark.parametrize(
    ("verb", "status", "effect"),
    [
        ("patch", RUNNING, Effect.STOP),
        ("update", RUNNING, Effect.STOP),
        ("update", {}, Effect.CONFIG),
    ],
)
def test_a_job_that_is_suspended_stops_what_runs(verb: str, status: Json, effect: Effect) -> None:
    body = {"kind": "Job", "spec": {"suspend": True}}
    assert written("jobs", body, body | {"status": status}, verb=verb).request.effect is effect


@pytest.mark.parametrize(
    ("path", "value", "effect"),
    [
        ("/spec/template/metadata/annotations", RESTARTED, Effect.RESTART),
        ("/spec/template/metadata/annotations", RESTARTED | {"a": "b"}, Effect.ROLLOUT),
        (
            "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
            "2026",
            Effect.RESTART,
        ),
    ],
)
def test_a_json_patch_restarts(path: str, value: object, effect: Effect) -> None:
    one = written("deployments", [{"op": "add", "path": path, "value": value}])
    assert (one.standing, one.request.effect) == (Standing.REQUESTED, effect)


def test_an_undo_says_its_images_without_an_answer_too() -> None:
    one = written("deployments", [{"op": "replace", "path": "/spec/template", "value": TEMPLATE}])
    assert reads(one) == ROLLED_OUT
    assert [container.image for container in one.request.containers] == ["web:2"]
