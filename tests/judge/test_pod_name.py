"""Owners of pods, by names that Kubernetes really makes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.judge.pod_name import GENERATED, PodOwner, owner_of

UID = "eb052b63-ea96-4728-ab4a-64ab3babccd7"
STATIC_UID = "0123456789abcdef0123456789abcdef"
LONG = "a-very-long-deployment-name-that-goes-on-and-on-until-it-ends"


@pytest.mark.parametrize(
    ("pod", "owner"),
    [
        pytest.param("web-5d4f8c9b7d-x2x7k", PodOwner("web", "5d4f8c9b7d"), id="deployment"),
        pytest.param("coredns-668d6bf9bc-4xz9w", PodOwner("coredns", "668d6bf9bc"), id="coredns"),
        pytest.param(
            "argo-cd-repo-server-7c9f5d8b6-zz2lm",
            PodOwner("argo-cd-repo-server", "7c9f5d8b6"),
            id="deployment with dashes, hash of nine",
        ),
        pytest.param("old-1528834093-jt4xr", PodOwner("old", "1528834093"), id="decimal hash"),
        pytest.param("node-exporter-tk8vz", PodOwner("node-exporter"), id="daemonset"),
        pytest.param("migrate-b2v6q", PodOwner("migrate"), id="job"),
        pytest.param("backup-29387520-6kqzp", PodOwner("backup", scheduled=True), id="cronjob"),
        pytest.param("postgres-0", PodOwner("postgres"), id="statefulset"),
        pytest.param("kafka-broker-12", PodOwner("kafka-broker"), id="statefulset of many"),
        pytest.param("debug", PodOwner("debug"), id="bare pod"),
        pytest.param("my-shell", PodOwner("my-shell"), id="bare pod with a dash"),
    ],
)
def test_owners_by_the_name(pod: str, owner: PodOwner) -> None:
    assert owner_of(pod, UID, "node-1") == owner


def test_a_static_pod_loses_the_name_of_its_node() -> None:
    name = "kube-apiserver-cp-1.example.com"
    found = owner_of(name, STATIC_UID, "cp-1.example.com")
    assert found == PodOwner("kube-apiserver", static=True)
    assert owner_of(name, STATIC_UID, None).name == name


def test_a_pod_that_is_named_like_a_static_one_is_not_static() -> None:
    assert not owner_of("kube-proxy-node-1", UID, "node-1").static


@pytest.mark.parametrize("revision", ["5d4f8c9b7d", "7c9f5d8b6"])
@pytest.mark.parametrize("length", range(42, 62))
def test_a_base_that_was_cut_at_58_characters_keeps_its_owner(length: int, revision: str) -> None:
    """As the API server makes the names of a Deployment's pods (GenerateName)."""
    owner = LONG[:length].rstrip("-")
    base = f"{owner}-{revision}-"[:58]
    found = owner_of(f"{base}x2x7k", UID)
    kept = owner[:58]
    assert found.name.rstrip("-") == kept.rstrip("-") or kept.startswith(found.name)
    assert "x2x7k" not in found.name


@settings(deadline=None)
@given(
    st.from_regex(r"[a-z]([a-z0-9-]{0,30}[a-z])?", fullmatch=True),
    st.text(GENERATED, min_size=8, max_size=10),
    st.text(GENERATED, min_size=5, max_size=5),
)
def test_two_pods_of_one_deployment_have_one_owner(owner: str, hash_: str, tail: str) -> None:
    first = owner_of(f"{owner}-{hash_}-{tail}", UID)
    second = owner_of(f"{owner}-6d8f7c5b4d-bcdfg", UID)
    assert first.name == second.name == owner
