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


def test_a_pod_keeps_the_workload_that_owned_it_when_it_was_made() -> None:
    """At the level Request a workload of the same name, made again, shows no uid."""
    log = started()
    log.deployment(0.5, "bob", 2)
    log.replicaset(0.51, "web-1", 2)
    log.lines[-1]["responseObject"]["metadata"]["ownerReferences"][0]["uid"] = "D2"
    log.pod(0.52, "web-1-ccccc", "web-1")
    log.lines[-1]["responseObject"]["metadata"]["ownerReferences"][0]["uid"] = "R2"
    for line in log.lines:
        if line["objectRef"]["resource"] != "pods":
            line["level"] = "Request"
            line["requestObject"] = line.pop("responseObject")
            del line["requestObject"]["metadata"]["uid"]
    found = {uid: answer.actor for uid, answer in log.answers().items()}
    assert found == {"web-1-aaaaa": "alice", "web-1-bbbbb": "alice", "web-1-ccccc": "bob"}


def test_a_workload_of_the_same_name_and_another_uid_owns_no_pod_of_the_first() -> None:
    log = started()
    log.lines = [line for line in log.lines if line["objectRef"]["resource"] == "pods"]
    other = Log()
    other.deployment(0.001, "bob", 2)
    other.replicaset(0.002, "web-1", 2)
    other.lines[-1]["responseObject"]["metadata"]["uid"] = "R2"
    log.lines = other.lines + log.lines
    assert log.answers() == {}
