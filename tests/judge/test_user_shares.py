"""A user who starts as many containers as are reported costs root and others none of their past.

Expected, of the tables of the judge: what is too much of an account's goes for the account's own.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.judge.alert_event import group_of
from sensor.judge.baseline import IMAGES, PROFILES, Baseline
from sensor.judge.case import facts_of
from sensor.judge.feature import Feature
from sensor.judge.judge import Judge
from sensor.judge.lesson import TermKey
from sensor.judge.memory import CONTAINERS, WORKLOADS, Memory
from sensor.judge.operational import SUBJECTS_MAX
from sensor.judge.quarantine import HELD_MAX, Quarantine
from sensor.judge.slow_change import INITIATORS_MAX, SlowChange
from sensor.model.account import of_owner
from sensor.model.alert import Fact, Strength
from sensor.model.events import Event, PreviousRun
from sensor.model.vocabulary import ContainerId, Explanation, Finding, Trigger
from tests.judge.past import alerts_of, rows_of, web
from tests.judge.samples import NOW, SECOND, initiator, judged, policy, restarted, start, stop
from tests.judge.test_owners import BY_DEPLOY, of_user

USER, OTHER = "uid 1000", "uid 1001"
HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
FACT = Fact("initiator", "login alice", "login mallory", "node", Strength.STRONG)


def many(count: int) -> list[Event]:
    """Return starts of a user, each of another container, name and image."""
    return [
        of_user(start(f"n{letters(number)}", f"r/{letters(number)}")) for number in range(count)
    ]


def letters(number: int) -> str:
    """Return a number without digits, which a workload's key would fold."""
    return "".join(chr(97 + int(digit)) for digit in str(number))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tables small: what counts is whose entries go."""
    for place in ("memory.CONTAINERS", "memory.WORKLOADS", "baseline.PROFILES", "baseline.IMAGES"):
        monkeypatch.setattr(f"sensor.judge.{place}", (16, 32))
    monkeypatch.setattr("sensor.judge.node_terms.NODE_TERMS_MAX", 16)
    monkeypatch.setattr("sensor.judge.node_terms.NODE_SHARE", 4)
    monkeypatch.setattr("sensor.judge.alert_book.ALERTS_MAX", 16)
    monkeypatch.setattr("sensor.judge.alert_book.ALERTS_SHARE", 4)


def test_the_tables_are_those_that_have_a_share() -> None:
    assert min(*CONTAINERS, *WORKLOADS, *PROFILES, *IMAGES) > 256
    assert min(HELD_MAX, INITIATORS_MAX, SUBJECTS_MAX) > 256


def test_a_restart_of_roots_inherits_what_explained_it_after_a_users_flood() -> None:
    judge = Judge(policy(BY_DEPLOY))
    first = start("web", by=initiator("deploy"))
    assert judged(judge, first).expected is True
    judge.policy = policy("")
    for event in many(100):
        judge.judge(event)
        judge.judge(replace(event, id=f"{event.id}-again"))
    found = judged(judge, restarted(first, Trigger.RESTART_POLICY))
    assert (found.expected, found.explanation) == (True, Explanation.RESTART_POLICY)
    assert dict(judge.memory.workloads()).get("name/web") is not None


def test_a_users_flood_costs_another_user_nothing() -> None:
    judge = Judge(policy("[expect.all]\nworkload = 'uid 1001: *'\n"))
    first = of_user(start("web"), OTHER)
    assert judged(judge, first).expected is True
    judge.policy = policy("")
    for event in many(100):
        judge.judge(event)
    assert judged(judge, restarted(first)).expected is True


def test_a_profile_of_roots_outlives_a_users_names_and_images() -> None:
    judge = Judge()
    judge.judge(web())
    for event in many(200):
        judge.judge(event)
    baseline = judge.alerting.baseline
    assert baseline.profile("w/name/web") is not None
    assert baseline.profile("i/registry.example.com/shop/web") is not None
    assert sum(key.startswith("w/uid 1000: ") for key, _ in baseline.profiles()) <= 48 // 4


def test_the_flood_of_a_users_names_is_an_alert_about_the_user() -> None:
    judge = Judge()
    for event in many(100):
        judge.judge(event)
    found = [one.group for one in alerts_of(judge) if one.finding is Finding.WORKLOAD_FLOOD]
    assert found[:1] == [group_of(Finding.WORKLOAD_FLOOD, "uid 1000: node")]


def test_what_the_node_knows_of_root_outlives_a_users_values() -> None:
    baseline = Baseline()
    node = baseline.node
    at = NOW // SECOND
    for number in range(16):
        node.learn(Feature.REPOSITORY, f"root-{number}", at)
    for day in range(3):
        for number in range(40):
            node.learn(Feature.REPOSITORY, f"uid 1000: {number}", at + day * 86_400)
    known = node.values(Feature.REPOSITORY, at + 2 * 86_400)
    assert sum(one.startswith("root-") for one in known) == 16
    assert sum(one.startswith(USER) for one in known) == 4
    assert baseline.replaced[Feature.REPOSITORY] >= 36


def test_a_new_value_of_roots_pushes_out_one_of_roots() -> None:
    node = Baseline().node
    at = NOW // SECOND
    node.learn(Feature.REPOSITORY, "uid 1000: x", at)
    for number in range(17):
        node.learn(Feature.REPOSITORY, f"root-{number:02}", at + number)
    assert node.knows(Feature.REPOSITORY, "uid 1000: x", at)
    assert not node.knows(Feature.REPOSITORY, "root-00", at)


def test_values_that_a_user_has_held_back_release_none_of_roots() -> None:
    held = Quarantine()
    roots = TermKey(None, Feature.INITIATOR, "login mallory")
    held.hold([roots], NOW // SECOND)
    own = [TermKey("w/uid 1000: name/x", Feature.TAG, str(number)) for number in range(HELD_MAX)]
    node = [TermKey(None, Feature.TAG, of_owner(USER, str(number))) for number in range(HELD_MAX)]
    held.hold([*own, *node], NOW // SECOND)
    assert held.holds(roots)
    assert len(held) == 1 + HELD_MAX // 8
    gone = [key for kind, key, row in held.rows if row is None]
    assert len(gone) == 2 * HELD_MAX - HELD_MAX // 8


def test_the_initiators_of_a_user_make_no_patience_of_others_forgotten() -> None:
    slow = SlowChange()
    weak = replace(FACT, strength=Strength.WEAK)
    slow.add("login eve", [weak], NOW // SECOND)
    for number in range(2 * INITIATORS_MAX):
        slow.add(f"uid 1000: account bob by /home/bob/{number}", [weak], NOW // SECOND)
    others = [replace(weak, seen=f"value {number}") for number in range(20)]
    assert weak in slow.add("login eve", others[:10], NOW // SECOND)


def test_a_crash_loop_of_roots_is_seen_between_the_restarts_of_a_users_containers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sensor.judge.operational.SUBJECTS_MAX", 8)
    judge = Judge()
    roots = start("web")
    for number in range(4):
        judge.judge(restarted(roots, after=number * SECOND))
        for event in many(9):
            judge.judge(restarted(event))
    judge.judge(restarted(roots, after=4 * SECOND))
    assert Finding.CRASH_LOOP in [one.finding for one in alerts_of(judge)]


def test_the_most_starts_of_roots_initiator_outlives_those_of_users() -> None:
    judge = Judge(keeping=True)
    judge.judge(start("web", by=initiator("alice")))
    for number in range(SUBJECTS_MAX + 10):
        by = initiator(f"u{number}")
        judge.judge(of_user(start("x", by=by)))
    rows = rows_of(judge)
    assert ("burst", "login alice") in rows
    assert sum(kind == "burst" for kind, _ in rows) == 1 + SUBJECTS_MAX // 8


def test_that_roots_container_was_killed_for_memory_outlives_a_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sensor.judge.memory.KILLED_MAX", 16)
    memory = Memory()
    roots = start("web")
    memory.note_stop(stop(roots, oom=True))
    for event in many(100):
        memory.note_stop(of_user(stop(event, oom=True)))
    again = restarted(roots, Trigger.ORCHESTRATOR)
    assert again.start is not None
    assert roots.container is not None
    previous = PreviousRun(roots.container.id or ContainerId(""), signal=9)
    found = facts_of(replace(again, start=replace(again.start, previous=previous)))
    assert found is not None
    assert memory.past_of(found).out_of_memory


def test_running_containers_of_one_user_push_out_none_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sensor.judge.memory.RUNNING_SHARE", 4)
    judge = Judge()
    first = of_user(start("web"), OTHER)
    judge.judge(first)
    for event in many(20):
        judge.judge(event)
    assert first.container is not None
    assert judge.memory.workload_of(first.container.id or "") == "uid 1001: name/web"
    assert sum(kind == "running" for kind, _ in rows_of(judge)) == 1 + 4


# ----------------------------------------------------------------- alerts


def alerted(judge: Judge, value: str, at: int = NOW, owner: str | None = None) -> int:
    """Raise an alert of an owner's; return how many events it made."""
    source = replace(start("web", at=at), owner=owner)
    judge.alerting.book.raise_(Finding.NEW_PERSON, value, (FACT,), source)
    return len(judge.take_alerts())


