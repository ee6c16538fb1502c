"""A start like the last one is learnt and compared as it would be without a memory of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.judge import node_terms as node_terms_module
from sensor.judge import profile as profile_module
from sensor.judge.baseline import Baseline
from sensor.judge.comparison import Moment
from sensor.judge.feature import Feature, Features, Who, WhoKind
from sensor.judge.habit import HABITS_MAX, LASTS_SECONDS
from sensor.judge.lesson import TermKey
from sensor.judge.novelty import assess
from sensor.judge.profile import FORGOTTEN_AFTER, SECONDS_PER_DAY
from tests.judge.samples import NOW, SECOND, features

if TYPE_CHECKING:
    from sensor.judge.assessment import Assessment
    from sensor.judge.habit import Habit

AT = NOW // SECOND
PLAIN = features(whos=(Who(WhoKind.UNIT, "unit web"),))


class Forgetful(Baseline):
    """A baseline that looks everything up for each start."""

    def habit(self, features: Features, at: int) -> Habit | None:
        """Remember nothing."""
        del features, at
        return None


KUBELET = Who(WhoKind.ENGINE, "kubelet")
ALICE, BOB = Who(WhoKind.PERSON, "login alice"), Who(WhoKind.PERSON, "login bob")
STARTS = (
    PLAIN,
    replace(PLAIN, tag="1@sha256:1", strong_atoms=frozenset({"ns:pid"})),
    replace(PLAIN, tag="1@sha256:2", strong_atoms=frozenset({"ns:pid", "ns:net", "cap:BPF"})),
    replace(PLAIN, tag="2@sha256:3", entrypoint="sh -c"),
    replace(PLAIN, repository="localhost/web", organisation="localhost", whos=(ALICE,)),
    replace(PLAIN, repository=None, organisation=None, whos=(KUBELET,)),
    replace(PLAIN, whos=(*PLAIN.whos, BOB)),
    replace(PLAIN, whos=(), special="restored"),
    replace(PLAIN, instance="name/web#main", container="main"),
    replace(PLAIN, instance="name/web#late", container="late", late=True),
    replace(PLAIN, workload="name/db", instance="name/db", entrypoint="perl", whos=(BOB,)),
)
GAPS = st.sampled_from(
    [1, 60, SECONDS_PER_DAY // 3, SECONDS_PER_DAY, -5, -SECONDS_PER_DAY // 2, FORGOTTEN_AFTER + 1]
)
STEPS = st.tuples(
    st.sampled_from(["start", "start", "start", "forget", "forget a value", "learn a value"]),
    st.one_of(st.just(PLAIN), st.sampled_from(STARTS)),
    GAPS,
)


def step(baseline: Baseline, what: str, features: Features, at: int) -> Assessment | None:
    """Do one thing to a baseline; returns what it says of a start."""
    match what:
        case "start":
            found = assess(baseline, features, Moment(at, UTC))
            baseline.learn(features, at)
            return found
        case "forget":
            baseline.forget(f"w/{features.workload}")
        case "forget a value":
            baseline.node.forget(Feature.ENTRYPOINT, features.entrypoint or "")
        case _:
            term = TermKey(f"w/{features.instance}", Feature.PRIVILEGE, "device:/dev/kvm")
            baseline.learn_term(term, at)
    return None


@settings(deadline=None, max_examples=200)
@given(st.lists(STEPS, min_size=12, max_size=60), st.booleans())
def test_what_is_said_and_what_is_kept_are_the_same_with_habits_and_without(
    steps: list[tuple[str, Features, int]], narrow: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if narrow:
            # So that values have to go for others.
            patch.setattr(profile_module, "TERMS_MAX", 2)
            patch.setattr(node_terms_module, "NODE_TERMS_MAX", 2)
        usual, forgetful = Baseline(), Forgetful()
        at = AT
        for what, features, gap in steps:
            at += gap
            assert step(usual, what, features, at) == step(forgetful, what, features, at)
            assert usual.rows == forgetful.rows


def test_the_third_like_start_is_usual_and_another_one_is_not() -> None:
    baseline = Baseline()
    for at in (AT, AT + 1):
        assert baseline.habit(PLAIN, at) is None
        baseline.learn(PLAIN, at)
    assert baseline.habit(PLAIN, AT + 2) is not None
    assert baseline.habit(replace(PLAIN, entrypoint="sh -c"), AT + 2) is None


def test_a_start_by_one_of_several_is_never_usual() -> None:
    several = replace(PLAIN, whos=(*PLAIN.whos, Who(WhoKind.PERSON, "login bob")))
    baseline = Baseline()
    for at in range(AT, AT + 4):
        baseline.learn(several, at)
    assert baseline.habit(several, AT + 4) is None


def test_a_habit_ends_before_any_of_its_values_is_forgotten() -> None:
    baseline = Baseline()
    for at in (AT, AT + 1):
        baseline.learn(PLAIN, at)
    over = AT + 1 + LASTS_SECONDS
    assert baseline.habit(PLAIN, over) is not None
    assert baseline.habit(PLAIN, over + 1) is None
    assert baseline.node.knows(Feature.INITIATOR, "unit web", over + 1)


def test_the_workload_that_started_least_recently_goes_first() -> None:
    baseline = Baseline()
    names = [f"name/{number}" for number in range(HABITS_MAX + 1)]
    for name in names:
        for at in (AT, AT + 1):
            baseline.learn(replace(PLAIN, workload=name, instance=name), at)
    usual = [
        baseline.habit(replace(PLAIN, workload=name, instance=name), AT + 2) is not None
        for name in names
    ]
    assert usual == [False] + [True] * HABITS_MAX
