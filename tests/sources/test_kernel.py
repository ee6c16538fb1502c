"""Causes come before effects, nothing stays behind, and every loss is reported once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor import clock
from sensor.bpf.layout import RecordKind
from sensor.model.kernel_records import CommandExec, InitExec
from sensor.sources import kernel
from tests.bpf.sample_records import pack
from tests.sources.sample_readers import Stage


def start(time: int) -> bytes:
    return pack(RecordKind.INIT_EXEC, time=time, sequence=time)


def command(time: int) -> bytes:
    return pack(RecordKind.COMMAND_EXEC, role=1, time=time, sequence=time)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(tmp_path, monkeypatch, sets=1)
    yield made
    made.source.close()


def drained(stage: Stage) -> list[tuple[str, int]]:
    """Times of one drain, with s for a start and c for a command."""
    return [("s" if isinstance(one, InitExec) else "c", one.time) for one in stage.source.drain()]


def test_an_empty_ring_gives_nothing(stage: Stage) -> None:
    assert drained(stage) == []
    assert not stage.source.has_more
    assert stage.source.last_seen is None


def test_both_rings_are_merged_by_time(stage: Stage) -> None:
    stage.only.put([start(3), start(6)], [command(1), command(5)])
    assert drained(stage) == [("c", 1), ("s", 3), ("c", 5), ("s", 6)]
    assert stage.source.last_seen == 6
    assert stage.source.observations == 4


def test_a_start_goes_out_with_the_command_that_came_while_it_was_drained(stage: Stage) -> None:
    stage.only.put([], [command(1)], [start(2)])
    assert drained(stage) == [("c", 1)]
    assert stage.source.has_more
    assert drained(stage) == [("s", 2)]
    assert not stage.source.has_more


def test_a_late_start_waits_for_a_command_that_may_be_its_cause(stage: Stage) -> None:
    """Its command came after the commands were drained and before the second look at starts."""
    stage.only.put([], [command(1)], [start(9)])
    assert drained(stage) == [("c", 1)]
    stage.only.put([], [command(8)])
    assert drained(stage) == [("c", 8), ("s", 9)]


def test_a_late_start_older_than_what_was_drained_goes_with_it(stage: Stage) -> None:
    stage.only.put([start(7)], [command(5)], [start(4), start(6), start(8)])
    assert drained(stage) == [("s", 4), ("c", 5), ("s", 6), ("s", 7)]
    assert drained(stage) == [("s", 8)]


def test_a_late_start_waits_even_when_nothing_came_before_it(stage: Stage) -> None:
    """Nothing shows then whether its command was missed by the look at the commands."""
    stage.only.put([], [], [start(9)])
    assert drained(stage) == []
    assert stage.source.has_more
    stage.only.put([], [command(8)])
    assert drained(stage) == [("c", 8), ("s", 9)]


def test_starts_without_any_command_do_not_wait(stage: Stage) -> None:
    stage.only.put([start(3)], [])
    assert drained(stage) == [("s", 3)]


def test_starts_whose_commands_still_wait_in_the_ring_are_kept_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "BATCH_MAX", 2)
    stage.only.put([start(4), start(9)], [command(1), command(3), command(8)])
    assert drained(stage) == [("c", 1), ("c", 3)]
    assert stage.source.has_more
    assert drained(stage) == [("s", 4), ("c", 8), ("s", 9)]
    assert not stage.source.has_more


def test_a_start_waits_for_a_command_behind_one_that_is_still_being_written(stage: Stage) -> None:
    stage.only.put([], [command(1)])
    assert drained(stage) == [("c", 1)]
    stage.only.put([start(9)], [])
    stage.only.commands.held_up = True
    assert drained(stage) == drained(stage) == []
    stage.source.release(stage.source.read_up_to())
    assert stage.only.lifecycle.released == 0, "a successor would find it"
    assert stage.source.has_more
    stage.only.commands.held_up = False
    stage.only.put([], [command(7), command(8)])
    assert drained(stage) == [("c", 7), ("c", 8), ("s", 9)]
    assert not stage.source.has_more


def test_what_is_older_than_the_newest_command_waits_for_no_other(stage: Stage) -> None:
    stage.only.put([start(3), start(9)], [command(1), command(5)])
    stage.only.commands.held_up = True
    assert drained(stage) == [("c", 1), ("s", 3), ("c", 5)]


def test_no_drain_takes_more_than_the_limit_from_a_ring(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "BATCH_MAX", 3)
    stage.only.put([], [command(time) for time in range(10)])
    sizes = []
    while batch := drained(stage):
        sizes.append(len(batch))
    assert sizes == [3, 3, 3, 1]


def test_malformed_records_are_counted_and_passed_over(stage: Stage) -> None:
    stage.only.put([b"rubbish", start(3)], [b"", command(1)])
    assert drained(stage) == [("c", 1), ("s", 3)]
    assert stage.source.malformed.total() == 2
    (loss,) = stage.source.losses()
    assert (loss.malformed, loss.dropped, loss.limited) == (2, 0, 0)
    assert stage.source.losses() == (), "reported once"


def test_a_batch_of_nothing_but_malformed_commands_holds_up_no_start(stage: Stage) -> None:
    stage.only.put([], [b"rubbish"], [start(3)])
    assert drained(stage) + drained(stage) == [("s", 3)]
    assert not stage.source.has_more


RECORDS = st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=30)


@settings(max_examples=150, deadline=None)
@given(rounds=st.lists(st.tuples(RECORDS, RECORDS, RECORDS), max_size=5), limit=st.integers(1, 8))
def test_every_record_comes_out_once_and_each_batch_is_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    rounds: list[tuple[list[tuple[int, bool]], ...]],
    limit: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "BATCH_MAX", limit)
        stage = Stage(tmp_path_factory.mktemp("sets"), patch, sets=1)
        put = 0
        for first, second, third in rounds:
            put += len(first) + len(second) + len(third)
            stage.only.put(
                [start(time) for time, _ in first],
                [command(time) for time, _ in second],
                [start(time) for time, _ in third],
            )
        seen: list[tuple[str, int]] = []
        for _ in range(10 * put + 10):
            batch = drained(stage)
            assert [time for _, time in batch] == sorted(time for _, time in batch)
            seen += batch
            if not stage.source.has_more:
                break
        assert not stage.source.has_more
        stage.source.release(stage.source.read_up_to())
        assert stage.only.lifecycle.unreleased() == 0
        stage.source.close()
    wanted = [("s", time) for one, _, three in rounds for time, _ in one + three]
    wanted += [("c", time) for _, two, _ in rounds for time, _ in two]
    assert sorted(seen) == sorted(wanted)


# --------------------------------------------------------------- releasing


def test_what_was_handed_over_may_be_released(stage: Stage) -> None:
    stage.only.put([start(3)], [command(1)])
    drained(stage)
    stage.source.release(stage.source.read_up_to())
    assert stage.only.lifecycle.unreleased() == 0


def test_a_record_that_is_kept_back_is_not_released(stage: Stage) -> None:
    stage.only.put([start(2)], [command(1)])
    drained(stage)
    safe = stage.only.lifecycle.position
    stage.only.put([], [command(3)], [start(9)])
    assert drained(stage) == [("c", 3)]
    stage.source.release(stage.source.read_up_to())
    assert stage.only.lifecycle.released == safe
    assert drained(stage) == [("s", 9)]
    stage.source.release(stage.source.read_up_to())
    assert stage.only.lifecycle.unreleased() == 0


def test_commands_stay_for_the_successor_of_a_killed_agent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.boottime()
    monkeypatch.setattr(clock, "boottime", lambda: now)
    stage.only.put([start(now - 1)], [command(now - 3)])
    drained(stage)
    stage.source.release(stage.source.read_up_to())
    assert stage.only.commands.released == 0
    monkeypatch.setattr(clock, "boottime", lambda: now + kernel.COMMANDS_KEPT + 1)
    stage.source.release(stage.source.read_up_to())
    assert stage.only.commands.unreleased() == 0


def test_commands_of_an_earlier_agent_stay_no_longer_than_they_would_have(
    stage: Stage,
) -> None:
    """An agent that is restarted again and again would else give nothing back."""
    now = clock.boottime()
    stage.only.put([], [command(now - kernel.COMMANDS_KEPT - 1)])
    drained(stage)
    old = stage.only.commands.position
    stage.only.put([], [command(now)])
    drained(stage)
    stage.source.release(stage.source.read_up_to())
    assert stage.only.commands.released == old


def test_positions_of_drains_serve_a_release_that_comes_late(stage: Stage) -> None:
    """Under load a release is seconds away, and the oldest commands alone go before it."""
    now = clock.boottime()
    positions = []
    for number in range(10):
        stage.only.put([], [command(now + number * kernel.COMMANDS_STEP)])
        drained(stage)
        positions.append(stage.only.commands.position)
    stage.only.commands.size = positions[-1]
    stage.source.release(stage.source.read_up_to())
    assert stage.only.commands.released == positions[4]


def test_only_what_is_durable_is_given_back(stage: Stage) -> None:
    now = clock.boottime()
    stage.only.put([], [command(now)])
    drained(stage)
    durable, first = stage.source.read_up_to(), stage.only.commands.position
    for number in range(1, 5):
        stage.only.put([], [command(now + number * kernel.COMMANDS_STEP)])
        drained(stage)
    stage.only.commands.size = first
    stage.source.release(durable)
    assert stage.only.commands.released == first


def test_positions_are_bounded_while_nothing_is_durable(stage: Stage) -> None:
    now = clock.boottime()
    for number in range(kernel.STEPS_MAX + 9):
        stage.only.put([], [command(now + number * kernel.COMMANDS_STEP)])
        drained(stage)
    assert len(stage.source._kept) == kernel.STEPS_MAX
    stage.only.commands.size = stage.only.commands.position // 2
    stage.source.release(stage.source.read_up_to())
    assert 0 < stage.only.commands.unreleased() <= stage.only.commands.size // 2


def test_commands_are_released_sooner_when_their_ring_fills(stage: Stage) -> None:
    stage.only.put([], [command(1)])
    drained(stage)
    stage.only.commands.size = stage.only.commands.position
    stage.source.release(stage.source.read_up_to())
    assert stage.only.commands.unreleased() == 0


def test_the_newest_commands_stay_in_a_ring_that_is_half_full(stage: Stage) -> None:
    """An agent that ends looks at its rings once: the cause of what comes next is among them."""
    stage.only.put([], [command(clock.boottime())])
    drained(stage)
    stage.only.commands.size = stage.only.commands.position * 3 // 2
    stage.source.release(stage.source.read_up_to())
    assert stage.only.commands.released == 0


def test_a_full_ring_gives_back_its_oldest_commands_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest may be the cause of a start that a successor reads."""
    now = clock.boottime()
    positions = []
    for number in range(10):
        later = now + number * kernel.COMMANDS_STEP
        monkeypatch.setattr(clock, "boottime", partial(int, later))
        stage.only.put([], [command(later)])
        drained(stage)
        stage.source.release(stage.source.read_up_to())
        positions.append(stage.only.commands.position)
    stage.only.commands.size = positions[-1]
    stage.source.release(stage.source.read_up_to())
    assert stage.only.commands.released == positions[4]


