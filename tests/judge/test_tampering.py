"""The sensor's own absence is an alert, but for what its operator or a power cut does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sensor.judge.judge import Judge
from sensor.model.alert import AlertSeverity, AlertState
from sensor.model.events import Event, SensorNote
from sensor.model.vocabulary import EventType, Finding, LastEnd
from tests.judge.past import alerts_of
from tests.judge.samples import NOW, SECOND, start


def noted(action: str, at: int = NOW, boot: str = "boot", **more: Any) -> Event:
    event = start("web", at=at)
    assert event.host is not None
    return replace(
        event,
        type=EventType.SENSOR,
        host=replace(event.host, boot_id=boot),
        container=None,
        start=None,
        initiator=None,
        sensor=SensorNote(action, **more),
    )


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (noted("probes_lost"), True),
        (noted("stalled"), True),
        (noted("audit_rules_lost", detail="3 audit rules were removed"), True),
        (noted("probes_attached", down_seconds=40.0, last_end=LastEnd.KILLED), True),
        (noted("probes_attached", down_seconds=0.2, last_end=LastEnd.KILLED), False),
        (noted("probes_attached", down_seconds=40.0, last_end=LastEnd.CLEAN), False),
        (
            noted("probes_attached", boot="next", down_seconds=40.0, last_end=LastEnd.KILLED),
            False,
        ),
        (noted("alive"), False),
        (noted("policy_loaded"), False),
    ],
)
def test_what_was_done_to_the_sensor(event: Event, found: bool) -> None:
    judge = Judge()
    judge.judge(start("web"))
    judge.judge(event)
    findings = [one.finding for one in alerts_of(judge)]
    assert findings == ([Finding.SENSOR_TAMPERING] if found else [])


def test_probes_that_are_back_resolve_it() -> None:
    judge = Judge()
    judge.judge(noted("probes_lost"))
    judge.judge(noted("probes_restored", at=NOW + SECOND))
    assert [one.state for one in alerts_of(judge)] == [AlertState.NEW, AlertState.RESOLVED]


def test_a_start_that_its_engine_never_spoke_of() -> None:
    judge = Judge()
    event = start("web")
    judge.judge(event)
    judge.hidden(event)
    (alert,) = alerts_of(judge)
    assert (alert.finding, alert.start) == (Finding.HIDDEN_START, event.id)
    assert alert.facts[0].sentence == (
        "engine's events: expected a start by docker, seen nothing for 60 s"
    )


def test_audit_rules_that_were_removed_name_who_did_it_until_they_are_back() -> None:
    judge = Judge()
    judge.judge(noted("audit_rules_lost", detail="3 audit rules were removed", by="mallory"))
    (alert,) = alerts_of(judge)
    assert alert.facts[0].sentence == (
        "audit rules: expected in force, seen 3 audit rules were removed, login mallory"
    )
    judge.judge(noted("audit_rules_restored", at=NOW + SECOND))
    (over,) = alerts_of(judge)
    assert (over.id, over.state) == (alert.id, AlertState.RESOLVED)
    assert over.reason == "the audit rules are there again"


def test_a_configuration_that_was_written_is_a_notice_for_each_file_and_author() -> None:
    judge = Judge()
    detail = "/etc/docker/daemon.json by /usr/bin/vi"
    for by in ("mallory", "mallory", None):
        judge.judge(noted("engine_config_written", detail=detail, by=by))
    alerts = alerts_of(judge)
    assert [one.finding for one in alerts] == [Finding.ENGINE_CONFIG] * 2
    assert alerts[0].facts[0].sentence == (
        "engine's configuration: expected as it was, seen"
        " /etc/docker/daemon.json by /usr/bin/vi, mallory"
    )
    assert alerts[0].severity is AlertSeverity.LOW