def test_an_alert_that_root_silenced_outlives_a_users_alerts() -> None:
    judge = Judge()
    book = judge.alerting.book
    alerted(judge, "silent")
    [entry] = book.entries()
    book.suppress(entry.id, "root", "known", NOW + 90 * DAY, judge.moment(NOW, 0))
    judge.take_alerts()
    for number in range(100):
        alerted(judge, str(number), NOW + HOUR, USER)
    assert book.get(entry.id) is not None
    assert alerted(judge, "silent", NOW + 2 * HOUR) == 0
    assert len(book.entries()) == 1 + 4


def test_an_alert_of_roots_is_reported_at_once_after_a_users_hundred() -> None:
    judge = Judge()
    assert sum(alerted(judge, str(number), owner=USER) for number in range(100)) == 15
    assert alerted(judge, "roots") == 1
    assert alerted(judge, "others", owner=OTHER) == 1


def test_what_waits_of_a_user_keeps_nothing_of_another_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sensor.judge.alert_book.ALERTS_MAX", 1024)
    monkeypatch.setattr("sensor.judge.alert_book.ALERTS_SHARE", 512)
    judge = Judge()
    for number in range(400):
        alerted(judge, str(number), owner=USER)
    for number in range(61):
        alerted(judge, f"roots-{number}")
    judge.take_alerts()
    judge.tick(NOW + HOUR, 0)
    reported = [one.owner for one in judge.take_alerts()]
    assert (reported.count(None), reported.count(USER)) == (1, 15)


def test_an_alert_about_a_users_event_is_that_users_whatever_its_value_says() -> None:
    judge = Judge()
    hidden = of_user(start("web"), f"in {'a' * 64}")
    judge.hidden(hidden)
    [entry] = judge.alerting.book.entries()
    assert entry.value.startswith("in an unknown container: ")


def test_the_alerts_of_an_earlier_agent_count() -> None:
    judge = Judge()
    for number in range(4):
        alerted(judge, str(number), owner=USER)
    again = Judge()
    again.restore(rows_of(judge))
    alerted(again, "one more", owner=USER)
    assert len(again.alerting.book.entries()) == 4
