"""A stretch moves as its table says, and what the table lacks is a defect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.model.transitions import InvalidTransition
from sensor.outputs.delivery import Delivered, Outcome, Record, Refused, Rejection, Retry
from sensor.outputs.engine import stretch as module
from sensor.outputs.engine.stretch import STRETCH, Stage, Stretch
from sensor.outputs.engine.window import DeliveryWindow, make_batch
from tests.walks import walked

TAKEN = Delivered()
BAD = tuple(Rejection(number, "bad", local=False) for number in (1, 2))
OURS = tuple(Rejection(number, "ours", local=True) for number in (1, 2))
REJECTED, LOCAL, PARTLY = (Delivered(rejected=one) for one in (BAD, OURS, BAD[:1]))
STEPS = st.sampled_from(["begin", "settle", "hold", "judge", "release", "back"])
OUTCOMES = st.sampled_from([TAKEN, REJECTED, LOCAL, PARTLY, Retry("down"), Refused("413")])


def sent() -> Stretch:
    records = [Record(n, f"id-{n}", "container.start", 0, b"{}\n") for n in (1, 2)]
    one = Stretch(make_batch("stream", records), 2, 2)
    one.begin(1)
    return one


@pytest.mark.parametrize(
    ("outcome", "stage", "accepted"),
    [
        (TAKEN, Stage.DONE, True),
        (PARTLY, Stage.DONE, True),
        (LOCAL, Stage.DONE, False),
        (REJECTED, Stage.SUSPECT, False),
        (Retry("down"), Stage.FAILED, False),
        (Refused("413"), Stage.REFUSED, False),
    ],
)
def test_an_answer_decides_the_stage(outcome: Outcome, stage: Stage, *, accepted: bool) -> None:
    one = sent()
    one.answer(outcome)
    assert (one.stage, one.accepted) == (stage, accepted)
    assert one.in_trouble is (stage is not Stage.DONE)


def test_a_stretch_without_a_wanted_record_is_done_and_took_nothing() -> None:
    one = Stretch(None, 5, 4)
    assert (one.stage, one.accepted) == (Stage.DONE, False)


def test_what_begins_again_forgets_its_attempt_and_its_answer() -> None:
    one = sent()
    one.answer(TAKEN)
    one.begin_again()
    assert (one.stage, one.attempt, one.outcome, one.accepted) == (Stage.WAITING, 0, None, False)


def test_what_is_held_is_not_answered() -> None:
    one = sent()
    one.answer(REJECTED)
    one.hold()
    assert not one.in_trouble
    with pytest.raises(InvalidTransition, match="HELD does not take TAKEN"):
        one.answer(TAKEN)


@given(st.lists(st.tuples(STEPS, OUTCOMES)))
def test_a_window_never_asks_a_stretch_for_what_its_stage_does_not_take(
    steps: list[tuple[str, Outcome]],
) -> None:
    window = DeliveryWindow("stream")
    for number in (1, 3):
        records = [Record(n, f"id-{n}", "gap", 0, b"{}\n") for n in (number, number + 1)]
        window.add(Stretch(make_batch("stream", records), number + 1, 2))
    for step, outcome in steps:
        trouble = window.trouble()
        if step == "begin":
            window.begin()
        elif step == "settle":
            for one in window:
                window.settle(one, one.attempt, outcome)
        elif step == "release":
            window.release()
        elif step == "back":
            window.go_back()
        elif trouble is not None and trouble.stage is Stage.SUSPECT:
            trouble.hold() if step == "hold" else trouble.judge()
        assert window.under_way == sum(one.stage is Stage.SENT for one in window)


def test_every_transition_of_a_stretch_happens() -> None:
    with walked(module, "STRETCH") as taken:
        for outcome in (TAKEN, REJECTED, LOCAL, Retry("down"), Refused("413")):
            one = sent()
            one.answer(outcome)
            one.begin_again()
        for decide in (Stretch.hold, Stretch.judge):
            one = sent()
            one.answer(REJECTED)
            decide(one)
            one.begin_again()
        for outcome in (LOCAL, REJECTED):
            one = sent()
            one.answer(Refused("400"))
            one.answer(outcome)
        waiting = sent()
        waiting.begin_again()
        waiting.begin_again()
    assert taken == set(STRETCH.table)
