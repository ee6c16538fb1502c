"""Counters: copies of all processors are summed, and every kind belongs to a ring."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.bpf import counters
from sensor.bpf.counters import Counters, KindCount, Progress, RingLoss
from sensor.bpf.layout import RecordKind
from sensor.bpf.libbpf import BpfMap, MapShape, possible_cpus


@pytest.mark.parametrize(
    ("text", "count"), [("0\n", 1), ("0-3\n", 4), ("0,2-7\n", 8), ("0-3,8\n", 9), ("0-127\n", 128)]
)
def test_possible_cpus_reach_to_the_last_number(tmp_path: Path, text: str, count: int) -> None:
    path = tmp_path / "possible"
    path.write_text(text)
    assert possible_cpus(path) == count


CPUS = 3


class ArrayMap:
    """An array of u64 without a kernel; per CPU, each copy holds a share."""

    shape = MapShape(4, 8, 99)

    def __init__(self) -> None:
        self.values: dict[int, int] = {}

    def lookup(self, key: bytes, copies: int = 1) -> bytes | None:
        value = self.values.get(int.from_bytes(key, "little"), 0)
        shares = [value // copies] * (copies - 1)
        shares.append(value - sum(shares))
        return b"".join(share.to_bytes(8, "little") for share in shares)

    def array(self, copies: int = 1) -> bytes:
        numbers = range(self.shape.max_entries)
        return b"".join(self.lookup(one.to_bytes(4, "little"), copies) or b"" for one in numbers)

    def update(self, key: bytes, value: bytes) -> None:
        self.values[int.from_bytes(key, "little")] = int.from_bytes(value, "little")

    def close(self) -> None:
        pass


class Maps:
    """What a probe set keeps its counts in, as long as it is loaded."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.by_name = {name: ArrayMap() for name in ("counters", "told", "settings")}
        self.by_name["settings"].values[counters._LOADED_AT] = 100
        patch.setattr(BpfMap, "pinned", lambda path: self.by_name[path.name])
        patch.setattr(counters, "possible_cpus", lambda: CPUS)

    def count(
        self, kind: RecordKind, *, submitted: int = 0, dropped: int = 0, limited: int = 0
    ) -> None:
        for offset, value in enumerate((submitted, dropped, limited)):
            index = kind * 3 + offset
            values = self.by_name["counters"].values
            values[index] = values.get(index, 0) + value

    @staticmethod
    def agent() -> Counters:
        """What the next agent sees."""
        return Counters(Path("counters"), Path("told"), Path("settings"))


@pytest.fixture
def maps(monkeypatch: pytest.MonkeyPatch) -> Maps:
    return Maps(monkeypatch)


def test_the_copies_of_all_processors_are_summed(maps: Maps) -> None:
    maps.count(RecordKind.INIT_EXEC, submitted=7, dropped=8, limited=10)
    maps.count(RecordKind.COMMAND_EXEC, limited=5)
    read = maps.agent().read()
    assert [count.kind for count in read] == list(RecordKind)
    assert read[0] == KindCount(RecordKind.INIT_EXEC, 7, 8, 10)
    assert next(count for count in read if count.kind is RecordKind.COMMAND_EXEC).limited == 5


def test_kinds_that_an_older_set_does_not_count_are_zero(maps: Maps) -> None:
    maps.by_name["counters"].shape = MapShape(4, 8, 3 * (RecordKind.INIT_EXEC + 1))
    maps.count(RecordKind.INIT_EXEC, submitted=5)
    counts = {count.kind: count.submitted for count in maps.agent().read()}
    assert counts == {kind: 5 if kind is RecordKind.INIT_EXEC else 0 for kind in RecordKind}


