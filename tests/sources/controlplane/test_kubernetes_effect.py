"""What calls of the API ask for: one table of calls beside those of the corpora."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sensor.model.control_plane import ControlRecord, Effect, Standing
from sensor.sources.controlplane.reader import Reader, read

POD = {
    "kind": "Pod",
    "metadata": {"name": "web", "uid": "u-1"},
    "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
}
CONFIG = {"kind": "DeploymentConfig", "spec": {"replicas": 2}}
SCALE = {"kind": "Scale", "spec": {"replicas": 5}, "status": {"replicas": 2}}


def event(operation: str, group: str | None = None, **parts: Any) -> dict[str, Any]:
    verb, _, what = operation.partition(" ")
    resource, _, subresource = what.partition("/")
    target = {"resource": resource, "namespace": "shop", "name": "web", "apiVersion": "v1"}
    if subresource:
        target["subresource"] = subresource
    if group is not None:
        target["apiGroup"] = group
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": "a-1",
        "stage": "ResponseComplete",
        "requestURI": "/",
        "verb": verb,
        "user": {"username": "alice", "groups": ["system:authenticated"]},
        "sourceIPs": ["192.0.2.7"],
        "objectRef": target,
        "responseStatus": {"metadata": {}, "code": 201 if verb == "create" else 200},
        "requestReceivedTimestamp": "2026-03-02T09:15:27.123456Z",
        **parts,
    }


def record(value: object) -> ControlRecord:
    (one,) = read([json.dumps(value).encode()], Reader("file", whole=True))
    assert isinstance(one, ControlRecord), one
    return one


def reading(value: object) -> tuple[Standing, Effect]:
    one = record(value)
    return one.standing, one.request.effect


NOTHING = (Standing.NO, Effect.NONE)
CHANGED = (Standing.NO, Effect.CONFIG)


@pytest.mark.parametrize(
    ("operation", "group", "reads"),
    [
        ("create nodes", "longhorn.io", NOTHING),
        ("delete nodes", "longhorn.io", NOTHING),
        ("create jobs", "batch.volcano.sh", NOTHING),
        ("patch statefulsets", "apps.kruise.io", NOTHING),
        ("create pods", "metrics.k8s.io", NOTHING),
        ("create deployments", "extensions", (Standing.REQUESTED, Effect.START)),
        ("create nodes", None, (Standing.NO, Effect.NODE_JOIN)),
    ],
)
def test_a_resource_of_another_group_only_has_the_name(
    operation: str, group: str | None, reads: tuple[Standing, Effect]
) -> None:
    one = record(event(operation, group))
    assert (one.standing, one.request.effect) == reads
    if reads == NOTHING:
        assert one.write is None
        assert one.request.workload is not None
        assert one.request.workload.kind == operation.partition(" ")[2]


def test_the_group_stands_in_the_version_in_the_oldest_form() -> None:
    for version, reads in (
        ("apps/v1beta1", (Standing.REQUESTED, Effect.START)),
        ("example.com/v1", NOTHING),
    ):
        old = event("create deployments")
        old["objectRef"]["apiVersion"] = version
        assert reading(old) == reads


@pytest.mark.parametrize(
    ("method", "reads"),
    [
        ("io.k8s.core.v1.nodes.create", (Standing.NO, Effect.NODE_JOIN)),
        ("io.longhorn.v1beta2.nodes.create", NOTHING),
        ("io.k8s.apps.v1.deployments.create", (Standing.REQUESTED, Effect.START)),
        ("sh.volcano.batch.v1alpha1.jobs.create", NOTHING),
    ],
)
def test_gke_has_the_group_in_the_method(method: str, reads: tuple[Standing, Effect]) -> None:
    payload = {"serviceName": "k8s.io", "methodName": method, "resourceName": "x/v1/y/web"}
    name = "projects/p/logs/cloudaudit.googleapis.com%2Factivity"
    assert reading({"logName": name, "insertId": "1", "protoPayload": payload}) == reads


@pytest.mark.parametrize(
    ("given", "reads"),
    [
        (event("create deploymentconfigs", "apps.openshift.io", requestObject=CONFIG), "start"),
        (event("create deploymentconfigs/instantiate", "apps.openshift.io"), "rollout"),
        (
            event("patch deploymentconfigs/scale", "apps.openshift.io", responseObject=SCALE)
            | {"requestObject": {"spec": {"replicas": 5}}},
            "scale_up",
        ),
        (event("create deployments/rollback", "extensions"), "rollout"),
    ],
)
def test_workloads_of_openshift_and_of_old_clients(given: dict[str, Any], reads: str) -> None:
    assert reading(given) == (Standing.REQUESTED, Effect(reads))


@pytest.mark.parametrize(
    ("verb", "suspend", "reads"),
    [
        ("patch", True, CHANGED),
        ("patch", False, (Standing.RELATED, Effect.SCHEDULE)),
        ("create", True, CHANGED),
        ("create", False, (Standing.RELATED, Effect.SCHEDULE)),
    ],
)
def test_a_suspended_cronjob_starts_nothing(
    verb: str, reads: tuple[Standing, Effect], *, suspend: bool
) -> None:
    body = {"kind": "CronJob", "spec": {"suspend": suspend}}
    given = event(f"{verb} cronjobs", "batch", requestObject=body, responseObject=body)
    assert reading(given) == reads


def test_the_query_of_a_deletion_with_a_body_counts_for_nothing() -> None:
    """The API server reads the options of a deletion from its body, if it has one."""
    options: dict[str, Any] = {"kind": "DeleteOptions"}
    for body, effect in ((options, Effect.STOP), (options | {"dryRun": ["All"]}, Effect.DRY_RUN)):
        given = event("delete pods", requestObject=body, requestURI="/x?dryRun=All")
        assert reading(given)[1] is effect


def test_a_log_store_may_keep_the_objects_of_an_event_as_texts() -> None:
    whole = event("create pods", requestObject=POD, responseObject=POD)
    kept = {
        key: json.dumps(value) if isinstance(value, dict | list) else value
        for key, value in whole.items()
    }
    assert record(kept | {"__topic__": ""}) == record(whole)


@pytest.mark.parametrize("user", ["eks:fargate-scheduler", "system:kube-scheduler"])
def test_a_scheduler_of_the_provider_is_a_step(user: str) -> None:
    given = event("create pods/binding", user={"username": user})
    assert record(given).request.chain == "step"


DEBUGGER = {"name": "debugger-1", "image": "busybox"}


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("patch", {"spec": {"ephemeralContainers": [DEBUGGER]}}),
        (
            "update",
            {"kind": "Pod", "spec": {"containers": [{}], "ephemeralContainers": [DEBUGGER]}},
        ),
        ("update", {"kind": "EphemeralContainers", "ephemeralContainers": [DEBUGGER]}),
        ("patch", [{"op": "add", "path": "/ephemeralContainers/-", "value": DEBUGGER}]),
        ("patch", [{"op": "add", "path": "/spec/ephemeralContainers/0", "value": DEBUGGER}]),
        ("patch", [{"op": "add", "path": "/spec/ephemeralContainers", "value": [DEBUGGER]}]),
    ],
)
def test_a_debug_container_has_its_name_in_each_form_of_the_api(verb: str, body: object) -> None:
    one = record(event(f"{verb} pods/ephemeralcontainers", requestObject=body))
    (container,) = one.request.containers
    assert (container.name, container.image, container.role) == (
        "debugger-1",
        "busybox",
        "ephemeral",
    )


def test_a_json_patch_of_an_image_names_its_container_by_the_answer() -> None:
    body = [{"op": "replace", "path": "/spec/containers/0/image", "value": "nginx:1"}]
    shown = record(event("patch pods", requestObject=body, responseObject=POD))
    assert [(one.name, one.image) for one in shown.request.containers] == [("c", "nginx:1")]
    hidden = record(event("patch pods", requestObject=body))
    assert hidden.request.containers == ()
    assert hidden.request.effect is Effect.RESTART


@pytest.mark.parametrize(
    ("kind", "standing"),
    [
        ("ReplicaSet", Standing.RELATED),
        ("ReplicationController", Standing.RELATED),
        ("Node", Standing.NO),
        ("Workflow", Standing.NO),
    ],
)
def test_the_end_of_a_pod_whose_owner_makes_another(kind: str, standing: Standing) -> None:
    owner = {"kind": kind, "name": "web-1", "uid": "o", "controller": True}
    pod = {**POD, "metadata": {"name": "web", "ownerReferences": [owner]}}
    assert reading(event("delete pods", responseObject=pod)) == (standing, Effect.STOP)