def test_what_was_released_is_noted_as_handled(stage: Stage) -> None:
    stage.only.put([start(3)], [command(1)])
    drained(stage)
    stage.source.release(stage.source.read_up_to())
    assert stage.only.settings.time == 3


def test_commands_that_an_earlier_agent_handled_are_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heir = Stage(tmp_path, monkeypatch, sets=1, handled=4)
    heir.only.put([start(6)], [command(2), command(4), command(5)])
    batch = heir.source.drain()
    assert [(one.time, one.again) for one in batch if isinstance(one, CommandExec)] == [
        (2, True),
        (4, True),
        (5, False),
    ]
    assert [one.time for one in batch] == [2, 4, 5, 6]
    heir.source.close()


# --------------------------------------------------------------- losses


def test_drops_and_records_held_back_are_reported_once(stage: Stage) -> None:
    assert stage.source.losses() == ()
    stage.only.counters.lose(RecordKind.INIT_EXEC, dropped=2)
    stage.only.counters.lose(RecordKind.COMMAND_EXEC, limited=7)
    starts, commands = stage.source.losses()
    assert (starts.ring, starts.kind, starts.since) == ("lifecycle", "init_exec", 100)
    assert (starts.dropped, starts.limited) == (2, 0)
    assert (commands.ring, commands.kind) == ("commands", "command_exec")
    assert (commands.dropped, commands.limited) == (0, 7)
    assert starts.since <= starts.time
    assert stage.source.losses() == ()


