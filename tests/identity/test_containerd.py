"""What containerd's clients leave in the bundle."""

from __future__ import annotations

from sensor.identity.containerd import containerd_facts
from sensor.identity.facts import EngineFacts
from sensor.identity.oci import Bundle
from sensor.identity.reading import RootReader
from sensor.model.container import EngineRecord, Image, Orchestrator
from sensor.model.vocabulary import PodSource
from tests.identity.sample_node import Node

UID = "eb052b63-ea96-4728-ab4a-64ab3babccd7"
DIGEST = "sha256:" + "d1" * 32


def annotated(**values: str) -> Bundle:
    return Bundle(
        annotations=tuple(
            (f"io.kubernetes.cri.{key.replace('_', '-')}", value) for key, value in values.items()
        )
    )


POD = {"sandbox_namespace": "prod", "sandbox_name": "shop-1", "sandbox_uid": UID}


def test_a_pods_container(node: Node, reading: RootReader) -> None:
    node.write(f"/var/log/pods/prod_shop-1_{UID}/web/5.log", b"")
    bundle = annotated(
        container_type="container",
        container_name="web",
        image_name=f"docker.io/library/nginx:1.25@{DIGEST}",
        **POD,
    )
    assert containerd_facts(bundle, reading, "/var/log/pods") == EngineFacts(
        name="web",
        image=Image("docker.io/library/nginx:1.25", None, DIGEST, pinned=True),
        orchestrator=Orchestrator(
            "kubernetes", "prod", "shop-1", UID, "web", 5, source=PodSource.API
        ),
    )


def test_a_static_pods_logs_lie_under_its_raw_uid(node: Node, reading: RootReader) -> None:
    raw = UID.replace("-", "")
    node.write(f"/var/log/pods/prod_shop-1_{raw}/web/1.log", b"")
    bundle = annotated(
        container_type="container", container_name="web", **{**POD, "sandbox_uid": raw}
    )
    found = containerd_facts(bundle, reading, "/var/log/pods").orchestrator
    assert found is not None
    assert (found.pod_uid, found.attempt) == (raw, 1)


def test_a_sandbox_of_cri_has_the_name_of_its_pod(reading: RootReader) -> None:
    found = containerd_facts(annotated(container_type="sandbox", **POD), reading, "/var/log/pods")
    assert found.sandbox
    assert found.name == "shop-1"
    assert found.orchestrator == Orchestrator(
        "kubernetes", "prod", "shop-1", UID, source=PodSource.API
    )


def test_a_container_of_nerdctl_has_what_its_annotations_say(reading: RootReader) -> None:
    bundle = Bundle(
        annotations=(
            ("nerdctl/namespace", "default"),
            ("nerdctl/name", "web"),
            ("com.docker.compose.project", "shop"),
            ("containerd.io/restart.policy", "always"),
        )
    )
    assert containerd_facts(bundle, reading, "/var/log/pods") == EngineFacts(
        name="web",
        labels=(("com.docker.compose.project", "shop"),),
        record=EngineRecord(restart_policy="always"),
    )


def test_ctr_leaves_nothing(reading: RootReader) -> None:
    assert containerd_facts(Bundle(), reading, "/var/log/pods") == EngineFacts()
