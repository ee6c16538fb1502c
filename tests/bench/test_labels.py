"""Events of a labelled run compared with what is known of it."""

from __future__ import annotations

from typing import Any

import pytest

from bench.labels import Answer, Cause, Group, Labels, answer

ALICE = Cause(Group.CLI_NAMED, login=2001, pid=10)
BOX = Cause(Group.CONTAINER, container="c" * 64)
POLICY = Cause(Group.RESTART_POLICY)


def initiator(login: int | None, pid: int, container: str | None = None) -> dict[str, Any]:
    return {"process": {"pid": pid}, "user": {"auid": login}, "container_id": container}


HER = initiator(2001, 10)
SOMEBODY = initiator(2002, 11)
IN_BOX = initiator(None, 12, "c" * 64)


def event(
    said: dict[str, Any] | None = None,
    *candidates: dict[str, Any],
    confidence: str = "none",
    trigger: str = "user_command",
    time: int = 0,
    container: str = "a",
) -> dict[str, Any]:
    return {
        "time": f"2026-11-24T05:00:{time:02d}.000000000Z",
        "container": {"id": container},
        "start": {"trigger": trigger},
        "initiator": said,
        "candidates": list(candidates),
        "confidence": {"initiator": confidence},
    }


@pytest.mark.parametrize(
    ("cause", "said", "expected"),
    [
        pytest.param(ALICE, event(HER, confidence="exact"), Answer.EXACT, id="exact"),
        pytest.param(ALICE, event(HER, confidence="inferred"), Answer.INFERRED, id="inferred"),
        pytest.param(ALICE, event(None, SOMEBODY, HER), Answer.CANDIDATE, id="among-others"),
        pytest.param(ALICE, event(None, SOMEBODY), Answer.WRONG, id="only-others"),
        pytest.param(ALICE, event(SOMEBODY, confidence="exact"), Answer.WRONG, id="somebody-else"),
        pytest.param(
            ALICE, event(initiator(2001, 11), confidence="exact"), Answer.WRONG, id="other-process"
        ),
        pytest.param(
            ALICE, event(initiator(2002, 10), confidence="exact"), Answer.WRONG, id="other-login"
        ),
        pytest.param(ALICE, event(), Answer.NONE, id="nobody-said"),
        pytest.param(BOX, event(IN_BOX, confidence="inferred"), Answer.INFERRED, id="in-container"),
        pytest.param(BOX, event(HER, confidence="exact"), Answer.WRONG, id="not-from-the-host"),
        pytest.param(POLICY, event(), Answer.NO_CAUSE, id="no-cause"),
        pytest.param(POLICY, event(HER, confidence="exact"), Answer.WRONG, id="blamed"),
        pytest.param(POLICY, event(None, HER, SOMEBODY), Answer.WRONG, id="suspected"),
    ],
)
def test_an_answer_is_compared_with_the_truth(
    cause: Cause, said: dict[str, Any], expected: Answer
) -> None:
    assert answer(cause, said) is expected


def test_the_starts_of_one_container_are_distinguished_by_their_order() -> None:
    labels = Labels()
    labels.add("a", ALICE)
    labels.add("a", POLICY)
    later = event(trigger="restart_policy", time=2)
    judgement = labels.judge([later, event(HER, confidence="exact", time=1)])
    assert judgement.answered(Group.CLI_NAMED, Answer.EXACT) == 1
    assert judgement.answered(Group.RESTART_POLICY, Answer.NO_CAUSE) == 1
    assert judgement.wrong == []


def test_what_is_missing_or_too_much_is_counted() -> None:
    labels = Labels()
    labels.add("a", ALICE)
    labels.add("b", ALICE)
    judgement = labels.judge([event(HER, confidence="exact"), event(HER, confidence="exact")])
    assert judgement.missing == 1
    assert judgement.surplus == 1


def test_a_wrong_trigger_is_wrong_and_an_unknown_one_is_not() -> None:
    labels = Labels()
    labels.add("a", POLICY)
    labels.add("b", POLICY)
    judgement = labels.judge(
        [event(trigger="engine_boot"), event(trigger="unknown", container="b")]
    )
    assert [said["container"]["id"] for _, said in judgement.wrong] == ["a"]


def test_the_tables_show_what_was_said_only() -> None:
    labels = Labels()
    labels.add("a", ALICE)
    judgement = labels.judge([event(HER, confidence="exact")])
    assert [line.split("|")[2].strip() for line in judgement.answer_table().splitlines()[::2]] == [
        "exact, right",
        "1",
    ]
    assert "restart_policy" not in judgement.trigger_table()
