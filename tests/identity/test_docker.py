"""dockerd's own files on disk."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.identity.docker import docker_facts
from sensor.identity.document import JsonDocument
from sensor.identity.oci import Bundle, bundle_of
from sensor.identity.reading import RootReader
from sensor.model.container import EngineRecord, Image
from tests.identity.sample_node import ID, SECRET, Node, oci_config

IMAGE_ID = "sha256:" + "1f" * 32
DIGEST = "sha256:" + "d1" * 32
OTHER = "sha256:" + "e2" * 32
ZERO = "0001-01-01T00:00:00Z"
ROOT = f"/data/docker/containers/{ID}"


def config(**members: Any) -> dict[str, Any]:
    return {
        "ID": ID,
        "Name": "/web",
        "Created": "2017-04-08T11:50:37.794940171Z",
        "Image": IMAGE_ID,
        "Driver": "overlay2",
        "Config": {
            "Image": "nginx:1.25",
            "Labels": {"app": "web"},
            "Env": [f"PASSWORD={SECRET}"],
        },
        "State": {"StartedAt": ZERO, "FinishedAt": ZERO, "ExitCode": 0, "Restarting": False},
        "RestartCount": 0,
        "HasBeenStartedBefore": False,
        "HasBeenManuallyStopped": False,
        **members,
    }


HOST_CONFIG = {"Privileged": False, "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}


def bundle_with(*sources: str) -> Bundle:
    mounts = [{"destination": "/x", "type": "bind", "source": source} for source in sources]
    return bundle_of(JsonDocument(oci_config(mounts=mounts)))


def test_a_new_container(node: Node, reading: RootReader) -> None:
    node.write(f"{ROOT}/config.v2.json", config())
    node.write(f"{ROOT}/hostconfig.json", HOST_CONFIG)
    found = docker_facts(bundle_with("/srv", f"{ROOT}/hosts"), ID, reading, node.settings)
    assert found is not None
    assert found.name == "web"
    assert found.image == Image("nginx:1.25", IMAGE_ID, pinned=False)
    assert found.labels == (("app", "web"),)
    assert found.created_wall == 1491652237_794940171
    assert found.privileged is False
    assert found.record == EngineRecord(
        has_run=False,
        restarting=False,
        restart_count=0,
        manually_stopped=False,
        restart_policy="always",
    )
    assert SECRET not in repr(found)
    assert reading.problems == []


def test_a_container_that_ran_before(node: Node, reading: RootReader) -> None:
    state = {
        "StartedAt": "2017-04-08T11:50:38Z",
        "FinishedAt": "2017-04-08T11:50:39Z",
        "ExitCode": 137,
        "Restarting": True,
    }
    node.write(
        f"{ROOT}/config.v2.json", config(State=state, HasBeenStartedBefore=True, RestartCount=3)
    )
    node.write(f"{ROOT}/hostconfig.json", {"RestartPolicy": {"Name": ""}})
    found = docker_facts(bundle_with(f"{ROOT}/resolv.conf"), ID, reading, node.settings)
    assert found is not None
    assert found.record == EngineRecord(
        has_run=True,
        started_wall=1491652238_000000000,
        finished_wall=1491652239_000000000,
        exit_code=137,
        restarting=True,
        restart_count=3,
        manually_stopped=False,
        restart_policy="no",
    )


@pytest.mark.parametrize(
    ("flag", "started", "expected"),
    [
        (True, ZERO, True),
        (False, "2017-04-08T11:50:38Z", True),
        (False, ZERO, False),
        (None, ZERO, None),
        (None, "2017-04-08T11:50:38Z", True),
    ],
    ids=str,
)
def test_has_run_is_reported_by_either_of_two(
    node: Node,
    reading: RootReader,
    flag: bool | None,
    started: str,
    expected: bool | None,
) -> None:
    state = {"StartedAt": started}
    node.write(f"{ROOT}/config.v2.json", config(HasBeenStartedBefore=flag, State=state))
    node.write(f"{ROOT}/hostconfig.json", HOST_CONFIG)
    found = docker_facts(bundle_with(f"{ROOT}/hosts"), ID, reading, node.settings)
    assert found is not None
    assert found.record is not None
    assert found.record.has_run is expected


def test_a_shared_network_shows_the_data_root_too(node: Node, reading: RootReader) -> None:
    other = f"/data/docker/containers/{'b2' * 32}"
    node.write(f"{other}/config.v2.json", config(ID="b2" * 32, Name="/other"))
    node.write(f"{ROOT}/config.v2.json", config())
    node.write(f"{ROOT}/hostconfig.json", HOST_CONFIG)
    found = docker_facts(bundle_with(f"{other}/hosts"), ID, reading, node.settings)
    assert found is not None
    assert found.name == "web"


def test_the_record_of_another_container_is_refused(node: Node, reading: RootReader) -> None:
    node.write(f"{ROOT}/config.v2.json", config(ID="b2" * 32))
    assert docker_facts(bundle_with(f"{ROOT}/hosts"), ID, reading, node.settings) is None


def test_the_configured_data_root_is_tried(node: Node, reading: RootReader) -> None:
    node.write("/etc/docker/daemon.json", {"data-root": "/data/docker"})
    node.write(f"{ROOT}/config.v2.json", config())
    node.write(f"{ROOT}/hostconfig.json", HOST_CONFIG)
    found = docker_facts(None, ID, reading, node.settings)
    assert found is not None
    assert found.name == "web"


def test_the_default_data_root_is_tried(node: Node, reading: RootReader) -> None:
    node.write(f"/var/lib/docker/containers/{ID}/config.v2.json", config())
    found = docker_facts(bundle_with(), ID, reading, node.settings)
    assert found is not None
    assert reading.problems == ["docker_host_config:missing"]


def test_no_record_is_nothing_to_complain_about(node: Node, reading: RootReader) -> None:
    assert docker_facts(None, ID, reading, node.settings) is None
    assert reading.problems == []


def test_a_broken_record_is(node: Node, reading: RootReader) -> None:
    node.write(f"{ROOT}/config.v2.json", b"{")
    assert docker_facts(bundle_with(f"{ROOT}/hosts"), ID, reading, node.settings) is None
    assert reading.problems == ["docker_config:malformed"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nginx:1.25", Image("nginx:1.25", IMAGE_ID, DIGEST, pinned=False)),
        ("nginx", Image("nginx", IMAGE_ID, DIGEST, pinned=False)),
        (
            f"nginx@{'sha256:' + 'e2' * 32}",
            Image("nginx", IMAGE_ID, "sha256:" + "e2" * 32, pinned=True),
        ),
        ("1f1f1f1f1f1f", Image(None, IMAGE_ID, pinned=True)),
        (IMAGE_ID, Image(None, IMAGE_ID, pinned=True)),
    ],
    ids=str,
)
def test_an_image_is_named_as_it_was_asked_for_with_its_digest(
    node: Node, reading: RootReader, name: str, expected: Image
) -> None:
    repositories = {
        "nginx": {"nginx:1.25": IMAGE_ID, f"nginx@{DIGEST}": IMAGE_ID},
        "mirror/nginx": {f"mirror/nginx@{'sha256:' + 'aa' * 32}": IMAGE_ID},
        "other": {f"other@{'sha256:' + 'bb' * 32}": "sha256:" + "00" * 32},
    }
    node.write("/data/docker/image/overlay2/repositories.json", {"Repositories": repositories})
    node.write(f"{ROOT}/config.v2.json", config(Config={"Image": name}))
    node.write(f"{ROOT}/hostconfig.json", HOST_CONFIG)
    found = docker_facts(bundle_with(f"{ROOT}/hosts"), ID, reading, node.settings)
    assert found is not None
    assert found.image == expected


@pytest.mark.parametrize("driver", ["../../etc", "", None, 1], ids=repr)
def test_a_hostile_driver_builds_no_path(node: Node, reading: RootReader, driver: object) -> None:
    node.write(f"{ROOT}/config.v2.json", config(Driver=driver))
    node.write(f"{ROOT}/hostconfig.json", HOST_CONFIG)
    found = docker_facts(bundle_with(f"{ROOT}/hosts"), ID, reading, node.settings)
    assert found is not None
    assert found.image == Image("nginx:1.25", IMAGE_ID, pinned=False)


def test_the_containerd_image_store_names_the_manifest(node: Node, reading: RootReader) -> None:
    node.write(f"{ROOT}/config.v2.json", config(ImageManifest={"digest": DIGEST}))
    node.write(f"{ROOT}/hostconfig.json", HOST_CONFIG)
    found = docker_facts(bundle_with(f"{ROOT}/hosts"), ID, reading, node.settings)
    assert found is not None
    assert found.image == Image("nginx:1.25", IMAGE_ID, DIGEST, pinned=False)


def test_a_container_of_cri_dockerd_has_the_pod_of_its_labels(
    node: Node, reading: RootReader
) -> None:
    uid = "eb052b63-ea96-4728-ab4a-64ab3babccd7"
    labels = {
        "io.kubernetes.container.name": "web",
        "io.kubernetes.pod.name": "shop-1",
        "io.kubernetes.pod.namespace": "prod",
        "io.kubernetes.pod.uid": uid,
        "io.kubernetes.docker.type": "container",
    }
    node.write(
        f"{ROOT}/config.v2.json",
        config(Name=f"/k8s_web_shop-1_prod_{uid}_3", Config={"Labels": labels}),
    )
    node.write(f"{ROOT}/hostconfig.json", HOST_CONFIG)
    found = docker_facts(bundle_with(f"{ROOT}/hosts"), ID, reading, node.settings)
    assert found is not None
    assert found.orchestrator is not None
    assert found.orchestrator.pod == "shop-1"
    assert found.orchestrator.attempt == 3
    assert not found.sandbox


def test_a_cri_dockerd_sandbox(node: Node, reading: RootReader) -> None:
    labels = {"io.kubernetes.docker.type": "podsandbox", "io.kubernetes.pod.name": "shop-1"}
    node.write(f"{ROOT}/config.v2.json", config(Config={"Labels": labels}))
    node.write(f"{ROOT}/hostconfig.json", HOST_CONFIG)
    found = docker_facts(bundle_with(f"{ROOT}/hosts"), ID, reading, node.settings)
    assert found is not None
    assert found.sandbox
