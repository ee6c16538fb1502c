"""One alert names a start: what a person silenced hides nothing else that is new about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.judge.judge import Judge
from sensor.model.alert import Alert
from sensor.model.events import Event
from sensor.model.vocabulary import Confidence, EventType, Finding, Trigger
from tests.judge.past import DAY, alerts_of, known_node, web
from tests.judge.samples import NOW, PLAIN, SECOND, initiator, policy, start

MALLORY = initiator("mallory")


def moment(at: int) -> Event:
    return replace(start("web", at=at), type=EventType.SENSOR, container=None, start=None)


def test_an_acknowledgement_in_the_first_week_is_of_what_was_seen_until_then() -> None:
    judge = Judge()
    for day in range(3):
        judge.judge(web(at=NOW - (3 - day) * DAY))
    judge.judge(web(at=NOW, by=MALLORY))
    (alert,) = alerts_of(judge)
    now = moment(NOW)
    assert judge.alerting.book.acknowledge(alert.id, "alice", "a colleague", now) is not None
    judge.take_alerts()
    judge.judge(web(at=NOW + SECOND, by=MALLORY))
    assert alerts_of(judge) == []
    judge.judge(web(at=NOW + 2 * SECOND, by=initiator("eve")))
    (again,) = alerts_of(judge)
    assert "eve" in again.facts[-1].seen


def test_an_acknowledged_finding_does_not_hide_another_one_of_the_same_start() -> None:
    judge = Judge()
    for day in range(3):
        judge.judge(web(at=NOW - (3 - day) * DAY))

    def by_hand(number: int, *atoms: str) -> list[Alert]:
        event = start(
            "box", by=MALLORY, trigger=Trigger.DIRECT_RUNTIME, at=NOW + number * SECOND,
            security=replace(PLAIN, capabilities=atoms),
        )  # fmt: skip
        trusted = replace(event.confidence, trigger=Confidence.EXACT)
        judge.judge(replace(event, confidence=trusted))
        return alerts_of(judge)

    seen: set[Finding] = set()
    for number in range(4):
        for alert in by_hand(number):
            seen.add(alert.finding)
            if alert.finding is not Finding.NEW_PRIVILEGE:
                judge.alerting.book.acknowledge(alert.id, "alice", "known", moment(NOW))
        judge.take_alerts()
    assert Finding.DIRECT_RUNTIME in seen
    for number, atom in ((5, "CAP_SYS_ADMIN"), (6, "CAP_SYS_MODULE"), (7, "CAP_BPF")):
        (alert,) = by_hand(number, atom)
        assert alert.finding is Finding.NEW_PRIVILEGE
        assert any(atom.removeprefix("CAP_") in fact.seen for fact in alert.facts)


@pytest.mark.parametrize(
    ("rule", "reported"),
    [
        ("", True),
        ("[expect.lab]\nlogin = 'alice'\nallows = ['cap:SYS_ADMIN']\n", False),
        ("[expect.lab]\nlogin = 'alice'\n", True),
        ("[suppress.lab]\nfinding = 'new-privilege'\nuntil = 2026-12-31\nreason = 'x'\n", False),
    ],
)
def test_what_is_explained_beside_an_acknowledged_finding_stays_silent(
    rule: str, *, reported: bool
) -> None:
    judge = known_node()
    judge.policy = policy(rule)
    judge.judge(running_by_hand())
    for alert in alerts_of(judge):
        judge.alerting.book.acknowledge(alert.id, "alice", "known", moment(NOW))
    judge.take_alerts()
    judge.judge(running_by_hand("CAP_SYS_ADMIN"))
    assert [one.finding for one in alerts_of(judge)] == [Finding.NEW_PRIVILEGE] * reported


def running_by_hand(*capabilities: str) -> Event:
    """Return a start of the known service by a runtime alone."""
    event = web(by=initiator("alice"))
    assert event.start is not None
    assert event.container is not None
    return replace(
        event,
        start=replace(event.start, trigger=Trigger.DIRECT_RUNTIME),
        container=replace(event.container, security=replace(PLAIN, capabilities=capabilities)),
        confidence=replace(event.confidence, trigger=Confidence.EXACT),
    )
