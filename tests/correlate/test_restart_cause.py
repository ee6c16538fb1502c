"""Causes of restarts, and who ended the run before."""

from __future__ import annotations

import signal

import pytest

from sensor.correlate.containers import Run
from sensor.correlate.restart_cause import cause_of, ended_by
from sensor.correlate.stop_requests import GRACE_MAX, STOPS_MAX, StopRequests
from sensor.model.vocabulary import ContainerId, EndedBy, StartCause, StartKind, Trigger

ID = ContainerId("a" * 64)


def run(code: int | None = None, number: int | None = None, *, oom: bool = False) -> Run:
    return Run(ID, 1000, 2000, code, number, oom)


@pytest.mark.parametrize(
    ("earlier", "asked", "by"),
    [
        (run(0), None, EndedBy.ITSELF),
        (run(3), None, EndedBy.ITSELF),
        (run(None, signal.SIGSEGV), None, EndedBy.ITSELF),
        (run(None, signal.SIGKILL), None, None),
        (run(137), None, None),
        (run(143), EndedBy.ORCHESTRATOR, EndedBy.ORCHESTRATOR),
        (run(0), EndedBy.REQUEST, EndedBy.REQUEST),
        (run(None, signal.SIGKILL, oom=True), EndedBy.ORCHESTRATOR, EndedBy.KERNEL),
        (run(), EndedBy.REQUEST, None),
        (None, None, None),
    ],
)
def test_who_ended_a_run_is_said_where_it_was_seen(
    earlier: Run | None, asked: EndedBy | None, by: EndedBy | None
) -> None:
    assert ended_by(earlier, asked=asked) is by


@pytest.mark.parametrize(
    ("trigger", "earlier", "by", "changed", "cause"),
    [
        (Trigger.ENGINE_BOOT, run(1), EndedBy.ITSELF, False, StartCause.ENGINE_BOOT),
        (Trigger.ORCHESTRATOR, run(oom=True), EndedBy.KERNEL, True, StartCause.OOM),
        (Trigger.ORCHESTRATOR, run(137), None, True, StartCause.SANDBOX_DIED),
        (
            Trigger.ORCHESTRATOR,
            run(143),
            EndedBy.ORCHESTRATOR,
            False,
            StartCause.KILLED_BY_ORCHESTRATOR,
        ),
        (Trigger.ORCHESTRATOR, run(1), EndedBy.ITSELF, False, StartCause.CRASH),
        (Trigger.RESTART_POLICY, run(1), EndedBy.ITSELF, False, StartCause.CRASH),
        (Trigger.ORCHESTRATOR, run(0), EndedBy.ITSELF, False, StartCause.UNKNOWN),
        (Trigger.ORCHESTRATOR, run(137), None, False, StartCause.UNKNOWN),
        (Trigger.ORCHESTRATOR, None, None, False, StartCause.UNKNOWN),
    ],
)
def test_the_first_cause_that_was_seen_is_the_cause(
    trigger: Trigger,
    earlier: Run | None,
    by: EndedBy | None,
    changed: bool,  # noqa: FBT001 - a case
    cause: StartCause,
) -> None:
    found = cause_of(StartKind.RESTART, trigger, earlier, by, sandbox_changed=changed)
    assert found is cause


@pytest.mark.parametrize("kind", [StartKind.FIRST, StartKind.REACTIVATION, StartKind.RESTORE])
def test_what_is_no_restart_has_no_cause_of_one(kind: StartKind) -> None:
    assert cause_of(kind, Trigger.UNKNOWN, run(1), EndedBy.ITSELF, sandbox_changed=False) is None


def test_a_request_explains_the_end_of_the_run_that_it_was_made_in() -> None:
    stops = StopRequests()
    stops.add(ID, 1500, EndedBy.ORCHESTRATOR)
    assert stops.who_ended(run(0)) is EndedBy.ORCHESTRATOR
    assert stops.who_ended(Run(ID, 1600, 2000, 0, None)) is None
    assert stops.who_ended(Run(ID, 1000, 1400, 0, None)) is None
    assert stops.who_ended(Run(ID, 1000, 1501 + GRACE_MAX, 0, None)) is None
    assert stops.who_ended(Run(ContainerId("b" * 64), 1000, 2000, 0, None)) is None


def test_requests_that_are_remembered_are_bounded() -> None:
    stops = StopRequests()
    for number in range(STOPS_MAX + 1):
        stops.add(f"{number}", 1500, EndedBy.REQUEST)
    assert stops.who_ended(Run(ContainerId("0"), 1000, 2000, 0, None)) is None
    assert stops.who_ended(Run(ContainerId("1"), 1000, 2000, 0, None)) is EndedBy.REQUEST
