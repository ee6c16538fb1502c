"""Objects are found by uid before name, and each cluster has its own."""

from __future__ import annotations

import json

from sensor.correlate.chain_objects import ClusterObjects, owner_of
from tests.correlate.audit_log import Log, records, started


def taken(log: Log) -> ClusterObjects:
    objects = ClusterObjects()
    for record in records(b"\n".join(json.dumps(line).encode() for line in log.lines)):
        objects.add(record)
    return objects


def test_a_pod_is_found_by_uid_and_by_name() -> None:
    objects = taken(started())
    by_uid = objects.pod(None, None, "web-1-aaaaa")
    assert by_uid is not None
    assert objects.pod("shop", "web-1-aaaaa", None) is by_uid
    assert objects.pod("shop", "web-1-aaaaa", "another") is None
    assert objects.pod("shop", "web-1-aaaaa", None, "another cluster") is None


def test_a_binding_names_the_node() -> None:
    log = started()
    log.bound(1, "web-1-aaaaa", "node-7")
    pod = taken(log).pod("shop", "web-1-aaaaa", None)
    assert pod is not None
    assert pod.node == "node-7"


def test_the_owner_of_a_pod_is_its_reference() -> None:
    objects = taken(started())
    pod = objects.pod("shop", "web-1-aaaaa", None)
    assert pod is not None
    owner, exact = owner_of(pod)
    assert owner is not None
    assert (owner.kind, owner.name, exact) == ("ReplicaSet", "web-1", True)
    thing = objects.owning(owner, pod)
    assert thing is not None
    parent = objects.parent(thing)
    assert parent is not None
    assert (parent.kind, parent.name) == ("Deployment", "web")


def test_a_name_that_two_workloads_could_have_given_implies_no_owner() -> None:
    log = started()
    log.job(2, "bob", "web-1")
    objects = taken(log)
    pod = objects.pod("shop", "web-1-aaaaa", None)
    assert pod is not None
    assert objects.implied(pod) is None


def test_a_namespace_with_very_many_pods_leaves_the_others_theirs() -> None:
    objects = ClusterObjects(limit=20)
    log = started()
    for record in records(b"\n".join(json.dumps(line).encode() for line in log.lines)):
        objects.add(record)
    flood = Log()
    for number in range(200):
        flood.call(5, "mallory", "create", "pods", name=f"flood-{number}", answer=_pod(number))
    for line in flood.lines:
        line["objectRef"]["namespace"] = "flood"
    for record in records(b"\n".join(json.dumps(line).encode() for line in flood.lines)):
        objects.add(record)
    assert objects.pod("shop", "web-1-aaaaa", None) is not None
    assert objects.pod("flood", "flood-199", None) is not None
    assert objects.pod("flood", "flood-0", None) is None
    assert objects.forgotten() > 150


def _pod(number: int) -> dict[str, object]:
    return {"kind": "Pod", "metadata": {"name": f"flood-{number}", "uid": f"uid-{number}"}}
