"""What is new is named with feature, expected, seen and level; what is known is explained."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.judge.judge import Judge
from sensor.model.alert import AlertState
from sensor.model.container import Security
from sensor.model.events import Event, Initiator
from sensor.model.vocabulary import BaselineState, Confidence, Explanation, Finding, StartKind
from tests.judge.past import (
    DAY,
    WEB,
    alerts_of,
    caller,
    known_node,
    pod,
    running,
    verdict_of,
    web,
)
from tests.judge.samples import (
    HOUR,
    NOW,
    PLAIN,
    container_id,
    initiator,
    mounted,
    policy,
    restarted,
    start,
)

PRIVILEGED = replace(PLAIN, privileged=True)
TRUE_EXAMPLES = {
    "privilege": (web(by=initiator("deploy")), PRIVILEGED, Finding.NEW_PRIVILEGE),
    "mount": (web(by=initiator("deploy")), mounted("/"), Finding.NEW_PRIVILEGE),
}


def secured(event: Event, security: Security) -> Event:
    assert event.container is not None
    return replace(event, container=replace(event.container, security=security))


def test_what_is_like_before_is_expected_and_says_since_when() -> None:
    found = verdict_of(known_node(), web())
    assert (found.expected, found.explanation) == (True, Explanation.BASELINE)
    assert found.baseline is BaselineState.ACTIVE
    assert found.level == "workload"
    assert found.reasons == ("like 20 starts of this workload since 2026-11-20",)


@pytest.mark.parametrize("name", TRUE_EXAMPLES)
def test_a_privilege_that_the_workload_never_had_is_an_alert(name: str) -> None:
    event, security, finding = TRUE_EXAMPLES[name]
    judge = known_node()
    found = verdict_of(judge, secured(event, security))
    assert (found.expected, found.findings) == (False, (finding,))
    assert found.reasons[0].startswith("privilege: expected none, seen ")
    (alert,) = alerts_of(judge)
    assert (alert.finding, alert.start, alert.facts[0].level) == (finding, event.id, "workload")


@pytest.mark.parametrize(
    ("by", "finding"),
    [
        (initiator("mallory"), Finding.NEW_PERSON),
        (initiator(None, unit="php-fpm.service"), Finding.NEW_INITIATOR),
        (initiator(None, account="www-data"), Finding.NEW_INITIATOR),
        (caller(container_id()), Finding.ENGINE_SOCKET),
    ],
    ids=["person", "unit", "account", "container"],
)
def test_who_never_started_a_container_here_is_an_alert(by: Initiator, finding: Finding) -> None:
    judge = known_node()
    event = replace(web(), initiator=by)
    assert verdict_of(judge, event).findings == (finding,)


def test_a_new_person_whom_the_policy_suppresses_is_no_alert_and_the_verdict_says_so() -> None:
    judge = known_node()
    judge.policy = policy(
        "[suppress.lab]\nfinding = 'new-person'\nlogin = 'mallory'\n"
        "until = 2026-12-15\nreason = 'a contractor'\n"
    )
    found = verdict_of(judge, web(by=initiator("mallory")))
    assert (found.expected, found.findings) == (None, ())
    assert any("suppressed by policy rule lab: a contractor" in one for one in found.reasons)
    assert alerts_of(judge) == []
    assert verdict_of(judge, web(by=initiator("eve"))).findings == (Finding.NEW_PERSON,)


def test_a_new_pod_that_differs_from_the_past_does_not_inherit_its_workload_s_explanation() -> None:
    judge = known_node()
    judge.policy = policy("[expect.front]\nworkload = 'k8s/shop/front'\n")
    assert verdict_of(judge, pod("main")).explanation is Explanation.POLICY
    judge.policy = policy("")
    place = pod("main").orchestrator
    assert place is not None
    later = replace(place, pod="front-7d4b9c6f5d-zzzzz", pod_uid="other")
    alike = replace(pod("main", at=NOW + HOUR), orchestrator=later)
    found = verdict_of(judge, alike)
    assert (found.expected, found.explanation) == (True, Explanation.SCALING)
    shell = running(
        replace(pod("main", at=NOW + 2 * HOUR), orchestrator=later), "/bin/sh", "-c", "x"
    )
    found = verdict_of(judge, shell)
    assert (found.expected, found.findings) == (False, (Finding.NEW_ENTRYPOINT,))
    assert any("it differs from the past" in one for one in found.reasons)


def test_one_who_is_known_here_and_new_to_the_workload_is_said_and_no_alert() -> None:
    judge = known_node()
    found = verdict_of(judge, web(by=initiator(None, unit="job.service")))
    assert (found.expected, found.findings) == (None, ())
    assert "new: initiator: expected login alice or login deploy, seen unit job.service" in (
        found.reasons
    )
    assert alerts_of(judge) == []


def test_of_several_who_may_have_done_it_all_must_be_new() -> None:
    judge = known_node()
    event = replace(web(), initiator=None)
    some = replace(event, candidates=(initiator("mallory"), initiator("alice")))
    assert verdict_of(judge, some).findings == ()
    none = replace(event, candidates=(initiator("mallory"), initiator("eve")))
    assert verdict_of(judge, none).findings == (Finding.NEW_PERSON,)


def test_an_unknown_initiator_means_nothing() -> None:
    event = replace(web(), initiator=None, candidates=())
    assert verdict_of(known_node(), event).findings == ()


@pytest.mark.parametrize(
    ("command", "findings"),
    [
        (("/bin/sh", "-c", "curl x | sh"), (Finding.NEW_ENTRYPOINT,)),
        (("/app/server2",), ()),
        (("/app/server",), ()),
    ],
)
def test_a_shell_where_there_was_none_is_an_alert_and_another_program_is_said(
    command: tuple[str, ...], findings: tuple[Finding, ...]
) -> None:
    assert verdict_of(known_node(), web(*command)).findings == findings


def test_a_known_name_from_another_registry_is_an_alert() -> None:
    judge = known_node()
    event = web(image="registry.evil.example/shop/web:1.2")
    assert verdict_of(judge, event).findings == (Finding.CHANGED_REGISTRY,)
    (first,) = alerts_of(judge)
    other = replace(pod("main", "registry.evil.example/shop/front:1"))
    verdict_of(judge, other)
    (again,) = alerts_of(judge)
    assert (again.id, again.count) == (first.id, 2)


def test_two_weak_facts_are_an_alert_and_one_is_not() -> None:
    judge = known_node()
    by = initiator("alice")
    own = running(start("tool", "registry.example.com/shop/tool:1", by=by), "tool")
    foreign = running(start("other", "quay.io/strange/other:1", by=by), "other")
    assert verdict_of(judge, own).findings == ()
    assert verdict_of(judge, foreign).findings == (Finding.UNUSUAL_COMBINATION,)


@pytest.mark.parametrize(
    ("event", "finding"),
    [
        (pod("logger", "docker.io/strange/logger:1"), Finding.NEW_CONTAINER_IN_POD),
        (pod("shell", late=True), Finding.LATE_CONTAINER),
        (pod("job", owner="cleanup", namespace="kube-system"), Finding.UNUSUAL_COMBINATION),
    ],
    ids=["sidecar", "late", "kube-system"],
)
def test_pods_are_compared_with_their_owners(event: Event, finding: Finding) -> None:
    assert verdict_of(known_node(), event).findings == (finding,)


def test_a_sidecar_of_a_known_image_is_said_and_no_alert() -> None:
    judge = known_node()
    found = verdict_of(judge, pod("proxy", "registry.example.com/shop/front:1"))
    assert (found.expected, found.findings) == (None, ())


@pytest.mark.parametrize(
    ("kind", "dormant", "finding"),
    [
        (StartKind.REACTIVATION, 40 * 86_400.0, (Finding.DORMANT,)),
        (StartKind.REACTIVATION, 86_400.0, ()),
        (StartKind.RESTORE, None, (Finding.RESTORED,)),
    ],
)
def test_what_lay_stopped_for_long_or_comes_from_a_checkpoint(
    kind: StartKind, dormant: float | None, finding: tuple[Finding, ...]
) -> None:
    event = web()
    assert event.start is not None
    event = replace(event, start=replace(event.start, kind=kind, dormant_seconds=dormant))
    assert verdict_of(known_node(), event).findings == finding


def test_restarts_of_what_raised_an_alert_raise_no_second_one() -> None:
    judge = known_node()
    first = secured(web(), PRIVILEGED)
    verdict_of(judge, first)
    assert len(alerts_of(judge)) == 1
    for number in range(1, 4):
        found = verdict_of(judge, restarted(first, after=number * 3600 * 10**9))
        assert (found.expected, found.findings) == (None, ())
    assert alerts_of(judge) == []


def test_while_a_node_learns_strong_facts_are_reported_from_the_second_day_on() -> None:
    judge = Judge()
    for day in range(3):
        verdict_of(judge, web(at=NOW + day * DAY))
    early = Judge()
    verdict_of(early, web())
    assert verdict_of(early, secured(web(at=NOW + HOUR), PRIVILEGED)).findings == ()
    found = verdict_of(judge, secured(web(at=NOW + 3 * DAY), PRIVILEGED))
    assert (found.baseline, found.findings) == (
        BaselineState.LEARNING,
        (Finding.NEW_PRIVILEGE,),
    )
    weak = running(start("a", "quay.io/x/a:1", at=NOW + 3 * DAY, by=initiator("deploy")), "a")
    assert verdict_of(judge, weak).findings == ()


def test_an_unusual_hour_of_a_person_is_weak_and_crashes_have_no_hours() -> None:
    judge = known_node()
    for day in range(8, 0, -1):
        for _ in range(4):
            verdict_of(judge, web(at=NOW - day * DAY, by=initiator("alice")))
    night = NOW + 16 * HOUR
    found = verdict_of(judge, web(at=night, by=initiator("alice")))
    assert any(one.startswith("new: hour: expected") for one in found.reasons)
    crash = restarted(web(at=NOW), after=16 * HOUR)
    assert not any("hour" in one for one in verdict_of(judge, crash).reasons)


def test_a_runtime_by_hand_is_known_once_it_is_acknowledged() -> None:
    judge = known_node()
    from sensor.model.vocabulary import Trigger  # noqa: PLC0415 - one place

    by_hand = replace(web(by=initiator("alice")))
    assert by_hand.start is not None
    by_hand = replace(
        by_hand,
        start=replace(by_hand.start, trigger=Trigger.DIRECT_RUNTIME),
        confidence=replace(by_hand.confidence, trigger=Confidence.EXACT),
    )
    assert verdict_of(judge, by_hand).findings == (Finding.DIRECT_RUNTIME,)
    (alert,) = alerts_of(judge)
    judge.alerting.released(alert.id, NOW // 10**9)
    assert verdict_of(judge, replace(by_hand, id="again")).findings == ()


def test_what_is_explained_by_a_change_is_not_an_alert_and_is_learnt() -> None:
    judge = known_node()
    from tests.judge.test_verdict import change  # noqa: PLC0415 - one place

    judge.ledger.add(change(name="web", allows=["privileged"]), NOW)
    assert verdict_of(judge, secured(web(), PRIVILEGED)).explanation is Explanation.CHANGE
    assert alerts_of(judge) == []
    later = secured(web(at=NOW + DAY), PRIVILEGED)
    assert verdict_of(judge, later).explanation is Explanation.BASELINE


def test_a_person_who_tries_known_images_by_day_is_not_an_alert() -> None:
    judge = known_node()
    names = ("happy_bell", "brave_curie", "kind_euler")
    for name in names:
        event = running(start(name, WEB, by=initiator("alice")), "sh")
        assert verdict_of(judge, event).findings == ()
    assert alerts_of(judge) == []


def test_a_runtime_that_no_engine_of_this_node_uses_is_an_alert() -> None:
    judge = known_node()
    event = web()
    assert event.container is not None
    container = replace(event.container, oci_runtime_path="/usr/local/bin/helper")
    found = verdict_of(judge, replace(event, container=container))
    assert found.findings == (Finding.UNKNOWN_RUNTIME,)
    assert "expected /usr/bin/runc, seen /usr/local/bin/helper" in found.reasons[0]


@pytest.mark.parametrize("command", [("python3", "-c", "x"), ("perl", "x.pl")])
def test_an_interpreter_where_there_was_none_is_like_a_shell(command: tuple[str, ...]) -> None:
    assert verdict_of(known_node(), web(*command)).findings == (Finding.NEW_ENTRYPOINT,)


def test_a_service_that_starts_new_workloads_by_nature_is_quiet_and_a_person_is_not() -> None:
    judge = known_node()
    for day in range(12):
        for letter in "abc":
            event = start(
                f"run-{'abcdefghijkl'[day]}{letter}",
                "registry.example.com/ops/job:1",
                by=initiator(None, unit="job.service"),
                at=NOW + day * DAY,
            )
            assert verdict_of(judge, running(event, "job")).findings == ()
    assert alerts_of(judge) == [] or all(
        one.finding is Finding.SLOW_CHANGE for one in alerts_of(judge)
    )
    last = start(
        "run-zz",
        "registry.example.com/ops/job:1",
        by=initiator(None, unit="job.service"),
        at=NOW + 13 * DAY,
    )
    assert not any("workload" in one for one in verdict_of(judge, running(last, "job")).reasons[1:])


def test_what_is_released_after_a_week_of_learning_is_known_as_a_whole() -> None:
    judge = Judge()
    image = "registry.example.com/ops/builder:1"
    odd = replace(PRIVILEGED, seccomp="unconfined", apparmor="unconfined")
    by = initiator(None, unit="ci.service")
    for day in range(10):
        verdict_of(judge, running(start("ci", by=by, at=NOW + day * DAY), "sh", "-c", "x"))
        if day:
            build = start("ci", image, by=by, at=NOW + day * DAY + HOUR, security=odd)
            verdict_of(judge, running(build, "build"))
    alerts_of(judge)
    last = start("ci", image, by=by, at=NOW + 11 * DAY, security=odd)
    assert verdict_of(judge, running(last, "build")).findings == ()


MINER = "docker.io/library/ubuntu:24.04"


def test_another_program_of_another_image_in_the_place_of_a_service_is_an_alert() -> None:
    judge = known_node()
    judge.judge(running(start("tool", MINER, by=initiator("deploy"), at=NOW - DAY), "bash"))
    judge.take_alerts()
    found = verdict_of(judge, web("xmrig", image=MINER, by=initiator("deploy")))
    assert found.findings == (Finding.UNUSUAL_COMBINATION,)
    assert found.reasons[2].endswith("entry point: expected server, seen xmrig")


def test_another_image_with_the_same_program_is_one_weak_fact() -> None:
    judge = known_node()
    renamed = web(image="registry.example.com/shop/shopfront:1", by=initiator("deploy"))
    assert verdict_of(judge, renamed).findings == ()


def test_a_job_that_runs_images_of_all_kinds_may_run_one_more() -> None:
    judge = known_node()
    found: set[Finding] = set()
    for number, language in enumerate(("golang", "rust", "node", "python")):
        event = start(
            "runner-abcd1234-project-7-concurrent-0-0123456789abcdef",
            f"registry.example.com/ops/{language}:1",
            by=initiator(None, unit="job.service"),
            at=NOW + number * HOUR,
        )
        found |= set(verdict_of(judge, running(event, language)).findings)
    assert found == set()


def test_one_new_sidecar_in_many_deployments_is_one_alert() -> None:
    judge = known_node()
    for number in range(4):
        for day in range(3):
            judge.judge(pod("main", owner=f"app{number}", at=NOW - DAY - day * HOUR))
    judge.take_alerts()
    for number in range(4):
        judge.judge(pod("mesh", "mesh.example.org/proxy:1", owner=f"app{number}", at=NOW))
    alerts = [one for one in alerts_of(judge) if one.state is AlertState.NEW]
    assert [one.finding for one in alerts] == [Finding.NEW_CONTAINER_IN_POD]