def test_losses_are_reported_once_and_since_the_last_look(maps: Maps) -> None:
    agent = maps.agent()
    assert agent.losses(200) == ()
    maps.count(RecordKind.INIT_EXEC, submitted=50, dropped=2)
    maps.count(RecordKind.COMMAND_EXEC, limited=3)
    assert agent.losses(300) == (
        RingLoss(KindCount(RecordKind.INIT_EXEC, 0, 2, 0), 200),
        RingLoss(KindCount(RecordKind.COMMAND_EXEC, 0, 0, 3), 200),
    )
    assert agent.losses(400) == ()
    maps.count(RecordKind.INIT_EXEC, dropped=1)
    assert agent.losses(500) == (RingLoss(KindCount(RecordKind.INIT_EXEC, 0, 1, 0), 400),)


def test_losses_before_the_first_look_reach_back_to_the_load(maps: Maps) -> None:
    maps.count(RecordKind.INIT_EXIT, dropped=4)
    assert maps.agent().losses(200) == (RingLoss(KindCount(RecordKind.INIT_EXIT, 0, 4, 0), 100),)


def test_losses_while_no_agent_ran_are_the_next_ones_to_report(maps: Maps) -> None:
    first = maps.agent()
    maps.count(RecordKind.INIT_EXEC, dropped=1)
    assert len(first.losses(200)) == 1
    first.close()
    maps.count(RecordKind.INIT_EXEC, dropped=6)
    assert maps.agent().losses(900) == (RingLoss(KindCount(RecordKind.INIT_EXEC, 0, 6, 0), 200),)
    assert maps.agent().losses(901) == ()


def test_losses_whose_report_was_not_kept_are_reported_again(maps: Maps) -> None:
    killed = maps.agent()
    killed.losses(200)
    kept = killed.checkpoint()
    maps.count(RecordKind.INIT_EXEC, dropped=2)
    maps.count(RecordKind.COMMAND_EXEC, limited=1)
    assert len(killed.losses(300)) == 2
    maps.count(RecordKind.INIT_EXEC, dropped=1)
    after = maps.agent()
    after.take_back(kept)
    assert after.losses(900) == (
        RingLoss(KindCount(RecordKind.INIT_EXEC, 0, 3, 0), 200),
        RingLoss(KindCount(RecordKind.COMMAND_EXEC, 0, 0, 1), 200),
    )
    assert after.losses(901) == ()


def test_a_report_that_was_kept_stands(maps: Maps) -> None:
    agent = maps.agent()
    maps.count(RecordKind.INIT_EXEC, dropped=2)
    agent.losses(300)
    kept = agent.checkpoint()
    agent.losses(400)
    agent.take_back(kept)
    assert agent.losses(500) == ()
    maps.count(RecordKind.INIT_EXEC, dropped=1)
    assert [loss.since for loss in agent.losses(600)] == [500]


def test_a_checkpoint_of_counters_that_began_anew_changes_nothing(maps: Maps) -> None:
    kept = dict.fromkeys(maps.agent().checkpoint(), 10**12)
    maps.count(RecordKind.INIT_EXEC, dropped=2)
    agent = maps.agent()
    agent.take_back(kept)
    assert agent.losses(500) == (RingLoss(KindCount(RecordKind.INIT_EXEC, 0, 2, 0), 100),)


def test_the_next_agent_learns_how_far_the_last_one_came(maps: Maps) -> None:
    progress = Progress(Path("settings"))
    assert progress.handled() == 0
    progress.note(500)
    progress.note(400)
    assert Progress(Path("settings")).handled() == 500
    assert maps.agent().losses(900) == ()
    assert Progress(Path("settings")).handled() == 500, "each has a place of its own"
    progress.close()


def test_starts_and_ends_have_a_ring_of_their_own() -> None:
    rings = {kind: KindCount(kind, 0, 0, 0).ring for kind in RecordKind}
    own = {kind for kind, name in rings.items() if name == "lifecycle"}
    assert own == {RecordKind.INIT_EXEC, RecordKind.INIT_EXIT}
    assert set(rings.values()) == {"lifecycle", "commands"}
