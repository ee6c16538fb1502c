"""A change that is added after a start: it acknowledges alerts, and rewrites nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sensor.judge.case import facts_of
from sensor.judge.change import Change, ChangeState
from sensor.judge.change_text import Adder, of_json
from sensor.judge.judge import Judge
from sensor.judge.late_change import SeenStart
from sensor.model.alert import AlertState
from sensor.model.events import Event
from sensor.model.vocabulary import Finding
from sensor.schema.times import rfc3339
from tests.judge.past import COMMAND, WEB, alerts_of, known_node, rows_of, running, web
from tests.judge.samples import HOUR, NOW, PLAIN, SECOND, initiator, judged, policy, start

LATER = NOW + HOUR
MALLORY = web("sh", "-c", "true", by=initiator("mallory"))
STRANGER = web(by=initiator("mallory"))
AGAIN = web(by=initiator("mallory"), at=NOW + SECOND)
ALLOWED = ["initiator:login mallory", "entrypoint:sh -c"]


def change(begin: int = NOW - HOUR, **values: object) -> Change:
    body: dict[str, object] = {
        "id": "CHG-1", "by": "carol", "name": "web", "not_before": rfc3339(begin),
        "for_seconds": 6 * 3600, "allows": ALLOWED, **values,
    }  # fmt: skip
    body = {key: value for key, value in body.items() if value is not None}
    return of_json(json.dumps(body).encode(), LATER, Adder("root", 0))


def seen_of(*events: Event) -> dict[str, SeenStart]:
    """Return starts as a log has them."""
    found = {}
    for event in events:
        facts = facts_of(event)
        assert facts is not None
        verdict = event.verdict
        findings = verdict.findings if verdict is not None else ()
        found[event.id] = SeenStart(facts, frozenset(findings))
    return found


def alerted(*events: Event, judge: Judge | None = None) -> tuple[Judge, dict[str, SeenStart]]:
    """Return a judge with the alerts of starts, which are those of the log, too."""
    judge = judge or known_node()
    seen = seen_of(*(judge.judge(event) for event in events or (MALLORY,)))
    assert [one.state for one in alerts_of(judge)][:1] == [AlertState.NEW]
    judge.take_notes()
    return judge, seen


def looked_back(judge: Judge, seen: dict[str, SeenStart], one: Change) -> list[AlertState]:
    """Add a change an hour later; return the states of the alerts that it made an event of."""
    judge.ledger.add(one, LATER)
    judge.acknowledge_late(one.id, seen, judge.moment(LATER, 0))
    return [alert.state for alert in alerts_of(judge)]


def test_open_alerts_of_earlier_starts_are_acknowledged_once_and_say_why() -> None:
    judge, seen = alerted()
    judge.ledger.add(change(), LATER)
    judge.acknowledge_late("CHG-1", seen, judge.moment(LATER, 0))
    (alert,) = alerts_of(judge)
    assert (alert.state, alert.by) == (AlertState.ACKNOWLEDGED, "root")
    assert alert.reason == "change CHG-1 covers it, added afterwards by root, approved by carol"
    (entry,) = judge.ledger.entries(LATER)
    assert (entry.usage.starts, entry.usage.late_starts, entry.usage.late_alerts) == (0, 1, 1)
    judge.acknowledge_late("CHG-1", seen, judge.moment(LATER + SECOND, 0))
    assert alerts_of(judge) == []
    # What it held back is learnt, as of a start that a change covers.
    assert judge.alerting.book.entries()[0].terms == ()
    assert not list(judge.alerting.held.items())


def test_the_verdict_of_an_earlier_start_stays_also_when_it_is_read_again() -> None:
    judge, seen = alerted()
    looked_back(judge, seen, change())
    for asked in (judge, Judge()):
        if asked is not judge:
            asked.restore(rows_of(judge))
        again = judged(asked, MALLORY)
        assert (again.change, again.explanation) == (None, again.explanation)
        assert again.explanation != "change"
        assert judged(asked, web(by=initiator("eve"), at=LATER + SECOND)).change is None


def test_a_start_of_before_it_was_added_is_not_covered() -> None:
    judge = Judge()
    judge.judge(web())
    judge.ledger.add(change(), LATER)
    assert judged(judge, web(at=LATER - SECOND)).change is None
    assert judged(judge, web(at=LATER + SECOND)).change == "CHG-1"


NOT_COVERED = [
    pytest.param({"begin": LATER}, id="begins now"),
    pytest.param({"begin": NOW + SECOND}, id="begins after the start"),
    pytest.param({"name": "db"}, id="selects another"),
    pytest.param({"allows": ALLOWED[:1]}, id="does not allow the shell"),
    pytest.param({"allows": ALLOWED[1:]}, id="does not allow the stranger"),
    pytest.param({"for_seconds": 3 * 86_400}, id="lasts for days"),
    pytest.param({"name": None}, id="selects everything"),
]


@pytest.mark.parametrize("values", NOT_COVERED)
def test_what_a_change_does_not_cover_stays_open(values: dict[str, object]) -> None:
    judge, seen = alerted()
    assert looked_back(judge, seen, change(**values)) == []  # type: ignore[arg-type]
    assert judge.alerting.book.entries()[0].state is AlertState.NEW


def test_a_selector_that_names_the_login_needs_no_other_word_for_it() -> None:
    judge, seen = alerted()
    late = change(login="mallory", allows=["entrypoint:sh -c"])
    assert looked_back(judge, seen, late) == [AlertState.ACKNOWLEDGED]


def test_privileges_are_covered_by_name_only() -> None:
    event = start("web", WEB, by=initiator("deploy"), security=replace(PLAIN, privileged=True))
    event = running(event, *COMMAND)
    judge, seen = alerted(event)
    assert looked_back(judge, seen, change(allows=["cap:*"])) == []
    judge, seen = alerted(event)
    late = change(allows=["privileged"])
    assert looked_back(judge, seen, late) == [AlertState.ACKNOWLEDGED]


def test_a_strong_finding_and_a_rule_that_forbids_stay_open() -> None:
    strange = start("web", WEB, by=initiator("mallory"), runtime_path="/tmp/.x/runc")
    judge, seen = alerted(strange)
    assert looked_back(judge, seen, change(allows=["*"])) == []
    judge = known_node()
    judge.policy = policy("[forbid.mallory]\nlogin = 'mallory'\n")
    judge, seen = alerted(judge=judge)
    assert judge.alerting.book.entries()[0].finding is Finding.FORBIDDEN
    assert looked_back(judge, seen, change(allows=["*"])) == []


def test_a_login_acknowledges_nothing_of_its_own() -> None:
    judge, seen = alerted()
    own = replace(change(), added_by="mallory")
    assert looked_back(judge, seen, own) == []


def test_an_alert_of_several_starts_is_covered_as_a_whole_or_not_at_all() -> None:
    judge, seen = alerted(STRANGER, AGAIN)
    assert judge.alerting.book.entries()[0].count == 2
    part = {STRANGER.id: seen[STRANGER.id]}
    assert looked_back(judge, part, change()) == []
    judge.acknowledge_late("CHG-1", seen, judge.moment(LATER, 0))
    assert [one.state for one in alerts_of(judge)] == [AlertState.ACKNOWLEDGED]


@pytest.mark.parametrize(("most", "states"), [(1, []), (2, [AlertState.ACKNOWLEDGED])])
def test_acknowledged_starts_count_as_used(most: int, states: list[AlertState]) -> None:
    judge, seen = alerted(STRANGER, AGAIN)
    assert looked_back(judge, seen, change(max_starts=most)) == states
    (entry,) = judge.ledger.entries(LATER)
    assert entry.state is (ChangeState.USED_UP if states else ChangeState.ACTIVE)
    noted = [(one.action, one.detail) for one in judge.take_notes()]
    used = ("change_used_up", "CHG-1: 0 starts used it, 2 were acknowledged")
    assert (used in noted) is bool(states)


def test_nothing_is_acknowledged_while_the_clock_is_not_settled() -> None:
    judge, seen = alerted()
    judge.judge(web(at=NOW + 60 * SECOND))
    judge.judge(replace(web(at=NOW + 61 * SECOND), realtime_offset=NOW))
    assert looked_back(judge, seen, change()) == []


def test_the_next_agent_knows_what_was_acknowledged() -> None:
    judge, seen = alerted()
    looked_back(judge, seen, change())
    successor = Judge()
    successor.restore(rows_of(judge))
    assert successor.ledger.entries(LATER) == judge.ledger.entries(LATER)
    assert successor.alerting.book.entries() == judge.alerting.book.entries()


def test_a_change_that_rests_on_names_acknowledges_no_alert_of_another_owners_container() -> None:
    judge, seen = alerted(replace(MALLORY, owner="uid 1000"))
    allows = ["initiator:*"]
    assert looked_back(judge, seen, change(allows=allows)) == []
    meant = change(id="CHG-2", name=None, workload="uid 1000: *", allows=allows)
    assert looked_back(judge, seen, meant) == [AlertState.ACKNOWLEDGED]
