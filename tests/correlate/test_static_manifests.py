"""A static pod's first start names who wrote its manifest, and no other start does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.static_manifests import WINDOW
from sensor.model.agent_records import AccountsRead
from sensor.model.container import Orchestrator
from sensor.model.control_plane import ChainConfidence, Effect, RequestedBy
from sensor.model.vocabulary import ContainerId, Engine
from sensor.model.witness_records import ManifestWritten
from tests.correlate.observations import SHIM, below, caller, ns
from tests.correlate.scenario import Box, Core, described

HASH = "bd12dd3393227d950605a2444b13c27a"
MANIFESTS = "/etc/kubernetes/manifests"
ALICE, BOB = 1000, 1001


def core(*writes: ManifestWritten) -> Core:
    made = Core() >> AccountsRead(ns(0), ((ALICE, "alice"), (BOB, "bob"), (0, "root")))
    for one in writes:
        made = made >> one
    return made


def write(at: float, login: int | None = ALICE, name: str = "web.yaml") -> ManifestWritten:
    who = replace(caller(900, login=login, uid=0), start_time=None)
    return ManifestWritten(ns(at), f"1000.{int(at)}:7", who, f"{MANIFESTS}/{name}")


def requested(made: Core, at: float, uid: str = HASH, attempt: int = 0) -> RequestedBy | None:
    """Return who is named as the requester of a pod's start."""
    box = Box("k8s_web", ContainerId("c" * 64), pid=700).in_pod(uid)
    pod = Orchestrator("kubernetes", "infra", "web-node-a", uid, "web", attempt=attempt)
    observed = described(at + 1, box, pod=pod, engine=Engine.CONTAINERD)
    made = made >> below(box.create(at), SHIM) >> observed >> box.execs(at + 5)
    found = made.starts[-1].orchestrator
    assert found is not None
    return found.requested_by


def test_a_static_pod_was_asked_for_by_the_login_that_wrote_its_manifest() -> None:
    answer = requested(core(write(1000)), 3000)
    assert answer is not None
    assert (answer.actor, answer.effect) == ("alice", Effect.STATIC_POD)
    assert answer.confidence is ChainConfidence.INFERRED
    (step,) = answer.chain
    assert (step.workload, step.request_id) == (f"File/{MANIFESTS}/web.yaml", "audit 1000.1000:7")


def test_a_write_without_a_login_is_its_account_s() -> None:
    answer = requested(core(write(1000, None)), 3000)
    assert answer is not None
    assert answer.actor == "root"


def test_the_name_decides_between_writes_that_were_seen() -> None:
    answer = requested(core(write(1000, ALICE), write(1100, BOB, "db.yaml")), 3000)
    assert answer is not None
    assert answer.actor == "alice"


def test_two_authors_of_other_files_are_ambiguous() -> None:
    answer = requested(core(write(1000, ALICE, "10-a.yaml"), write(1100, BOB, "20-b.yaml")), 3000)
    assert answer is not None
    assert (answer.actor, answer.candidates) == (None, ("alice", "bob"))
    assert answer.confidence is ChainConfidence.AMBIGUOUS


@pytest.mark.parametrize(
    ("uid", "at", "attempt"),
    [
        ("0a4d1c6e-0000-4000-8000-000000000001", 3000.0, 0),
        (HASH, 1000 + WINDOW / 1e6 + 1000, 0),
        (HASH, 3000.0, 1),
    ],
    ids=["a pod of the API server", "long after", "a restart by kubelet"],
)
def test_no_other_start_has_an_author(uid: str, at: float, attempt: int) -> None:
    assert requested(core(write(1000)), at, uid, attempt) is None
