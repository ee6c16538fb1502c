"""What a write leaves for the causal chain."""

from __future__ import annotations

from typing import Any

from sensor.model.control_plane import KubernetesWrite
from sensor.sources.controlplane.json_text import table
from sensor.sources.controlplane.kubernetes_audit import read
from sensor.sources.controlplane.kubernetes_effect import ruling
from sensor.sources.controlplane.kubernetes_write import write


def wrote(verb: str, target: str, answer: Any = None, body: Any = None) -> KubernetesWrite:
    resource, _, subresource = target.partition("/")
    call = read(
        {
            "auditID": "a",
            "stage": "ResponseComplete",
            "verb": verb,
            "user": {"username": "alice"},
            "objectRef": {"resource": resource, "subresource": subresource, "namespace": "shop"},
            "responseStatus": {"code": 200},
            "requestObject": body,
            "responseObject": answer,
        }
    )
    return write(call, ruling(call), table(call.stored, "metadata"))


def deployment(*, image: str = "web:1", hashed: str | None = None) -> dict[str, Any]:
    labels = {"app": "web"} | ({} if hashed is None else {"pod-template-hash": hashed})
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"image": image}]}}
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "uid": "D", "generation": 4},
        "spec": {"replicas": 3, "template": template},
        "status": {"replicas": 1},
    }


def test_the_version_and_the_replicas_are_those_after_the_write() -> None:
    found = wrote("update", "deployments", deployment(), deployment())
    assert (found.generation, found.replicas, found.old_replicas) == (4, 3, 1)


def test_what_was_only_asked_for_has_no_version_and_no_template() -> None:
    found = wrote("update", "deployments", None, deployment())
    assert (found.generation, found.template) == (None, None)


def test_a_replica_set_has_the_template_of_its_deployment() -> None:
    one = wrote("create", "deployments", deployment()).template
    assert one is not None
    assert wrote("create", "replicasets", deployment(hashed="5d54")).template == one
    assert wrote("create", "replicasets", deployment(image="web:2")).template != one


def test_a_schedules_status_says_which_version_was_acted_on() -> None:
    body = {"kind": "CronJob", "metadata": {"name": "report", "generation": 7}}
    assert wrote("update", "cronjobs/status", None, body).generation == 7


def test_a_daemon_is_made_for_one_node() -> None:
    field = {"key": "metadata.name", "operator": "In", "values": ["node-7"]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    pod = {
        "kind": "Pod",
        "metadata": {"name": "agent-x", "labels": {"controller-revision-hash": "7b6"}},
        "spec": {"affinity": {"nodeAffinity": required}},
    }
    found = wrote("create", "pods", pod)
    assert (found.slot, found.revision) == ("node-7", "7b6")


def test_a_deleted_collection_names_its_pods() -> None:
    items = [{"metadata": {"name": "one", "uid": "1"}}, {"metadata": {"name": "two", "uid": "2"}}]
    found = wrote("deletecollection", "pods", {"kind": "PodList", "items": items})
    assert found.ended is not None
    assert [(one.name, one.uid) for one in found.ended] == [("one", "1"), ("two", "2")]
    assert wrote("deletecollection", "pods").ended is None
