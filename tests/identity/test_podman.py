"""The indexes of containers-storage."""

from __future__ import annotations

import json

import pytest

from sensor.identity.facts import EngineFacts
from sensor.identity.oci import Bundle
from sensor.identity.podman import podman_facts, storage_of
from sensor.identity.reading import RootReader
from sensor.model.container import Image
from tests.identity.sample_node import ID, Node

HEX = "1f" * 32
DIGEST = "sha256:" + "d1" * 32
GRAPH = "/home/me/.local/share/containers/storage"
BUNDLE = f"{GRAPH}/overlay-containers/{ID}/userdata"

ENTRY = {
    "id": ID,
    "names": ["web"],
    "image": HEX,
    "created": "2017-04-08T11:50:37.794940171Z",
    "metadata": json.dumps({"image-name": "docker.io/library/nginx:1.25", "name": "web"}),
}
IMAGES = [{"id": "00" * 32}, {"id": HEX, "digest": DIGEST, "names": ["localhost/nginx:latest"]}]


@pytest.mark.parametrize("index", ["containers.json", "volatile-containers.json"])
def test_a_container_of_either_index(node: Node, reading: RootReader, index: str) -> None:
    node.write(f"{GRAPH}/overlay-containers/{index}", [{"id": "other"}, ENTRY])
    node.write(f"{GRAPH}/overlay-images/images.json", IMAGES)
    found = podman_facts(Bundle(), BUNDLE, ID, reading, node.settings)
    assert found == EngineFacts(
        name="web",
        image=Image("docker.io/library/nginx:1.25", f"sha256:{HEX}", DIGEST),
        created_wall=1491652237_794940171,
    )
    assert reading.problems == []


def test_without_metadata_names_come_from_the_indexes(node: Node, reading: RootReader) -> None:
    entry = {**ENTRY, "metadata": "{"}
    node.write(f"{GRAPH}/overlay-containers/containers.json", [entry])
    node.write(f"{GRAPH}/overlay-images/images.json", IMAGES)
    found = podman_facts(Bundle(), BUNDLE, ID, reading, node.settings)
    assert found.name == "web"
    assert found.image == Image("localhost/nginx:latest", f"sha256:{HEX}", DIGEST)


def test_missing_indexes_leave_it_unknown(node: Node, reading: RootReader) -> None:
    assert podman_facts(Bundle(), BUNDLE, ID, reading, node.settings) == EngineFacts()


def test_a_broken_index_is_a_problem(node: Node, reading: RootReader) -> None:
    node.write(f"{GRAPH}/overlay-containers/containers.json", b"[{")
    assert podman_facts(Bundle(), BUNDLE, ID, reading, node.settings) == EngineFacts()
    assert reading.problems == ["storage_containers:malformed"]


def test_an_index_may_be_larger_than_other_files(node: Node, reading: RootReader) -> None:
    filler = [{"id": "x", "metadata": "y" * 2000}] * 1500
    node.write(f"{GRAPH}/overlay-containers/containers.json", [*filler, ENTRY])
    assert podman_facts(Bundle(), BUNDLE, ID, reading, node.settings).name == "web"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("io.podman.annotations.privileged", "TRUE", EngineFacts(privileged=True)),
        ("io.podman.annotations.privileged", "FALSE", EngineFacts(privileged=False)),
        ("io.kubernetes.cri-o.ContainerType", "sandbox", EngineFacts(sandbox=True)),
        ("io.kubernetes.cri-o.ContainerType", "container", EngineFacts()),
    ],
)
def test_each_annotation_of_podman_becomes_its_fact(
    node: Node, reading: RootReader, key: str, value: str, expected: EngineFacts
) -> None:
    bundle = Bundle(annotations=((key, value),))
    assert podman_facts(bundle, BUNDLE, ID, reading, node.settings) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (BUNDLE, (GRAPH, "overlay")),
        (f"/g/vfs-containers/{ID}/userdata", ("/g", "vfs")),
        (f"/g/evil-containers/{ID}/userdata", None),
        ("/g/overlay-containers/other/userdata", None),
        (f"/g/overlay-containers/{ID}", None),
        (f"relative/overlay-containers/{ID}/userdata", None),
        ("", None),
    ],
)
def test_storage_is_known_from_the_bundles_path(
    path: str, expected: tuple[str, str] | None
) -> None:
    assert storage_of(path, ID) == expected
