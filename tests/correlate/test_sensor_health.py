"""The sensor's own absence becomes events that say from when to when something may be missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.agent_records import (
    AccountsRead,
    AgentStalled,
    ClockStepped,
    ProbesLost,
    ProbesRestored,
)
from sensor.model.api_calls import Caller
from sensor.model.events import Event
from sensor.model.observations import Observation
from sensor.model.vocabulary import EventType
from sensor.model.witness_records import AuditRulesChanged, EngineConfigWritten
from tests.correlate.scenario import Core

SECOND = 1_000_000_000
LOST = ProbesLost(9 * SECOND, 7 * SECOND, ("on_exec", "on_fork"), "pins are gone")


def reported(observation: Observation) -> tuple[list[str], list[tuple[str, int, int, str]]]:
    """Actions of the sensor events, and source, span and reason of the gaps."""
    events: list[Event] = Core().feed([observation])
    actions = [event.sensor.action for event in events if event.sensor is not None]
    gaps = [
        (event.gap.source, event.gap.since, event.gap.until, event.gap.reason)
        for event in events
        if event.gap is not None
    ]
    assert {event.type for event in events} <= {EventType.SENSOR, EventType.GAP}
    return actions, gaps


def test_lost_probes_are_a_gap_that_names_them() -> None:
    actions, gaps = reported(LOST)
    assert actions == ["probes_lost"]
    assert gaps == [("kernel", 7 * SECOND, 9 * SECOND, "pins are gone: on_exec, on_fork")]


def test_restored_probes_end_the_gap() -> None:
    actions, (gap,) = reported(ProbesRestored(12 * SECOND, 7 * SECOND, ("on_exec",)))
    assert actions == ["probes_restored"]
    assert gap[:3] == ("kernel", 7 * SECOND, 12 * SECOND)


@pytest.mark.parametrize(
    ("observation", "action", "source", "text"),
    [
        (AgentStalled(70 * SECOND, 10 * SECOND), ["stalled"], "agent", "did not run for 60 s"),
        (ClockStepped(70 * SECOND, -3600 * SECOND), ["clock_stepped"], "clock", "-3600.000 s"),
    ],
)
def test_each_absence_says_how_long_it_was(
    observation: Observation, action: list[str], source: str, text: str
) -> None:
    actions, ((gap_source, _, until, reason),) = reported(observation)
    assert (actions, gap_source, until) == (action, source, 70 * SECOND)
    assert text in reason


def test_audit_rules_that_were_removed_are_a_gap_with_their_author() -> None:
    core = Core()
    core.feed([AccountsRead(1, ((1000, "mallory"),))])
    removed = AuditRulesChanged(
        9 * SECOND,
        6 * SECOND,
        3,
        enabled=True,
        keys=("castoff_api", "castoff_client"),
        loginuid=1000,
        exe="/sbin/auditctl",
    )
    note, gap = core.feed([removed])
    assert note.sensor is not None
    assert gap.gap is not None
    said = "3 audit rules were removed (castoff_api, castoff_client) by /sbin/auditctl"
    assert (note.sensor.action, note.sensor.by) == ("audit_rules_lost", "mallory")
    assert note.sensor.detail == gap.gap.reason == said
    assert (gap.gap.source, gap.gap.since, gap.gap.until) == ("audit", 6 * SECOND, 9 * SECOND)


def test_audit_that_is_switched_off_and_on_again_is_a_gap() -> None:
    off = AuditRulesChanged(9 * SECOND, 6 * SECOND, 0, enabled=False)
    actions, (gap,) = reported(off)
    assert (actions, gap[3]) == (["audit_rules_lost"], "kernel audit was switched off")
    actions, (gap,) = reported(AuditRulesChanged(19 * SECOND, 6 * SECOND, 0, enabled=True))
    assert (actions, gap[:3]) == (["audit_rules_restored"], ("audit", 6 * SECOND, 19 * SECOND))


# ------------------------------------------------------------------ files of engines

CALLER = Caller(42, None, 0, 1000, 3, "vi", "/usr/bin/vi")
WRITE = EngineConfigWritten(9, "audit:1", CALLER, "/etc/docker/daemon.json")


@pytest.mark.parametrize(
    ("caller", "by", "program"),
    [
        (CALLER, "alice", "/usr/bin/vi"),
        (replace(CALLER, loginuid=None), "root", "/usr/bin/vi"),
        (replace(CALLER, loginuid=7777), "7777", "/usr/bin/vi"),
        (replace(CALLER, loginuid=None, uid=None, exe=None), None, "an unknown program"),
    ],
    ids=["a login", "an account", "a number", "unknown"],
)
def test_a_write_names_file_program_and_author(
    caller: Caller, by: str | None, program: str
) -> None:
    core = Core()
    core.feed([AccountsRead(1, ((1000, "alice"), (0, "root")))])
    (event,) = core.feed([replace(WRITE, caller=caller)])
    assert event.sensor is not None
    assert event.sensor.action == "engine_config_written"
    assert (event.sensor.by, event.sensor.detail) == (by, f"/etc/docker/daemon.json by {program}")
