"""CRI-O's annotations."""

from __future__ import annotations

import json

import pytest

from sensor.identity.crio import crio_facts
from sensor.identity.oci import Bundle
from sensor.model.container import Image, Orchestrator
from sensor.model.vocabulary import PodSource

UID = "eb052b63-ea96-4728-ab4a-64ab3babccd7"
HEX = "1f" * 32
DIGEST = "sha256:" + "d1" * 32


def annotated(**values: str) -> Bundle:
    pod = (
        ("io.kubernetes.pod.name", "shop-1"),
        ("io.kubernetes.pod.namespace", "prod"),
        ("io.kubernetes.pod.uid", UID),
    )
    own = tuple((f"io.kubernetes.cri-o.{key}", value) for key, value in values.items())
    return Bundle(annotations=(*pod, *own))


def test_a_container_has_the_name_and_pod_of_its_annotations() -> None:
    found = crio_facts(
        annotated(
            ContainerType="container",
            ContainerName=f"k8s_web_shop-1_prod_{UID}_4",
            ImageName="quay.io/shop/web:2",
            ImageRef=HEX,
            Metadata=json.dumps({"name": "web", "attempt": 4}),
            Labels=json.dumps({"io.kubernetes.container.name": "web"}),
            Created="2017-04-08T11:50:37.794940171Z",
        )
    )
    assert found.name == "web"
    assert found.image == Image("quay.io/shop/web:2", f"sha256:{HEX}")
    assert found.labels == (("io.kubernetes.container.name", "web"),)
    assert found.created_wall == 1491652237_794940171
    assert found.orchestrator == Orchestrator(
        "kubernetes", "prod", "shop-1", UID, "web", 4, source=PodSource.API
    )
    assert not found.sandbox


def test_a_sandbox_has_the_name_of_its_pod() -> None:
    found = crio_facts(
        annotated(
            ContainerType="sandbox",
            KubeName="shop-1",
            Metadata=json.dumps({"name": "shop-1", "attempt": 1}),
        )
    )
    assert found.sandbox
    assert found.name == "shop-1"
    assert found.orchestrator == Orchestrator(
        "kubernetes", "prod", "shop-1", UID, source=PodSource.API
    )


@pytest.mark.parametrize(
    ("annotations", "attempt"),
    [
        ({"LogPath": f"/var/log/pods/prod_shop-1_{UID}/web/7.log"}, 7),
        ({"LogPath": "/7.log", "Metadata": '{"attempt": 2}'}, 2),
        ({"LogPath": "7.log"}, None),
        ({"Metadata": '{"attempt": -1}'}, None),
        ({"Metadata": '{"attempt": true}'}, None),
        ({"Metadata": "{"}, None),
        ({"Metadata": "[" * 5000}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_attempt_comes_from_the_metadata_or_from_the_name(
    annotations: dict[str, str], attempt: int | None
) -> None:
    found = crio_facts(annotated(**annotations)).orchestrator
    assert found is not None
    assert found.attempt == attempt


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        (HEX, Image("web:2", f"sha256:{HEX}")),
        (f"sha256:{HEX}", Image("web:2", f"sha256:{HEX}")),
        (f"quay.io/web@{DIGEST}", Image("web:2", None, DIGEST)),
        ("quay.io/web:2", Image("web:2")),
        ("", Image("web:2")),
    ],
)
def test_an_image_reference_is_a_digest_or_an_id(reference: str, image: Image) -> None:
    assert crio_facts(annotated(ImageName="web:2", ImageRef=reference)).image == image


def test_without_annotations_all_is_unknown() -> None:
    found = crio_facts(Bundle())
    assert (found.name, found.image, found.labels, found.orchestrator) == (None,) * 4
