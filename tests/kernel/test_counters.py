"""Counters: copies of all processors are summed, and every kind belongs to a ring."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.kernel import counters
from sensor.kernel.counters import Counters, KindCount
from sensor.kernel.libbpf import BpfMap, MapShape, possible_cpus
from sensor.kernel.record import Kind


@pytest.mark.parametrize(
    ("text", "count"), [("0\n", 1), ("0-3\n", 4), ("0,2-7\n", 8), ("0-3,8\n", 9), ("0-127\n", 128)]
)
def test_possible_cpus_reach_to_the_last_number(tmp_path: Path, text: str, count: int) -> None:
    path = tmp_path / "possible"
    path.write_text(text)
    assert possible_cpus(path) == count


def test_the_copies_of_all_processors_are_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Map:
        shape = MapShape(4, 8, 99)

        def lookup(self, key: bytes, copies: int) -> bytes | None:
            index = int.from_bytes(key, "little")
            if index >= max(Kind) * 3:
                return None
            return b"".join((index * 10 + cpu).to_bytes(8, "little") for cpu in range(copies))

        def close(self) -> None:
            pass

    monkeypatch.setattr(BpfMap, "pinned", lambda _path: Map())
    monkeypatch.setattr(counters, "possible_cpus", lambda: 3)
    read = Counters(Path("/nowhere"))
    counts = read.read()
    assert [count.kind for count in counts] == list(Kind)
    first = 3 * 10 * 3 + 3
    assert counts[0] == KindCount(Kind.INIT_EXEC, first, first + 30, first + 60)
    assert counts[-1] == KindCount(max(Kind), 0, 0, 0)
    read.close()


def test_starts_and_ends_have_a_ring_of_their_own() -> None:
    rings = {kind: KindCount(kind, 0, 0, 0).ring for kind in Kind}
    own = {kind for kind, name in rings.items() if name == "lifecycle"}
    assert own == {Kind.INIT_EXEC, Kind.INIT_EXIT}
    assert set(rings.values()) == {"lifecycle", "commands"}
