"""Records of containerd's metadata."""

from __future__ import annotations

import json

from sensor.identity.containerd_metadata import DATABASE, containerd_record
from sensor.identity.reading import RootReader
from tests.identity.bolt_file import BoltFile, Items
from tests.identity.sample_node import Node

ID = "0123456789abcdef" * 4
ROOT = "/var/lib/containerd"
CREATED = b"\x01" + (62_135_596_800 + 1_700_000_000).to_bytes(8) + (5).to_bytes(4) + b"\xff\xff"


def any_of(document: object) -> bytes:
    data = json.dumps(document).encode()
    url = b"types.containerd.io/opencontainers/runtime-spec/1/Spec"
    size = (
        bytes([len(data) & 0x7F | 0x80, len(data) >> 7]) if len(data) > 127 else bytes([len(data)])
    )
    return b"\x0a" + bytes([len(url)]) + url + b"\x12" + size + data


def database(*, namespace: bytes = b"k8s.io") -> bytes:
    record: Items = {
        b"image": b"docker.io/library/nginx:1.25",
        b"createdat": CREATED,
        b"labels": {b"app": b"web", b"pod-template-hash": b"7c5ddbdf54"},
        b"spec": any_of({"process": {"args": ["sleep"]}, "annotations": {"x": "y" * 100}}),
        b"extensions": {
            b"io.cri-containerd.container.metadata": any_of(
                {"Version": "v1", "Metadata": {"Config": {"metadata": {"name": "a", "attempt": 4}}}}
            )
        },
        b"runtime": {b"name": b"io.containerd.runc.v2", b"options": b"\x0a", b"more": b"x"},
    }
    return BoltFile({b"v1": {namespace: {b"containers": {ID.encode(): record}}}}).data


def test_a_record_is_found_by_namespace_and_id(node: Node, reading: RootReader) -> None:
    node.write(f"{ROOT}/{DATABASE}", database())
    record = containerd_record(ID, "k8s.io", reading, (ROOT,), with_spec=True)
    assert record is not None
    assert record.image == "docker.io/library/nginx:1.25"
    assert record.labels == (("app", "web"), ("pod-template-hash", "7c5ddbdf54"))
    assert record.attempt == 4
    assert record.created_wall == 1_700_000_000_000_000_005
    assert record.spec.part("process").texts("args") == ("sleep",)


def test_without_a_namespace_the_usual_ones_are_tried(node: Node, reading: RootReader) -> None:
    node.write(f"{ROOT}/{DATABASE}", database(namespace=b"default"))
    record = containerd_record(ID, None, reading, ("/nowhere", ROOT))
    assert record is not None
    assert record.namespace == "default"
    assert not record.spec


def test_another_namespaces_container_is_not_taken(node: Node, reading: RootReader) -> None:
    node.write(f"{ROOT}/{DATABASE}", database(namespace=b"other"))
    assert containerd_record(ID, "k8s.io", reading, (ROOT,)) is None
    assert reading.problems == []


def test_what_is_not_a_database_is_counted(node: Node, reading: RootReader) -> None:
    node.write(f"{ROOT}/{DATABASE}", b"x" * 10_000)
    assert containerd_record(ID, None, reading, (ROOT,)) is None
    assert reading.problems == ["containerd_metadata:malformed"]


def test_a_link_out_of_the_root_is_not_a_database(node: Node, reading: RootReader) -> None:
    path = node.root / ROOT.lstrip("/") / DATABASE
    path.parent.mkdir(parents=True)
    path.symlink_to("/dev/zero")
    assert containerd_record(ID, None, reading, (ROOT,)) is None
