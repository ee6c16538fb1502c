"""Owners of pods, inferred from labels and names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.identity.pod_owner import owner_of_pod
from sensor.model.control_plane import Owner

HASH = {"pod-template-hash": "7c5ddbdf54"}
REVISION = {"controller-revision-hash": "web-6b7f9"}


@pytest.mark.parametrize(
    ("pod", "labels", "owner"),
    [
        ("web-7c5ddbdf54-x2x4z", {"app": "web", **HASH}, Owner("Deployment", "web")),
        ("a-b-7c5ddbdf54-x2x4z", HASH, Owner("Deployment", "a-b")),
        ("bare-x2x4z", {"pod-template-hash": "7c5ddbdf54"}, Owner("ReplicaSet", "bare")),
        (
            "db-0",
            {"statefulset.kubernetes.io/pod-name": "db-0", **REVISION},
            Owner("StatefulSet", "db"),
        ),
        ("agent-x2x4z", {**REVISION, "pod-template-generation": "1"}, Owner("DaemonSet", "agent")),
        ("once-x2x4z", {"batch.kubernetes.io/job-name": "once"}, Owner("Job", "once")),
        ("once-x2x4z", {"job-name": "once"}, Owner("Job", "once")),
        ("tick-28967412-x2x4z", {"job-name": "tick-28967412"}, Owner("CronJob", "tick")),
        ("other-x2x4z", {"job-name": "once"}, None),
        ("web", {"app": "web"}, None),
        ("web-7c5ddbdf54-x2x4z", {"app": "web"}, None),
        ("web-7c5ddbdf54-x2x4z", {"io.kubernetes.pod.name": "x"}, Owner("Deployment", "web")),
        ("web-7c5ddbdf54-x2x4z", None, Owner("Deployment", "web")),
        ("web-x2x4z", None, None),
        ("my-nice-house", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_an_owner_is_what_labels_and_name_agree_on(
    pod: str | None, labels: dict[str, str] | None, owner: Owner | None
) -> None:
    assert owner_of_pod(pod, tuple(labels.items()) if labels is not None else None) == owner


@settings(deadline=None)
@given(st.text(max_size=300), st.dictionaries(st.text(), st.text(), max_size=5))
def test_any_name_is_survived(pod: str, labels: dict[str, str]) -> None:
    owner_of_pod(pod, tuple(labels.items()))
