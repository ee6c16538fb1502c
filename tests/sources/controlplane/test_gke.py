"""GKE's audit entries as calls of the Kubernetes API."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.model.control_plane import RecordRef, Workload
from sensor.sources.controlplane import gke, kubernetes_record


def about(method: str, resource: str, body: dict[str, Any] | None = None) -> Workload:
    payload = {
        "serviceName": "k8s.io",
        "methodName": method,
        "resourceName": resource,
        "authenticationInfo": {"principalEmail": "alice@example.com"},
        "request": body,
    }
    call = gke.read({"protoPayload": payload})
    workload = kubernetes_record.record(call, RecordRef("gke.jsonl", 1)).request.workload
    assert workload is not None
    return workload


@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        ("core/v1/namespaces/shop/pods/web", "shop", "web"),
        ("core/v1/namespaces/pods/pods/pods", "pods", "pods"),
        ("core/v1/namespaces/pods/pods/web", "pods", "web"),
        ("core/v1/namespaces/namespaces/pods/namespaces", "namespaces", "namespaces"),
        ("core/v1/namespaces/shop/pods", "shop", None),
        ("core/v1/namespaces/shop", None, None),
        ("core/v1", None, None),
    ],
)
def test_namespace_and_name_are_read_by_their_places(
    path: str, namespace: str | None, name: str | None
) -> None:
    found = about("io.k8s.core.v1.pods.delete", path)
    assert (found.namespace, found.name) == (namespace, name)


def test_a_binding_gives_the_pods_uid() -> None:
    body = {"kind": "Binding", "metadata": {"name": "web", "uid": "u1"}, "target": {"name": "n"}}
    method, path = "io.k8s.core.v1.pods.binding.create", "core/v1/namespaces/shop/pods/web/binding"
    found = about(method, path, body)
    assert (found.name, found.uid, found.node) == ("web", "u1", "n")
