"""containerd's lines about containers, as its versions print them."""

from __future__ import annotations

import pytest

from sensor.model.control_plane import Effect, RecordRef, Standing
from sensor.sources.controlplane.node_log import read

REF = RecordRef("node.jsonl", 1)
SANDBOX, CONTAINER = "b7" * 32, "a1" * 32


def entry(said: str, program: str = "containerd") -> dict[str, object]:
    return {"jsonPayload": {"MESSAGE": said, "SYSLOG_IDENTIFIER": program, "_HOSTNAME": "node-1"}}


@pytest.mark.parametrize(
    ("metadata", "attempt"),
    [
        ("&ContainerMetadata{Name:web,Attempt:0,}", 0),
        ("&ContainerMetadata{Name:web,Attempt:12,}", 12),
        (r"name:\"web\"", 0),
        (r"name:\"web\" attempt:3", 3),
        (r"name:\"web\"  attempt:3", 3),
    ],
)
def test_a_container_that_was_created(metadata: str, attempt: int) -> None:
    said = rf'msg="CreateContainer within sandbox \"{SANDBOX}\" for {metadata}'
    one = read(entry(rf'{said} returns container id \"{CONTAINER}\""'), REF)
    assert (one.standing, one.request.effect) == (Standing.RELATED, Effect.CREATE)
    workload, (container,) = one.request.workload, one.request.containers
    assert workload is not None
    assert (workload.sandbox, workload.attempt) == (SANDBOX, attempt)
    assert (container.name, container.id) == ("web", CONTAINER)


@pytest.mark.parametrize(
    "said",
    [
        rf'CreateContainer within sandbox "{SANDBOX}" for container name:"web"',
        rf'CreateContainer within sandbox "{SANDBOX}" for name:"web" failed',
        rf'CreateContainer within sandbox "{SANDBOX}" for name:"web" returns container id "x"',
    ],
)
def test_a_container_that_is_not_made_yet(said: str) -> None:
    assert read(entry(said), REF).standing is Standing.NO


def test_another_program_s_words_are_no_report() -> None:
    said = f'StartContainer for "{CONTAINER}" returns successfully'
    assert read(entry(said), REF).standing is Standing.OBSERVED
    assert read(entry(said, "app"), REF).standing is Standing.NO