# --------------------------------------------------------------- several sets


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch, sets=2)


def test_sets_that_overlap_are_read_as_one(pair: Stage) -> None:
    old, new = pair.sets
    old.put([start(2)], [command(1)])
    new.put([start(4)], [command(3)])
    assert drained(pair) == [("c", 1), ("s", 2), ("c", 3), ("s", 4)]


def test_an_old_set_is_detached_drained_to_the_end_and_removed(pair: Stage) -> None:
    old, new = pair.sets
    old.put([start(5)], [command(3)])
    old.put([start(6)], [command(4)])
    new.put([start(9)], [])
    rest = pair.source.retire_old()
    assert [type(one) for one in rest] == [CommandExec, CommandExec, InitExec, InitExec]
    assert [one.time for one in rest] == [3, 4, 5, 6]
    assert not old.path.exists()
    assert old.lifecycle.closed
    assert old.counters.closed
    assert new.path.exists()
    assert not new.lifecycle.closed
    assert drained(pair) == [("s", 9)]


def test_what_an_old_set_lost_to_its_end_is_reported_after_it_is_gone(pair: Stage) -> None:
    pair.sets[0].counters.lose(RecordKind.INIT_EXEC, dropped=3)
    pair.source.retire_old()
    assert [loss.dropped for loss in pair.source.losses()] == [3]
    assert pair.source.losses() == ()


def test_a_single_set_is_never_retired(stage: Stage) -> None:
    assert stage.source.retire_old() == ()
    assert stage.only.path.exists()


def test_closing_leaves_the_probes_alone(pair: Stage) -> None:
    pair.source.close()
    assert all(one.lifecycle.closed and one.commands.closed for one in pair.sets)
    assert all((one.path / "link-on_exec").exists() for one in pair.sets)
