"""What is learnt is kept in bounds, forgotten in time, and the same after a kill."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.judge.baseline import HOT_MAX, KINDS, PROFILES, Baseline
from sensor.judge.feature import Feature
from sensor.judge.judge import Judge
from sensor.judge.lesson import TermKey
from sensor.judge.profile import (
    FORGOTTEN_AFTER,
    HALF_LIFE_DAYS,
    SECONDS_PER_DAY,
    TERMS_MAX,
    UNIT,
    Profile,
    Term,
    profile_of_row,
)
from sensor.model.events import Event
from sensor.model.vocabulary import BaselineState, Explanation, Finding
from tests.judge.past import DAY, WEB, alerts_of, known_node, rows_of, verdict_of, web
from tests.judge.samples import NOW, OFFSET, SECOND, features, initiator, start

AT = NOW // 10**9
TIMES = st.integers(0, 2**32 - 1)
TEXTS = st.text(max_size=160)


@given(st.lists(TIMES, min_size=1, max_size=20))
def test_a_term_has_the_first_and_the_last_and_survives_packing(times: list[int]) -> None:
    term = Term()
    for at in times:
        term.see(at)
    assert (term.first, term.last) == (min(times), max(times))
    assert Term.unpack(term.pack()) == term
    assert 1 <= term.distinct_days <= len(times)


def test_counts_halve_and_terms_are_forgotten_after_a_quarter() -> None:
    term = Term()
    term.see(AT)
    term.see(AT + HALF_LIFE_DAYS * SECONDS_PER_DAY)
    assert term.count == UNIT + UNIT // 2
    assert term.known(AT + HALF_LIFE_DAYS * SECONDS_PER_DAY + FORGOTTEN_AFTER)
    assert not term.known(AT + HALF_LIFE_DAYS * SECONDS_PER_DAY + FORGOTTEN_AFTER + 1)


@given(
    st.lists(st.tuples(st.sampled_from(list(Feature)), TEXTS, TIMES), max_size=40),
)
def test_a_profile_is_read_back_as_it_was(seen: list[tuple[Feature, str, int]]) -> None:
    profile = Profile()
    for feature, value, at in seen:
        profile.see(at)
        profile.learn(feature, value, at)
    assert profile_of_row(profile.pack()) == profile


@given(st.lists(st.tuples(st.sampled_from(["a", "bé", "c" * 9]), st.integers(0, 80)), max_size=120))
def test_a_profile_whose_values_replace_each_other_is_read_back_and_goes_on_alike(
    seen: list[tuple[str, int]],
) -> None:
    whole, again = Profile(), Profile()
    for turn, (name, number) in enumerate(seen):
        for profile in (whole, again):
            profile.learn(Feature.TAG, f"{name}{number}", AT + turn)
            profile.learn(Feature.REPOSITORY, name, AT + turn)
        again = profile_of_row(again.pack())
    assert again.pack() == whole.pack()
    assert profile_of_row(whole.pack()) == whole


def test_two_profiles_with_the_same_names_are_learnt_apart() -> None:
    first = Profile()
    first.learn(Feature.TAG, "1", AT)
    one, other = profile_of_row(first.pack()), profile_of_row(first.pack())
    one.learn(Feature.TAG, "2", AT)
    assert one.knows(Feature.TAG, "2", AT)
    assert not other.knows(Feature.TAG, "2", AT)


@given(st.binary(max_size=200))
def test_bytes_that_are_not_a_profile_are_refused_or_read(row: bytes) -> None:
    try:
        profile_of_row(row)
    except ValueError:
        return


def test_the_least_recent_of_too_many_values_goes() -> None:
    profile = Profile()
    for number in range(TERMS_MAX):
        assert not profile.learn(Feature.TAG, str(number), AT + number)
    assert profile.learn(Feature.TAG, "new", AT + TERMS_MAX)
    assert not profile.knows(Feature.TAG, "0", AT)
    assert profile.knows(Feature.TAG, "1", AT)


def test_a_flood_of_new_workloads_pushes_out_newcomers_only() -> None:
    baseline = Baseline()
    for day in range(2):
        for number in range(100):
            baseline.learn(features(f"own-{number}"), AT + day * SECONDS_PER_DAY)
    for number in range(5000):
        baseline.learn(features(f"flood-{number}"), AT + 2 * SECONDS_PER_DAY + number // 2)
    assert len(baseline) <= sum(PROFILES)
    assert all(baseline.profile(f"w/name/own-{number}") for number in range(100))
    assert baseline.profile("w/name/flood-0") is None
    assert baseline.flooded
    assert baseline.forgotten == 5000 - PROFILES[0]


def test_profiles_that_are_not_hot_are_read_from_their_rows() -> None:
    baseline = Baseline()
    for number in range(HOT_MAX + 5):
        baseline.learn(features(f"a{number}", repository=None), AT + number)
    found = baseline.profile("w/name/a0")
    assert found is not None
    assert found.knows(Feature.INITIATOR, "login alice", AT)


def test_it_learns_for_a_week() -> None:
    baseline = Baseline()
    assert baseline.phase(AT) is BaselineState.LEARNING
    baseline.learn(features(), AT)
    assert baseline.first_day(AT + SECONDS_PER_DAY - 1)
    assert not baseline.first_day(AT + SECONDS_PER_DAY)
    assert baseline.phase(AT + 7 * SECONDS_PER_DAY - 1) is BaselineState.LEARNING
    assert baseline.phase(AT + 7 * SECONDS_PER_DAY) is BaselineState.ACTIVE


def test_the_rows_are_the_same_after_a_kill_at_any_start() -> None:
    starts = [web(at=NOW + day * DAY // 2, by=initiator("deploy")) for day in range(12)]
    whole = Judge()
    for event in starts:
        whole.judge(event)
    expected = {key: row for key, row in rows_of(whole).items() if key[0] in KINDS}
    for killed in range(1, 12):
        first = Judge()
        for event in starts[:killed]:
            first.judge(event)
        rows = rows_of(first)
        second = Judge()
        second.restore(rows)
        assert second.damaged == ()
        for event in starts[killed:]:
            second.judge(event)
        rows |= rows_of(second)
        assert {key: row for key, row in rows.items() if key[0] in KINDS} == expected


@pytest.mark.parametrize(
    ("kind", "key", "row"),
    [
        ("profile", "w/name/web", b"\x02junk"),
        pytest.param("profile", "w/name/web", b"\x01" + bytes(20), id="an older version"),
        ("node", "initiator/login alice", b"short"),
        ("node", "nothing", b"x" * 16),
        ("node", "no such feature/x", b"x" * 16),
        ("baseline", "state", b"[9]"),
    ],
)
def test_rows_that_make_no_sense_are_left_out_and_counted(kind: str, key: str, row: bytes) -> None:
    assert Baseline().restore({(kind, key): row}) == [(kind, key)]


def test_what_is_forgotten_by_hand_is_new_again() -> None:
    judge = known_node()
    baseline = judge.alerting.baseline
    assert baseline.node.forget(Feature.INITIATOR, "login alice")
    assert not baseline.node.forget(Feature.INITIATOR, "login alice")
    assert verdict_of(judge, web(by=initiator("alice"))).findings
    assert baseline.forget("w/name/web")
    assert not baseline.forget("w/name/web")


def test_a_single_term_can_be_learnt() -> None:
    baseline = Baseline()
    baseline.learn_term(TermKey("w/name/web", Feature.PRIVILEGE, "privileged"), AT)
    found = baseline.profile("w/name/web")
    assert found is not None
    assert found.knows(Feature.PRIVILEGE, "privileged", AT)


def test_everything_is_forgotten_with_its_rows() -> None:
    baseline = Baseline()
    baseline.learn(features(), AT)
    kept = {(kind, key) for kind, key, _ in baseline.rows}
    baseline.rows.clear()
    baseline.clear()
    gone = {(kind, key) for kind, key, value in baseline.rows if value is None}
    assert kept - gone == {("baseline", "state")}
    assert len(baseline) == 0


def test_a_flood_of_new_workloads_is_one_alert_and_takes_nothing_that_is_established() -> None:
    judge = known_node()
    letters = "bcdfghjklm"
    for number in range(5000):
        name = "".join(letters[int(digit)] for digit in f"{number:04d}")
        verdict_of(judge, start(name, WEB, by=initiator("alice"), at=NOW + number * SECOND // 2))
    floods = [one for one in alerts_of(judge) if one.finding is Finding.WORKLOAD_FLOOD]
    assert len({one.id for one in floods}) == 1
    assert verdict_of(judge, web(at=NOW + DAY)).explanation is Explanation.BASELINE


def test_a_baseline_that_is_damaged_is_learnt_anew_and_an_event_says_so() -> None:
    judge = known_node()
    verdict_of(judge, web())
    judge.alerting.baseline.write_state()
    rows = rows_of(judge)
    damaged = {key: b"junk" if key[0] == "profile" else row for key, row in rows.items()}
    successor = Judge()
    successor.restore(damaged)
    assert {kind for kind, _, _ in successor.damaged} == {"profile", "node", "baseline"}
    assert not successor.alerting.baseline.state.filled
    assert [one.action for one in successor.take_notes()] == ["baseline_reset"]
    left = {**damaged, **{(kind, key): row for kind, key, row in successor.take_rows()}}
    third = Judge()
    third.restore({key: row for key, row in left.items() if row is not None})
    assert third.damaged == ()
    assert third.take_notes() == ()


# --------------------------------------------------------------------------- a clock not yet set

BUILD = 1_740_000_000 * SECOND
"""Where a clock without a battery stands at boot: the build of its systemd."""


def shifted(event: Event, wall: int) -> Event:
    """Return an event of the same time since boot, by a clock that stands elsewhere."""
    return replace(event, realtime_offset=wall - event.time)


@pytest.mark.parametrize("wrong", [0, BUILD, NOW + 4000 * DAY], ids=["1970", "build", "future"])
def test_a_first_boot_before_the_clock_is_set_learns_from_then_on(wrong: int) -> None:
    judge = Judge()
    judge.judge(shifted(web(at=NOW), wrong))
    judge.judge(web(at=NOW + 60 * SECOND))
    state = judge.alerting.baseline.state
    assert state.began is not None
    assert abs(state.began - NOW // SECOND) <= 60
    # Two days later it still learns: a new image of a known person raises nothing.
    event = start("new", "quay.io/x/new:1", at=NOW + 2 * DAY, by=initiator("deploy"))
    verdict = verdict_of(judge, event)
    assert verdict.baseline is BaselineState.LEARNING
    assert alerts_of(judge) == []
    assert judge.alerting.baseline.phase((NOW + 8 * DAY) // SECOND) is BaselineState.ACTIVE


@pytest.mark.parametrize("wrong", [0, BUILD], ids=["1970", "build"])
def test_a_boot_before_the_clock_is_set_leaves_a_past_as_it_was(wrong: int) -> None:
    judge = known_node()
    began = judge.alerting.baseline.state.began
    judge.judge(shifted(web(at=NOW), wrong))
    assert judge.alerting.baseline.state.began == began
    # What is strong is reported meanwhile.
    judge.judge(shifted(web(at=NOW + SECOND, by=initiator("mallory")), wrong + SECOND))
    assert [one.finding for one in alerts_of(judge)] == [Finding.NEW_PERSON]
    judge.judge(web(at=NOW + 60 * SECOND))
    assert judge.alerting.baseline.state.began == began
    assert judge.alerting.baseline.phase(NOW // SECOND) is BaselineState.ACTIVE


def test_an_alert_before_the_clock_is_set_is_not_over_after_it() -> None:
    judge = known_node()
    judge.judge(shifted(web(at=NOW, by=initiator("mallory")), 0))
    (alert,) = alerts_of(judge)
    judge.judge(web(at=NOW + 60 * SECOND))
    judge.tick(web(at=NOW + 61 * SECOND).time, OFFSET)
    assert alerts_of(judge) == []
    entry = judge.alerting.book.get(alert.id)
    assert entry is not None
    assert (entry.first, entry.last) == (NOW, NOW)


def test_only_the_log_makes_a_past_begin_earlier() -> None:
    judge = Judge()
    baseline = judge.alerting.baseline
    judge.judge(web(at=NOW))
    judge.judge(web(at=NOW - SECOND))
    assert baseline.state.began == NOW // SECOND
    baseline.state.filling = True
    judge.learn(web(at=NOW - 5 * DAY))
    judge.learn(shifted(web(at=NOW), 0))
    assert baseline.state.began == (NOW - 5 * DAY) // SECOND
