"""Owners of pods, by names that Kubernetes really makes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.model.pod_name import (
    GENERATED,
    PodName,
    cron_job_of,
    parse,
    without_ordinal,
    without_random,
)

UID = "eb052b63-ea96-4728-ab4a-64ab3babccd7"
STATIC_UID = "0123456789abcdef0123456789abcdef"
LONG = "a-very-long-deployment-name-that-goes-on-and-on-until-it-ends"


@pytest.mark.parametrize(
    ("pod", "owner"),
    [
        pytest.param("web-5d4f8c9b7d-x2x7k", PodName("web", "5d4f8c9b7d"), id="deployment"),
        pytest.param("coredns-668d6bf9bc-4xz9w", PodName("coredns", "668d6bf9bc"), id="coredns"),
        pytest.param(
            "argo-cd-repo-server-7c9f5d8b6-zz2lm",
            PodName("argo-cd-repo-server", "7c9f5d8b6"),
            id="deployment with dashes, hash of nine",
        ),
        pytest.param("web-5d4f8c-x2x7k", PodName("web", "5d4f8c"), id="short hash"),
        pytest.param("old-1528834093-jt4xr", PodName("old", "1528834093"), id="decimal hash"),
        pytest.param("node-exporter-tk8vz", PodName("node-exporter"), id="daemonset"),
        pytest.param("migrate-b2v6q", PodName("migrate"), id="job"),
        pytest.param("backup-29387520-6kqzp", PodName("backup", scheduled=True), id="cronjob"),
        pytest.param("postgres-0", PodName("postgres"), id="statefulset"),
        pytest.param("kafka-broker-12", PodName("kafka-broker"), id="statefulset of many"),
        pytest.param("debug", PodName("debug"), id="bare pod"),
        pytest.param("my-shell", PodName("my-shell"), id="bare pod with a dash"),
    ],
)
def test_owners_by_the_name(pod: str, owner: PodName) -> None:
    assert parse(pod, UID, "node-1") == owner


def test_a_static_pod_loses_the_name_of_its_node() -> None:
    name = "kube-apiserver-cp-1.example.com"
    found = parse(name, STATIC_UID, "cp-1.example.com")
    assert found == PodName("kube-apiserver", static=True)
    assert parse(name, STATIC_UID, None).owner == name


def test_a_pod_that_is_named_like_a_static_one_is_not_static() -> None:
    assert not parse("kube-proxy-node-1", UID, "node-1").static


@pytest.mark.parametrize("revision", ["5d4f8c9b7d", "7c9f5d8b6"])
@pytest.mark.parametrize("length", range(42, 62))
def test_a_base_that_was_cut_at_58_characters_keeps_its_owner(length: int, revision: str) -> None:
    """As the API server makes the names of a Deployment's pods (GenerateName)."""
    owner = LONG[:length].rstrip("-")
    base = f"{owner}-{revision}-"[:58]
    found = parse(f"{base}x2x7k", UID)
    kept = owner[:58]
    assert found.owner.rstrip("-") == kept.rstrip("-") or kept.startswith(found.owner)
    assert "x2x7k" not in found.owner


@settings(deadline=None)
@given(
    st.from_regex(r"[a-z]([a-z0-9-]{0,30}[a-z])?", fullmatch=True),
    st.text(GENERATED, min_size=6, max_size=10),
    st.text(GENERATED, min_size=5, max_size=5),
)
def test_two_pods_of_one_deployment_have_one_owner(owner: str, hash_: str, tail: str) -> None:
    first = parse(f"{owner}-{hash_}-{tail}", UID)
    second = parse(f"{owner}-6d8f7c5b4d-bcdfg", UID)
    assert first.owner == second.owner == owner


@pytest.mark.parametrize(
    ("name", "random", "ordinal"),
    [("web-x2x7k", "web", None), ("db-0", None, "db"), ("debug", None, None)],
)
def test_what_was_added_to_a_name_is_taken_off(
    name: str, random: str | None, ordinal: str | None
) -> None:
    assert (without_random(name), without_ordinal(name)) == (random, ordinal)


@pytest.mark.parametrize(
    ("job", "cron_job"), [("tick-28967412", "tick"), ("tick-1528834093", "tick"), ("once", None)]
)
def test_a_job_of_a_cron_job_has_the_minutes_in_its_name(job: str, cron_job: str | None) -> None:
    assert cron_job_of(job) == cron_job
