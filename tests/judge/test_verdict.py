"""The order of explanations: a test walks it, and each step has its cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sensor.judge import verdict as steps
from sensor.judge.change import Change
from sensor.judge.change_text import Adder, of_json
from sensor.judge.findings.registry import KINDS
from sensor.judge.judge import Judge
from sensor.model.container import Image
from sensor.model.events import Event, Verdict
from sensor.model.vocabulary import BaselineState, Confidence, Engine, Explanation, Finding, Trigger
from tests.judge.samples import (
    HOUR,
    NOW,
    OFFSET,
    PLAIN,
    SECOND,
    by_itself,
    initiator,
    judged,
    mounted,
    pod_start,
    policy,
    restarted,
    start,
)

PRIVILEGED = replace(PLAIN, privileged=True)
RUNC = start("box", trigger=Trigger.DIRECT_RUNTIME, runtime=Engine.CONTAINERD)


def change(id_: str = "CHG-1", /, **values: object) -> Change:
    import json  # noqa: PLC0415 - one place

    body = {"id": id_, "by": "carol", "for_seconds": 7200, **values}
    return of_json(json.dumps(body).encode(), NOW, Adder("root", 0))


def judge_of(text: str = "", *changes: Change) -> Judge:
    judge = Judge(policy(text))
    for one in changes:
        judge.ledger.add(one, NOW)
    return judge


# --------------------------------------------------------------------------- the order


STEPS = {
    "forbidden": (False, None),
    "strong_finding": (False, None),
    "approved_change": (True, Explanation.CHANGE),
    "limited": (False, None),
    "expected_by_policy": (True, Explanation.POLICY),
    "lifecycle": (True, Explanation.RESTART_POLICY),
    "baseline": (True, Explanation.BASELINE),
    "unexplained": (None, None),
}
"""What each step makes of a start to which every step from there on applies."""

LAYERS = {
    "expected_by_policy": "[expect.web]\nname = 'box'\n",
    "limited": "[approve.ours]\nrepository = 'nothing.example.com/*'\n",
    "forbidden": "[forbid.web]\nname = 'box'\n",
}


def world(applying: set[str]) -> Verdict:
    """Judge a start to which the named steps apply."""
    judge = judge_of()
    explained = start("box", by=initiator("deploy"))
    judge.policy = policy("[expect.first]\nlogin = 'deploy'\n" if "lifecycle" in applying else "")
    judge.judge(explained)
    judge.policy = policy("".join(text for step, text in LAYERS.items() if step in applying))
    if "approved_change" in applying:
        judge.ledger.add(change(name="box"), NOW)
    again = restarted(explained)
    if "baseline" in applying:
        judge.alerting.baseline.state.filling = True
        for day in range(10):
            judge.learn(start("box", by=initiator("deploy"), at=NOW - day * 24 * HOUR))
    if "lifecycle" not in applying and "baseline" in applying:
        again = start("box", by=initiator("deploy"))
    if "strong_finding" in applying:
        assert again.container is not None
        again = replace(again, container=replace(again.container, oci_runtime_path="/tmp/.x/runc"))
    return judged(judge, again)


def test_the_order_is_this_one() -> None:
    assert [step.__name__ for step in steps.ORDER] == list(STEPS)


@pytest.mark.parametrize("first", STEPS)
def test_the_first_step_that_applies_decides(first: str) -> None:
    names = list(STEPS)
    found = world(set(names[names.index(first) :]))
    assert (found.expected, found.explanation) == STEPS[first]
    assert found.reasons


def test_every_finding_has_a_rank_and_techniques() -> None:
    assert set(KINDS) == set(Finding)


# --------------------------------------------------------------------------- strong findings


def test_a_runtime_by_hand_is_found_whatever_policy_and_change_say() -> None:
    judge = judge_of("[expect.all]\n", change())
    found = judged(judge, RUNC)
    assert found.expected is False
    assert found.findings == (Finding.DIRECT_RUNTIME,)
    assert found.attack == ("T1610",)
    assert "expected an engine above the runtime, seen runc alone" in found.reasons[0]


def test_a_runtime_of_which_nothing_is_sure_is_not_found() -> None:
    unsure = start(trigger=Trigger.DIRECT_RUNTIME, sure=Confidence.NONE)
    assert judged(judge_of(), unsure).findings == ()


@pytest.mark.parametrize("namespace", ["moby", "k8s.io"])
def test_a_client_in_another_engines_namespace_is_found(namespace: str) -> None:
    event = start(namespace=namespace, runtime=Engine.CONTAINERD)
    assert judged(judge_of(), event).findings == (Finding.ENGINE_NAMESPACE,)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(start(namespace="moby"), id="Docker in its own"),
        pytest.param(start(namespace="default", runtime=Engine.CONTAINERD), id="ctr in default"),
        pytest.param(pod_start("web-0"), id="the kubelet in its own"),
    ],
)
def test_an_engine_in_its_own_namespace_is_not_a_finding(event: Event) -> None:
    assert judged(judge_of(), event).findings == ()


@pytest.mark.parametrize("path", ["/tmp/runc", "/dev/shm/x", "/home/bob/bin/crun"])
def test_a_runtime_from_a_place_that_all_may_write_to_is_found(path: str) -> None:
    found = judged(judge_of(), start(runtime_path=path))
    assert found.findings == (Finding.UNKNOWN_RUNTIME,)
    assert path in found.reasons[0]


@pytest.mark.parametrize("path", [None, "runc", "/usr/bin/runc", "/opt/nvidia/runc"])
def test_a_runtime_of_a_package_or_of_unknown_place_is_not_a_finding(path: str | None) -> None:
    assert judged(judge_of(), start(runtime_path=path)).findings == ()


def test_a_suppressed_finding_is_not_raised_and_the_verdict_says_so() -> None:
    text = (
        "[suppress.lab]\nfinding = 'direct-runtime'\nlogin = 'alice'\n"
        "until = 2026-12-15\nreason = 'the lab moves'\n"
    )
    found = judged(judge_of(text), RUNC)
    assert (found.expected, found.findings) == (None, ())
    assert any("suppressed by policy rule lab: the lab moves" in one for one in found.reasons)
    by_another = replace(RUNC, initiator=initiator("bob"))
    assert judged(judge_of(text), by_another).findings == (Finding.DIRECT_RUNTIME,)


def test_a_suppression_ends_by_its_date() -> None:
    text = "[suppress.lab]\nfinding = 'direct-runtime'\nuntil = 2026-11-29\nreason = 'x'\n"
    assert judged(judge_of(text), RUNC).findings == (Finding.DIRECT_RUNTIME,)


# --------------------------------------------------------------------------- policy


def test_a_rule_that_forbids_counts_when_one_candidate_matches() -> None:
    judge = judge_of("[forbid.bob]\nlogin = 'bob'\n")
    event = start(candidates=(initiator("alice"), initiator("bob")))
    found = judged(judge, event)
    assert (found.expected, found.findings) == (False, (Finding.FORBIDDEN,))


def test_a_rule_that_expects_names_its_place() -> None:
    found = judged(judge_of("\n[expect.web]\nname = 'web'\n"), start("web"))
    assert found.reasons == ("policy rule web (policy.toml:2) expects it",)


@pytest.mark.parametrize(
    ("security", "allows"),
    [
        (PRIVILEGED, "privileged"),
        (replace(PLAIN, capabilities=("CAP_SYS_ADMIN",)), "cap:*"),
        (replace(PLAIN, host_namespaces=("pid",)), "ns:pid"),
        (replace(PLAIN, devices=("/dev/sda",)), "device:/dev/sda"),
        (mounted("/"), "mount:root:rw"),
        (mounted("/var/run/docker.sock", writable=False), "mount:engine-socket:rw"),
    ],
)
def test_a_rule_that_expects_explains_privileges_by_name_only(security: Any, allows: str) -> None:
    event = replace(start("web"))
    assert event.container is not None
    event = replace(event, container=replace(event.container, security=security))
    without = judged(judge_of("[expect.web]\nname = 'web'\n"), event)
    assert without.expected is None
    assert any("does not allow" in reason for reason in without.reasons)
    text = f"[expect.web]\nname = 'web'\nallows = '{allows}'\n"
    assert judged(judge_of(text), event).expected is True


def test_what_engines_grant_by_default_needs_no_name() -> None:
    """Docker shares the user namespace, and on cgroup v1 that of cgroups, with the host."""
    usual = replace(
        PLAIN,
        seccomp="unconfined",
        apparmor="unconfined",
        host_namespaces=("cgroup", "user"),
    )
    text = "[expect.web]\nname = 'web'\n"
    assert judged(judge_of(text), start("web", security=usual)).expected is True


def test_a_window_is_for_people_and_names_what_it_expected() -> None:
    text = "[window.office]\nto = '10:00'\nname = 'web'\n"
    found = judged(judge_of(text), start("web"))
    assert (found.expected, found.findings) == (False, (Finding.OUTSIDE_WINDOW,))
    assert "expected within office" in found.reasons[0]
    crash = by_itself(start("web", trigger=Trigger.RESTART_POLICY))
    assert judged(judge_of(text), crash).findings == ()
    meant = f"{text}trigger = 'restart_policy'\n"
    assert judged(judge_of(meant), crash).findings == (Finding.OUTSIDE_WINDOW,)


def test_a_change_explains_a_start_outside_of_a_window() -> None:
    text = "[window.office]\nto = '10:00'\nname = 'web'\n"
    judge = judge_of(text, change(name="web"))
    found = judged(judge, start("web"))
    assert (found.expected, found.findings) == (True, (Finding.OUTSIDE_WINDOW,))
    assert judge.take_alerts() == ()


@pytest.mark.parametrize(("pinned", "unpinned"), [(None, False), (True, False), (False, True)])
def test_an_image_that_was_named_without_a_digest_is_found_where_a_digest_is_wanted(
    pinned: bool | None,
    unpinned: bool,
) -> None:
    event = start(image="a/b:1")
    assert event.container is not None
    container = replace(event.container, image=Image("a/b:1", pinned=pinned))
    found = judged(judge_of("[approve.a]\npinned = true\n"), replace(event, container=container))
    assert found.findings == ((Finding.UNPINNED_IMAGE,) if unpinned else ())


@pytest.mark.parametrize(
    ("rule", "image", "digest", "approved"),
    [
        ("repository = 'registry.example.com/*'", "registry.example.com/a:1", None, True),
        ("repository = 'registry.example.com/*'", "evil.example.com/a:1", None, False),
        ("repository = 'docker.io/library/*'", "nginx", None, True),
        ("repository = '*'\ntag = '1.*'", "a/b:2.0", None, False),
        ("digest = 'sha256:aa'", "a/b:1", "sha256:bb", False),
        ("digest = 'sha256:aa'", "a/b:1", "sha256:aa", True),
        ("digest = 'sha256:aa'", "a/b:1", None, True),
    ],
)
def test_images_are_approved_by_repository_tag_or_known_digest(
    rule: str,
    image: str,
    digest: str | None,
    approved: bool,
) -> None:
    found = judged(judge_of(f"[approve.a]\n{rule}\n"), start(image=image, digest=digest))
    assert found.findings == (() if approved else (Finding.UNAPPROVED_IMAGE,))


def test_one_rule_that_approves_is_enough() -> None:
    text = "[approve.a]\nrepository = 'x/*'\n[approve.b]\nrepository = 'registry.example.com/*'\n"
    assert judged(judge_of(text), start()).findings == ()


# --------------------------------------------------------------------------- no explanation


def test_without_a_policy_a_start_has_no_explanation_and_says_so() -> None:
    found = judged(judge_of(), start("web"))
    assert found == Verdict(
        expected=None,
        reasons=("no explanation on file",),
        workload="name/web",
        level="node",
        baseline=BaselineState.LEARNING,
    )


def test_where_an_explanation_is_required_its_lack_is_a_finding() -> None:
    judge = judge_of("[require_explanation.shop]\nname = 'web'\n")
    found = judged(judge, start("web"))
    assert (found.expected, found.findings) == (None, (Finding.NO_EXPLANATION,))
    assert judged(judge, start("db")).findings == ()


def test_a_pods_pause_container_is_not_judged() -> None:
    judge = judge_of("[require_explanation.all]\n[forbid.all]\n")
    found = judged(judge, pod_start("web-0", sandbox=True))
    assert (found.expected, found.findings, found.workload) == (None, (), "k8s/shop/web")


# --------------------------------------------------------------------------- the clock


def test_after_a_step_of_the_clock_windows_and_changes_are_unknown_for_an_hour() -> None:
    text = (
        "[window.office]\nto = '10:00'\nname = 'web'\n"
        "[expect.web]\nname = 'web'\nwindow = 'office'\n"
    )
    judge = judge_of(text, change(name="web"))
    assert judged(judge, start("web")).expected is True
    stepped = replace(start("web", at=NOW + SECOND), realtime_offset=NOW - 900 * SECOND)
    found = judged(judge, stepped)
    assert (found.expected, found.findings) == (None, ())
    assert any("the clock was set by +100 s" in reason for reason in found.reasons)
    later = replace(stepped, id="later", time=stepped.time + HOUR)
    assert judged(judge, later).findings == (Finding.OUTSIDE_WINDOW,)


def test_a_clock_that_was_never_set_says_no_hour() -> None:
    text = "[window.office]\nfrom = '08:00'\nto = '18:00'\nname = 'web'\n"
    found = judged(judge_of(text), start("web", at=60 * SECOND, offset=0))
    assert (found.expected, found.findings) == (None, ())
    assert any("unknown, the clock is not set" in reason for reason in found.reasons)


def test_a_small_correction_of_the_clock_is_none() -> None:
    judge = judge_of("", change(name="web"))
    judge.judge(start("web"))
    slewed = start("web")
    slewed = replace(slewed, realtime_offset=slewed.realtime_offset + SECOND)
    assert judged(judge, slewed).expected is True


# --------------------------------------------------------------------------- bounds


def test_reasons_are_bounded_whatever_a_starts_maker_chose() -> None:
    text = "".join(f"[expect.r{number}]\nname = '*'\n" for number in range(50))
    long = replace(PLAIN, devices=tuple(f"/dev/{'x' * 300}{number}" for number in range(16)))
    found = judged(judge_of(text), start("y" * 5000, security=long))
    assert len(found.reasons) <= steps.REASONS_MAX
    assert all(len(reason) <= steps.REASON_MAX for reason in found.reasons)


def test_a_clock_that_was_set_stays_untrusted_when_the_agent_begins_anew() -> None:
    text = "[window.office]\nfrom = '08:00'\nto = '18:00'\nname = 'web'\n"
    judge = Judge(policy(text))
    judged(judge, start("web"))
    judged(judge, start("web", offset=OFFSET + 10 * SECOND))
    successor = Judge(policy(text))
    successor.restore({(kind, key): row for kind, key, row in judge.take_rows() if row})
    found = judged(successor, start("web", offset=OFFSET + 10 * SECOND))
    assert any("the clock was set by +10 s" in one for one in found.reasons)
