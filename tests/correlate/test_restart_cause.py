"""Causes of restarts, and who ended the run before."""

from __future__ import annotations

import signal

import pytest

from sensor.correlate.containers import Run
from sensor.correlate.restart_cause import cause_of, ended_by
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
    changed: bool,
    cause: StartCause,
) -> None:
    found = cause_of(StartKind.RESTART, trigger, earlier, by, sandbox_changed=changed)
    assert found is cause


@pytest.mark.parametrize(
    ("earlier", "by", "cause"),
    [
        (run(), None, StartCause.ENGINE_BOOT),
        (run(137), None, StartCause.ENGINE_BOOT),
        (run(143), EndedBy.ORCHESTRATOR, StartCause.ENGINE_BOOT),
        (run(3), EndedBy.ITSELF, StartCause.CRASH),
        (run(oom=True), EndedBy.KERNEL, StartCause.OOM),
    ],
)
def test_what_a_boot_ended_is_started_for_that(
    earlier: Run, by: EndedBy | None, cause: StartCause
) -> None:
    found = cause_of(
        StartKind.RESTART, Trigger.ORCHESTRATOR, earlier, by, sandbox_changed=False, began=True
    )
    assert found is cause


@pytest.mark.parametrize("kind", [StartKind.FIRST, StartKind.REACTIVATION, StartKind.RESTORE])
def test_what_is_not_a_restart_has_no_cause_of_one(kind: StartKind) -> None:
    assert cause_of(kind, Trigger.UNKNOWN, run(1), EndedBy.ITSELF, sandbox_changed=False) is None
