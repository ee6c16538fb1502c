"""A policy tunes findings and the baseline: typed, bounded, and refused with the nearest name."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sensor.errors import ConfigError
from sensor.judge.findings import burst, dormant, slow_change, unknown_runtime, unusual_combination
from sensor.judge.findings.kind import Number, Rank
from sensor.judge.findings.registry import KINDS
from sensor.judge.judge import Judge
from sensor.judge.policy_text import SourceText, read
from sensor.judge.tuning import BASELINE, LEARNING_DAYS, Tuning
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import BaselineState, Finding, StartKind, Trigger
from tests.judge.past import alerts_of, known_node, running, verdict_of, web
from tests.judge.samples import HOUR, NOW, SECOND, initiator, policy, start, zone_of

NUMBERS = [
    pytest.param(finding, one, id=f"{finding} {one.key}")
    for finding, kind in KINDS.items()
    for one in kind.tunables
    if isinstance(one, Number)
]


@pytest.mark.parametrize(("finding", "tunable"), NUMBERS)
def test_a_number_is_read_and_refused_outside_of_its_range(
    finding: Finding, tunable: Number
) -> None:
    assert Tuning().number(tunable) == tunable.default
    assert tunable.least <= tunable.default <= tunable.most
    for value in (tunable.least, tunable.most):
        text = f"[findings.{finding}]\n{tunable.key} = {value}\n"
        assert policy(text).tuning.number(tunable) == value
    for wrong in (tunable.least - 1, tunable.most + 1, "'5'", "2.5", "true"):
        with pytest.raises(ConfigError) as raised:
            policy(f"[findings.{finding}]\n{tunable.key} = {wrong}\n")
        assert raised.value.problem == (
            f"policy.toml:2: findings.{finding}.{tunable.key}: not a whole number in its range"
        )
        assert raised.value.fix == f"Give {tunable.least} to {tunable.most}."


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("[findings.brust]", "policy.toml:1: findings.brust: unknown key", "Did you mean burst?"),
        (
            "[findings.burst]\nstart = 3",
            "policy.toml:2: findings.burst.start: unknown key",
            "Did you mean starts?",
        ),
        (
            "[findings.burst]\nseverity = 'hihg'",
            "policy.toml:2: findings.burst.severity: 'hihg' is unknown",
            "Did you mean 'high'?",
        ),
        (
            "[findings.hidden-start]\nenabled = false",
            "policy.toml:2: findings.hidden-start.enabled: a finding that is always on",
            'Use [suppress.NAME] with finding = "hidden-start", until and reason.',
        ),
        (
            "[baseline]\nlearning_day = 3",
            "policy.toml:2: baseline.learning_day: unknown key",
            "Did you mean learning_days?",
        ),
        (
            "baseline = 3",
            "policy.toml:1: baseline: not a table",
            "Write [baseline] above its keys.",
        ),
        ("[finding.burst]", "policy.toml:1: finding: unknown key", "Did you mean findings?"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_the_nearest_name(
    text: str, problem: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        policy(f"{text}\n")
    assert (raised.value.problem, raised.value.fix) == (problem, fix)


def test_a_table_stands_in_one_file_only() -> None:
    files = [
        SourceText("a.toml", b"[findings.burst]\nstarts = 3\n"),
        SourceText("b.toml", b"[findings.burst]\nfactor = 3\n"),
    ]
    with pytest.raises(
        ConfigError, match=re.escape("b.toml:1: findings.burst: stands at a.toml:1")
    ):
        read(files, zone_of, NOW)


@pytest.mark.parametrize("finding", list(Finding))
def test_severity_can_be_set_and_what_is_not_strong_can_be_switched_off(finding: Finding) -> None:
    found = policy(f"[findings.{finding}]\nseverity = 'critical'\n").tuning
    assert found.severity(finding) is AlertSeverity.CRITICAL
    strong = KINDS[finding].rank is Rank.STRONG
    text = f"[findings.{finding}]\nenabled = false\n"
    if strong:
        with pytest.raises(ConfigError):
            policy(text)
    else:
        assert policy(text).tuning.off == {finding}


def tuned(text: str) -> Judge:
    judge = known_node()
    judge.policy = policy(text)
    return judge


def test_a_finding_that_is_switched_off_raises_no_alert_and_the_verdict_says_so() -> None:
    judge = tuned("[findings.new-entrypoint]\nenabled = false\n")
    found = verdict_of(judge, web("sh", "-c", "true"))
    assert found.findings == ()
    assert "finding new-entrypoint is switched off by the policy" in found.reasons
    assert alerts_of(judge) == []


def test_the_severity_of_the_policy_is_that_of_the_alert() -> None:
    judge = tuned("[findings.new-entrypoint]\nseverity = 'high'\n")
    verdict_of(judge, web("sh", "-c", "true"))
    assert [one.severity for one in alerts_of(judge)] == [AlertSeverity.HIGH]


def burst_of(judge: Judge, count: int) -> list[Finding]:
    for number in range(count):
        event = start(f"load-{number}", by=initiator("deploy"), at=NOW + number * SECOND)
        judge.judge(running(event, "yes"))
    return [one.finding for one in alerts_of(judge)]


def test_the_numbers_of_a_burst_count() -> None:
    few = f"[findings.burst]\nstarts = {burst.STARTS.default + 5}\n"
    assert Finding.BURST in burst_of(known_node(), burst.STARTS.default + 1)
    assert Finding.BURST not in burst_of(tuned(few), burst.STARTS.default + 1)
    assert Finding.BURST in burst_of(tuned(few), burst.STARTS.default + 6)


@pytest.mark.parametrize(("days", "found"), [(10, True), (30, False)])
def test_the_days_of_a_dormant_container_count(days: int, found: bool) -> None:
    judge = tuned(f"[findings.dormant]\n{dormant.DAYS.key} = {days}\n")
    event = web()
    assert event.start is not None
    again = replace(event.start, kind=StartKind.REACTIVATION, dormant_seconds=20 * 86_400.0)
    assert (Finding.DORMANT in verdict_of(judge, replace(event, start=again)).findings) is found


def test_more_weak_facts_can_be_asked_for() -> None:
    one = "[findings.unusual-combination]\nweak_facts = 3\n"
    unknown = running(start("new", "foreign.example.org/x/y:1", by=initiator("deploy")), "y")
    assert verdict_of(known_node(), unknown).findings == (Finding.UNUSUAL_COMBINATION,)
    judge = tuned(one)
    assert judge.policy.tuning.number(unusual_combination.WEAK_FACTS) == 3
    assert verdict_of(judge, unknown).findings == ()


def test_the_facts_of_a_slow_change_count() -> None:
    judge = tuned(f"[findings.slow-change]\n{slow_change.FACTS.key} = 2\n")
    for number in range(2):
        event = start(f"odd-{number}", by=initiator("alice"), at=NOW + number * HOUR)
        judge.judge(running(event, *("/app/server",)))
    assert [one.finding for one in alerts_of(judge)] == [Finding.SLOW_CHANGE]


def test_a_directory_of_runtimes_can_be_added() -> None:
    event = start("web", runtime_path="/srv/runtimes/runc", by=initiator("deploy"))
    assert Finding.UNKNOWN_RUNTIME in verdict_of(Judge(), event).findings
    key = unknown_runtime.DIRECTORIES.key
    added = Judge(policy(f"[findings.unknown-runtime]\n{key} = ['/srv/runtimes/']\n"))
    assert verdict_of(added, event).findings == ()


def test_the_learning_days_count() -> None:
    longer = tuned(f"[baseline]\n{LEARNING_DAYS.key} = 30\n")
    assert verdict_of(known_node(), web()).baseline is BaselineState.ACTIVE
    assert verdict_of(longer, web()).baseline is BaselineState.LEARNING
    longer.policy = policy("")
    assert verdict_of(longer, web()).baseline is BaselineState.ACTIVE, "a reload counts at once"


def test_each_number_of_the_baseline_reaches_its_place() -> None:
    judge = tuned("[baseline]\nlearning_days = 9\nrelease_days = 5\nfleet_hosts = 4\n")
    alerting = judge.alerting
    values = alerting.baseline.learning_days, alerting.held.release_days, alerting.fleet.known_from
    assert (values, len(BASELINE)) == ((9, 5, 4), 3)


def test_the_minutes_of_a_crash_loop_count() -> None:
    judge = Judge(policy("[findings.crash-loop]\nrestarts = 3\nminutes = 1\ncalm_minutes = 1\n"))
    first = start("web", at=NOW)
    judge.judge(first)
    for number in range(1, 4):
        again = replace(
            start("web", trigger=Trigger.RESTART_POLICY, kind=StartKind.RESTART),
            time=first.time + number * 10 * SECOND,
            initiator=None,
            container=first.container,
        )
        judge.judge(again)
    (alert,) = [one for one in alerts_of(judge) if one.finding is Finding.CRASH_LOOP]
    assert (
        alert.facts[0].sentence == "restarts: expected fewer than 3, seen 3 restarts in 1 minutes"
    )
