"""What engines and orchestrators carry on inherits the explanation of the first start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.judge.judge import Judge
from sensor.model.container import Orchestrator
from sensor.model.events import Event, PreviousRun, Verdict
from sensor.model.vocabulary import Explanation, Finding, StartCause, StartKind, Trigger
from tests.judge.past import rows_of
from tests.judge.samples import (
    HOUR,
    NOW,
    PLAIN,
    SECOND,
    container_id,
    initiator,
    judged,
    pod_start,
    policy,
    restarted,
    start,
    stop,
)

BY_DEPLOY = "[expect.deploys]\nlogin = 'deploy'\n"
BY_NAME = "[expect.shop]\nworkload = 'k8s/shop/web'\n"
REQUIRED = "[require_explanation.all]\n"


def judge_of(text: str) -> Judge:
    return Judge(policy(text))


def explained_once(judge: Judge, event: Event) -> Event:
    """Have the first start explained by a rule that is gone afterwards."""
    assert judged(judge, event).expected is True
    judge.policy = policy(REQUIRED)
    return event


def ended(event: Event, exit_code: int | None = None, signal: int | None = None) -> PreviousRun:
    assert event.container is not None
    assert event.container.id is not None
    return PreviousRun(event.container.id, exit_code=exit_code, signal=signal)


@pytest.mark.parametrize(
    ("trigger", "explanation"),
    [
        (Trigger.RESTART_POLICY, Explanation.RESTART_POLICY),
        (Trigger.ENGINE_BOOT, Explanation.ENGINE_BOOT),
    ],
)
def test_a_restart_by_the_engine_inherits(trigger: Trigger, explanation: Explanation) -> None:
    judge = judge_of(BY_DEPLOY)
    first = explained_once(judge, start("web", by=initiator("deploy")))
    found = judged(judge, restarted(first, trigger))
    assert (found.expected, found.explanation) == (True, explanation)
    assert "the first start was explained by policy rule deploys" in found.reasons[0]
    assert found.findings == ()


def test_what_had_no_explanation_stays_unexplained_and_is_reported_once() -> None:
    judge = judge_of(REQUIRED)
    first = start("web")
    restarts = [restarted(first, after=number * SECOND) for number in range(1, 6)]
    verdicts = [judged(judge, event) for event in (first, *restarts)]
    assert [found.expected for found in verdicts] == [None] * 6
    assert [found.findings for found in verdicts] == [(Finding.NO_EXPLANATION,)] + [()] * 5
    assert verdicts[-1].reasons == (
        "restart by the engine's policy; the first start had no explanation",
    )


def test_a_restart_of_what_was_never_seen_is_unexplained() -> None:
    found = judged(judge_of(REQUIRED), restarted(start("web")))
    assert found.expected is None
    assert found.reasons[0] == "restart by the engine's policy; the first start was not seen"


def test_a_person_who_starts_it_again_ends_the_inheritance() -> None:
    judge = judge_of(BY_DEPLOY)
    first = explained_once(judge, start("web", by=initiator("deploy")))
    by_another = replace(first, id="again", initiator=initiator("mallory"))
    assert judged(judge, by_another).expected is None
    assert judged(judge, restarted(by_another)).expected is None


def test_new_privileges_or_another_repository_are_not_inherited() -> None:
    judge = judge_of(BY_DEPLOY)
    first = explained_once(judge, start("web", by=initiator("deploy")))
    again = restarted(first)
    assert again.container is not None
    wider = replace(PLAIN, capabilities=("CAP_SYS_ADMIN",))
    with_more = replace(again, container=replace(again.container, security=wider))
    found = judged(judge, with_more)
    assert found.expected is None
    assert "privileges: expected none, seen cap:SYS_ADMIN" in found.reasons[0]
    assert again.container.image is not None
    image = replace(again.container.image, name="evil.example.com/shop/web:1.2")
    other = replace(again, id="other", container=replace(again.container, image=image))
    assert "image: expected registry.example.com/shop/web" in judged(judge, other).reasons[0]


# --------------------------------------------------------------------------- pods


def attempt_after(first: Event, number: int = 1, **how: int) -> Event:
    assert first.orchestrator is not None
    assert first.orchestrator.pod is not None
    return pod_start(
        first.orchestrator.pod,
        previous=ended(first, **how),
        attempt=number,
        at=NOW + number * SECOND,
    )


@pytest.mark.parametrize(
    ("how", "explanation"),
    [
        ({"signal": 15}, Explanation.HEALTH_CHECK),
        ({"exit_code": 137}, Explanation.HEALTH_CHECK),
        ({"exit_code": 1}, Explanation.ATTEMPT),
        ({"exit_code": 0}, Explanation.ATTEMPT),
        ({"signal": 11}, Explanation.ATTEMPT),
    ],
)
def test_a_restart_by_the_kubelet_inherits(how: dict[str, int], explanation: Explanation) -> None:
    judge = judge_of(BY_NAME)
    first = explained_once(judge, pod_start("web-5d4f8c9b7d-x2x7k"))
    second = attempt_after(first, 1, **how)
    found = judged(judge, second)
    assert (found.expected, found.explanation) == (True, explanation)
    third = attempt_after(second, 2, **how)
    assert judged(judge, third).explanation is explanation


def test_a_task_of_swarm_is_started_again_by_swarm() -> None:
    judge = judge_of("[expect.api]\nworkload = 'swarm/api'\n")
    labels = (("com.docker.swarm.service.name", "api"),)

    def task(number: int) -> Event:
        name = f"api.1.k3m2x9q7w5e1r8t6y4u2i0o{number:02}"
        place = Orchestrator("swarm", None, name, container="api")
        event = start(name, labels=labels, pod=place, trigger=Trigger.ORCHESTRATOR)
        return replace(event, initiator=None)

    first = explained_once(judge, task(1))
    again = task(2)
    assert again.start is not None
    again = replace(again, start=replace(again.start, kind=StartKind.RESTART, attempt=None))
    again = replace(again, time=first.time + SECOND)
    found = judged(judge, again)
    assert found.explanation is Explanation.ATTEMPT
    assert found.reasons[0].startswith("attempt by the orchestrator swarm; the first start was")


def test_a_container_that_ran_out_of_memory_had_no_failed_health_check() -> None:
    judge = judge_of(BY_NAME)
    first = explained_once(judge, pod_start("web-5d4f8c9b7d-x2x7k"))
    judge.judge(stop(first, oom=True))
    assert judged(judge, attempt_after(first, 1, signal=9)).explanation is Explanation.ATTEMPT


@pytest.mark.parametrize(
    ("cause", "explanation"),
    [
        (StartCause.KILLED_BY_ORCHESTRATOR, Explanation.HEALTH_CHECK),
        (StartCause.CRASH, Explanation.ATTEMPT),
        (StartCause.OOM, Explanation.ATTEMPT),
        (StartCause.UNKNOWN, Explanation.HEALTH_CHECK),
    ],
)
def test_a_cause_that_was_seen_counts_before_the_signal(
    cause: StartCause, explanation: Explanation
) -> None:
    judge = judge_of(BY_NAME)
    first = explained_once(judge, pod_start("web-5d4f8c9b7d-x2x7k"))
    second = attempt_after(first, 1, signal=9)
    assert second.start is not None
    second = replace(second, start=replace(second.start, cause=cause))
    assert judged(judge, second).explanation is explanation


def pods(judge: Judge, *names: str) -> list[Verdict]:
    return [
        judged(judge, pod_start(name, at=NOW + number * HOUR))
        for number, name in enumerate(names, 1)
    ]


def test_a_new_pod_is_a_reschedule_or_one_more_instance() -> None:
    judge = judge_of(BY_NAME)
    first = explained_once(judge, pod_start("web-5d4f8c9b7d-x2x7k"))
    (beside,) = pods(judge, "web-5d4f8c9b7d-bbbbb")
    assert beside.explanation is Explanation.SCALING
    judge.judge(stop(first))
    judge = judge_of(BY_NAME)
    first = explained_once(judge, pod_start("web-5d4f8c9b7d-x2x7k"))
    judge.judge(stop(first))
    (alone,) = pods(judge, "web-5d4f8c9b7d-ccccc")
    assert alone.explanation is Explanation.RESCHEDULE


def test_another_revision_is_a_rollout_and_its_further_pods_are_not() -> None:
    judge = judge_of(BY_NAME)
    explained_once(judge, pod_start("web-5d4f8c9b7d-x2x7k"))
    new, further = pods(judge, "web-7c9f5d8b6-zz2lm", "web-7c9f5d8b6-bb2lm")
    assert new.explanation is Explanation.ROLLOUT
    assert "rollout of revision 7c9f5d8b6" in new.reasons[0]
    assert further.explanation is Explanation.SCALING


def test_a_return_to_an_earlier_revision_is_a_rollout_and_a_pod_beside_its_like_is_not() -> None:
    judge = judge_of(BY_NAME)
    first = explained_once(judge, pod_start("web-5d4f8c9b7d-x2x7k"))
    _, moved = pods(judge, "web-7c9f5d8b6-zz2lm", "web-5d4f8c9b7d-bbbbb")
    assert moved.explanation is Explanation.SCALING
    judge = judge_of(BY_NAME)
    first = explained_once(judge, pod_start("web-5d4f8c9b7d-x2x7k"))
    pods(judge, "web-7c9f5d8b6-zz2lm")
    judge.judge(stop(first))
    successor = judge_of(REQUIRED)
    successor.restore(rows_of(judge))
    back, further, again = pods(
        successor, "web-5d4f8c9b7d-ccccc", "web-5d4f8c9b7d-ddddd", "web-7c9f5d8b6-bb2lm"
    )
    assert back.explanation is Explanation.ROLLOUT
    assert "rollout of revision 5d4f8c9b7d" in back.reasons[0]
    assert further.explanation is Explanation.SCALING
    # One of the other revision still runs.
    assert again.explanation is Explanation.SCALING


def test_a_rollout_to_another_repository_has_no_explanation() -> None:
    judge = judge_of(BY_NAME)
    explained_once(judge, pod_start("web-5d4f8c9b7d-x2x7k"))
    evil = pod_start("web-7c9f5d8b6-zz2lm", image="evil.example.com/miner:1")
    assert judged(judge, evil).expected is None


def test_a_new_container_in_a_pod_inherits_nothing_from_the_others() -> None:
    judge = judge_of("[expect.shop]\nworkload = 'k8s/shop/web'\ncontainer = 'main'\n")
    explained_once(judge, pod_start("web-5d4f8c9b7d-x2x7k", "main"))
    sidecar = pod_start("web-5d4f8c9b7d-bbbbb", "sidecar")
    assert judged(judge, sidecar).expected is None


def test_a_new_deployment_has_no_explanation_until_something_gives_it_one() -> None:
    judge = judge_of(REQUIRED)
    first = judged(judge, pod_start("new-5d4f8c9b7d-x2x7k"))
    (second,) = pods(judge, "new-5d4f8c9b7d-bbbbb")
    assert (first.findings, second.findings) == ((Finding.NO_EXPLANATION,), ())
    judge.policy = policy("[expect.new]\nowner = 'new'\n")
    assert pods(judge, "new-5d4f8c9b7d-ccccc")[0].explanation is Explanation.POLICY
    judge.policy = policy(REQUIRED)
    assert pods(judge, "new-5d4f8c9b7d-ddddd")[0].expected is True


# --------------------------------------------------------------------------- across agents


def test_the_next_agent_inherits_what_the_store_kept() -> None:
    judge = judge_of(BY_DEPLOY)
    first = explained_once(judge, start("web", by=initiator("deploy")))
    rows = {(kind, key): row for kind, key, row in judge.take_rows() if row is not None}
    successor = Judge(policy(REQUIRED))
    successor.restore(rows)
    assert successor.damaged == ()
    assert judged(successor, restarted(first)).expected is True
    assert dict(successor.memory.workloads())["name/web"].starts == 2


def test_a_start_that_is_read_again_after_a_kill_counts_once() -> None:
    judge = judge_of(BY_DEPLOY)
    event = start("web", by=initiator("deploy"))
    judge.judge(event)
    judge.judge(event)
    assert dict(judge.memory.workloads())["name/web"].starts == 1


@pytest.mark.parametrize("row", [b"", b"{", b"[1,2]", b"null", b"7", b'{"a":1}', b"\xff"])
def test_a_row_that_makes_no_sense_is_counted_and_costs_no_other(row: bytes) -> None:
    judge = judge_of(BY_DEPLOY)
    explained_once(judge, start("web", by=initiator("deploy"), id_=container_id(7)))
    rows = {(kind, key): row for kind, key, row in judge.take_rows() if row is not None}
    broken = {(kind, "broken"): row for kind in ("container", "workload", "change", "usage")}
    successor = Judge()
    successor.restore({**broken, **rows})
    assert {(kind, key): row for kind, key, row in successor.damaged} == broken
    removed = {(kind, key) for kind, key, row in successor.take_rows() if row is None}
    assert removed == set(broken)
    assert len(successor.memory.workloads()) == 1


def test_a_flood_of_new_workloads_costs_none_that_came_again() -> None:
    judge = judge_of(BY_DEPLOY)
    known = start("web", by=initiator("deploy"))
    judge.judge(known)
    judge.judge(replace(known, id="again"))
    for number in range(5000):
        judge.judge(start(f"flood-{number}-x"))
    kept = dict(judge.memory.workloads())
    assert "name/web" in kept
    assert len(kept) <= 4096
    assert judge.memory.forgotten > 0


def test_what_finds_no_place_after_a_restart_is_forgotten_in_the_store_too() -> None:
    judge = judge_of(BY_DEPLOY)
    judge.judge(start("kept", by=initiator("deploy"), at=NOW - HOUR))
    for number in range(3000):
        judge.judge(start(f"w-{number}-x", at=NOW + number * SECOND))
    rows: dict[tuple[str, str], bytes | None] = {}
    for kind, key, row in judge.take_rows():
        rows[kind, key] = row
    kept = {place: row for place, row in rows.items() if row is not None}
    assert sum(kind == "container" for kind, _ in kept) <= 2048 + 4096
    successor = Judge()
    successor.restore(
        {
            **kept,
            **{
                ("container", f"x{n}"): row
                for n, row in enumerate(
                    row for (kind, _), row in list(kept.items()) if kind == "container"
                )
            },
        }
    )
    gone = [key for kind, key, row in successor.take_rows() if row is None]
    assert gone
    explained = [key for (kind, key), row in kept.items() if b"policy rule deploys" in row]
    assert not set(explained) & set(gone)


def test_what_runs_beside_is_known_to_the_next_judge() -> None:
    judge = judge_of(BY_NAME)
    explained_once(judge, pod_start("web-7d4b9c6f5d-bcdfg"))
    successor = judge_of(REQUIRED)
    successor.restore({(kind, key): row for kind, key, row in judge.take_rows() if row})
    found = judged(successor, pod_start("web-7d4b9c6f5d-hjklm"))
    assert found.explanation is Explanation.SCALING
