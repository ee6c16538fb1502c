"""What another user's container has of root's, by choice of its maker, gives and takes nothing.

Expected, of a container of uid 1000 with the id, name, image and labels of root's:

1. It inherits nothing of root's: no explanation, no rule or change that rests on names, no past.
2. It teaches root's workload and the node nothing, and uses up none of root's changes.
3. Its end, failure or boot ends, hides and resolves nothing of root's.
4. Its alerts are groups of their own.
5. The log, judged again, says the same.

What root's starts taught the node is not new to others.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sensor.judge.case import facts_of
from sensor.judge.change_text import of_json
from sensor.judge.feature import Feature
from sensor.judge.judge import Judge
from sensor.judge.workload import workload_of
from sensor.model.events import Event, PreviousRun
from sensor.model.vocabulary import ContainerId, Explanation, Finding, Trigger
from sensor.schema.document import encode_line
from sensor.schema.start_reader import event_of
from tests.judge.changes import ROOT
from tests.judge.past import (
    DAY,
    DAYS,
    alerts_of,
    caller,
    known_node,
    pod,
    rows_of,
    verdict_of,
    web,
)
from tests.judge.samples import (
    NOW,
    SECOND,
    container_id,
    initiator,
    judged,
    mounted,
    pod_start,
    policy,
    restarted,
    start,
    stop,
)

USER = "uid 1000"
BY_DEPLOY = "[expect.deploys]\nlogin = 'deploy'\n"
REQUIRED = "[require_explanation.all]\n"


def of_user(event: Event, owner: str = USER) -> Event:
    return replace(event, owner=owner)


def explained() -> tuple[Judge, Event]:
    """Return a judge that has seen an explained start, of which the rule is gone."""
    judge = Judge(policy(BY_DEPLOY))
    first = start("web", by=initiator("deploy"))
    assert judged(judge, first).expected is True
    judge.policy = policy(REQUIRED)
    return judge, first


# ----------------------------------------------------------------- inheriting


def test_the_key_of_a_users_container_begins_with_the_user() -> None:
    keys = [workload_of(of_user(one)) for one in (start("web"), pod("main"), start(None, None))]
    assert [one.key for one in keys if one is not None] == [
        "uid 1000: name/web",
        "uid 1000: k8s/shop/front",
        f"uid 1000: {keyed(start(None, None))}",
    ]
    assert judged(Judge(), of_user(start("web"))).workload == "uid 1000: name/web"


def keyed(event: Event) -> str:
    found = workload_of(event)
    return found.key if found is not None else "unnamed"


@pytest.mark.parametrize("trigger", [Trigger.RESTART_POLICY, Trigger.ENGINE_BOOT])
def test_a_restart_under_the_id_of_roots_inherits_no_explanation(trigger: Trigger) -> None:
    judge, first = explained()
    found = judged(judge, of_user(restarted(first, trigger)))
    assert (found.expected, found.explanation) == (None, None)
    assert judged(judge, restarted(first, trigger)).expected is True


def test_a_new_attempt_after_roots_container_inherits_no_explanation() -> None:
    judge = Judge(policy(BY_DEPLOY))
    first = start("web", by=initiator("deploy"))
    assert judged(judge, first).expected is True
    assert first.container is not None
    assert first.container.id is not None
    judge.policy = policy("")
    again = pod_start("web-7d4b9c6f5d-bcdfg", previous=PreviousRun(first.container.id))
    assert judged(judge, again).expected is True
    assert judged(judge, of_user(again)).expected is None


def test_an_unexplained_start_of_a_user_does_not_hide_that_roots_is_unexplained() -> None:
    judge = Judge(policy(REQUIRED))
    id_ = container_id()
    judged(judge, of_user(start("web", id_=id_)))
    found = judged(judge, restarted(start("web", id_=id_)))
    assert found.findings == (Finding.NO_EXPLANATION,)


def test_a_users_container_is_not_like_roots_starts() -> None:
    judge = known_node()
    assert verdict_of(judge, web()).explanation is Explanation.BASELINE
    found = verdict_of(judge, of_user(web()))
    assert found.expected is not True
    assert "uid 1000: name/web" in " ".join(found.reasons)


@pytest.mark.parametrize(
    "rule", ["name = 'web'", "image = '*/shop/web'", "label = 'a=b'", "name = '*'"]
)
def test_a_rule_that_rests_on_names_expects_no_container_of_a_user(rule: str) -> None:
    judge = Judge(policy(f"[expect.web]\n{rule}\n"))
    event = start("web", labels=(("a", "b"),))
    assert judged(judge, event).expected is True
    found = judged(judge, of_user(event))
    assert found.expected is None
    assert "policy rule web matches, but it is of uid 1000" in found.reasons


@pytest.mark.parametrize(
    "rule",
    [
        "workload = 'uid 1000: *'",
        "name = 'web'\nlogin = 'alice'",
        "account = 'root'",
        "trigger = 'user_command'",
        "",
    ],
)
def test_a_rule_that_names_the_owner_or_the_initiator_expects_it(rule: str) -> None:
    judge = Judge(policy(f"[expect.web]\n{rule}\n"))
    assert judged(judge, of_user(start("web"))).expected is True


def test_a_rule_that_forbids_a_name_forbids_it_to_users() -> None:
    judge = Judge(policy("[forbid.web]\nname = 'web'\n"))
    assert judged(judge, of_user(start("web"))).findings == (Finding.FORBIDDEN,)


def test_a_suppression_by_name_silences_no_finding_of_a_user() -> None:
    text = (
        "[forbid.web]\nname = 'web'\n[suppress.web]\nname = 'web'\nfinding = 'forbidden'\n"
        "until = 2026-12-20\nreason = 'known'\n"
    )
    judge = Judge(policy(text))
    assert judged(judge, start("web")).findings == ()
    assert judged(judge, of_user(start("web"))).findings == (Finding.FORBIDDEN,)


def test_a_users_start_neither_has_nor_uses_up_roots_change() -> None:
    judge = Judge()
    body = {"id": "CHG-1", "by": "dora", "for_seconds": 3600, "name": "web", "max_starts": 1}
    judge.ledger.add(of_json(json.dumps(body).encode(), NOW, ROOT), NOW)
    found = judged(judge, of_user(start("web", at=NOW + SECOND)))
    assert (found.expected, found.change) == (None, None)
    assert judged(judge, start("web", at=NOW + 2 * SECOND)).change == "CHG-1"


def test_a_caller_in_a_users_container_is_not_roots_of_the_same_id() -> None:
    id_ = container_id()
    runner = web()
    assert runner.container is not None
    judge = known_node()
    judge.judge(replace(runner, container=replace(runner.container, id=id_)))
    other = start("evil", id_=id_, at=NOW + SECOND)
    judge.judge(of_user(other))
    judge.take_alerts()
    judge.judge(web(by=caller(id_), at=NOW + 2 * SECOND))
    [alert] = alerts_of(judge)
    assert f"{id_[:12]} of an unknown workload" in alert.facts[0].seen
    judge.judge(of_user(stop(other)))
    assert judge.memory.workload_of(id_) == "name/web"


# ----------------------------------------------------------------- poisoning


def test_a_users_starts_teach_roots_workload_and_the_node_nothing() -> None:
    judge = known_node()
    risky = replace(
        web("sh", "-c", "x", by=initiator("mallory"), image="evil.example.net/shop/web:1"),
    )
    assert risky.container is not None
    risky = replace(risky, container=replace(risky.container, security=mounted("/")))
    for day in range(10):
        event = of_user(replace(risky, time=risky.time + day * DAY, id=f"evil-{day}"))
        judge.judge(event)
    # On the fourth day it is learnt, as the user's.
    at = (NOW + 10 * DAY) // SECOND
    node = judge.alerting.baseline.node
    assert node.knows(Feature.PRIVILEGE, "uid 1000: mount:root:rw", at)
    for feature, value in (
        (Feature.PRIVILEGE, "mount:root:rw"),
        (Feature.INITIATOR, "login mallory"),
        (Feature.REPOSITORY, "evil.example.net/shop/web"),
        (Feature.ORGANISATION, "evil.example.net/shop"),
    ):
        assert not node.knows(feature, value, at)
    judge.take_alerts()
    found = verdict_of(judge, replace(risky, time=risky.time + 11 * DAY))
    assert found.expected is False
    assert {Finding.NEW_PERSON, Finding.NEW_PRIVILEGE} <= set(found.findings)


def test_a_users_hours_are_not_those_of_people() -> None:
    judge = Judge()
    for day in range(DAYS):
        judge.judge(of_user(web(at=NOW + day * DAY, by=initiator("alice"))))
    assert not judge.alerting.baseline.node.by_feature.get(Feature.HOUR)


def test_what_root_taught_the_node_is_not_new_to_a_user() -> None:
    judge = known_node()
    found = verdict_of(judge, of_user(web(by=initiator("alice"))))
    assert found.findings == ()
    assert found.reasons[-1].startswith("new: workload: ")


def test_a_users_runtime_makes_none_of_roots_unknown() -> None:
    judge = Judge()
    for day in range(DAYS):
        mine = start("x", runtime_path="/usr/bin/crun", at=NOW - (DAYS - day) * DAY)
        judge.judge(of_user(mine))
    judge.take_alerts()
    assert Finding.UNKNOWN_RUNTIME not in verdict_of(judge, web()).findings


def test_the_end_of_a_users_container_ends_none_of_roots() -> None:
    judge = Judge()
    id_ = container_id()
    first = start("web", id_=id_)
    judge.judge(first)
    judge.judge(of_user(start("web", id_=id_)))
    assert judge.memory.running == 1
    judge.judge(of_user(stop(first, oom=True)))
    assert judge.memory.workload_of(id_) == "name/web"
    killed = restarted(first, Trigger.ORCHESTRATOR)
    assert killed.start is not None
    again = replace(killed, start=replace(killed.start, previous=PreviousRun(id_, signal=9)))
    facts = facts_of(again)
    assert facts is not None
    assert not judge.memory.past_of(facts).out_of_memory


def test_running_containers_of_a_user_push_out_none_of_roots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sensor.judge.memory.RUNNING_MAX", 4)
    judge, first = Judge(), start("web")
    judge.judge(first)
    for _ in range(6):
        judge.judge(of_user(start("web")))
    assert first.container is not None
    assert judge.memory.workload_of(first.container.id or "") == "name/web"


def test_a_users_crash_loop_is_another_one_and_no_storm() -> None:
    judge = Judge()
    mine, roots = of_user(start("web")), start("web")
    roots = replace(roots, container=mine.container)
    for number in range(4):
        judge.judge(restarted(mine, after=number * SECOND))
        judge.judge(restarted(roots, after=number * SECOND))
    assert [one.finding for one in alerts_of(judge)] == []
    judge.judge(restarted(mine, after=4 * SECOND))
    assert [(one.finding, one.workload) for one in alerts_of(judge)] == [
        (Finding.CRASH_LOOP, "uid 1000: name/web")
    ]
    late = [start(f"w{number:c}") for number in range(97, 123)]
    for one in late:
        event = restarted(replace(one, time=one.time + DAY))
        judge.judge(of_user(event))
    assert Finding.RESTART_STORM not in [one.finding for one in alerts_of(judge)]


def test_the_boot_of_a_users_engine_hides_no_storm_of_roots() -> None:
    judge = Judge()
    booted = of_user(restarted(start("mine"), Trigger.ENGINE_BOOT, after=DAY))
    judge.judge(booted)
    for number in range(97, 123):
        judge.judge(restarted(start(f"w{number:c}"), after=DAY + SECOND))
    assert Finding.RESTART_STORM in [one.finding for one in alerts_of(judge)]


def test_an_alert_of_a_user_joins_none_of_roots() -> None:
    judge = Judge(policy("[forbid.web]\nimage = '*/evil:*'\n"))
    judge.judge(start("x", "docker.io/a/evil:1"))
    [roots] = alerts_of(judge)
    now = judge.moment(NOW + SECOND, 0)
    judge.alerting.book.suppress(roots.id, "root", "known", NOW + DAY, now)
    judge.take_alerts()
    judge.judge(of_user(start("x", "docker.io/a/evil:1")))
    [users] = alerts_of(judge)
    assert users.group != roots.group


def test_a_new_runtime_of_a_user_is_an_alert_beside_roots_that_is_silent() -> None:
    judge = Judge()
    judge.judge(start("x", runtime_path="/home/bob/runc"))
    [roots] = alerts_of(judge)
    now = judge.moment(NOW + SECOND, 0)
    judge.alerting.book.suppress(roots.id, "root", "known", NOW + DAY, now)
    judge.take_alerts()
    judge.judge(of_user(start("y", runtime_path="/home/bob/runc")))
    assert [one.finding for one in alerts_of(judge)] == [Finding.UNKNOWN_RUNTIME]


# ----------------------------------------------------------------- places, rows, the log


def test_what_a_container_makes_is_kept_by_the_workload_of_that_container() -> None:
    judge = Judge()
    outer = start("dind")
    judge.judge(outer)
    assert outer.container is not None
    mine = of_user(start("web"), f"in {outer.container.id}")
    assert judged(judge, mine).workload == "in name/dind: name/web"
    unknown = of_user(start("web"), f"in {container_id()}")
    assert judged(judge, unknown).workload == "in an unknown container: name/web"


def test_rows_of_roots_are_as_before_and_those_of_a_user_come_back() -> None:
    judge = Judge()
    first = start("web", id_=ContainerId("a" * 64))
    judge.judge(first)
    judge.judge(of_user(first))
    rows = rows_of(judge)
    assert {("running", "a" * 64), ("container", "a" * 64), ("workload", "name/web")} <= set(rows)
    again = Judge()
    again.restore(rows)
    assert again.memory.running == 1
    again.judge(of_user(stop(first)))
    assert again.memory.workload_of("a" * 64) == "name/web"


def test_the_log_judged_again_says_the_same() -> None:
    live, replayed = Judge(policy(BY_DEPLOY)), Judge(policy(BY_DEPLOY))
    id_ = container_id()
    first = start("web", id_=id_, by=initiator("deploy"))
    mine = of_user(start("web", id_=id_, by=initiator("bob"), at=NOW + SECOND))
    mine, first = with_pid(mine, 77), with_pid(first, 5)
    nameless = of_user(start(None, None, id_=container_id(), at=NOW + 2 * SECOND))
    story = [
        first,
        mine,
        of_user(restarted(mine)),
        nameless,
        of_user(stop(mine, oom=True, after=90 * SECOND)),
        restarted(first, after=100 * SECOND),
        web(by=caller(id_), at=NOW + 200 * SECOND),
    ]
    for event in story:
        said = live.judge(event)
        read = event_of(json.loads(encode_line(said)))
        assert read is not None
        assert replayed.judge(read).verdict == said.verdict
        if event.owner is not None and said.verdict is not None and event.stop is None:
            assert read.owner == USER


def with_pid(event: Event, pid: int) -> Event:
    assert event.container is not None
    return replace(event, container=replace(event.container, pid=pid))
