"""The chain of a file is computed from a known digest on, and from no other place."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.evidence.file_chain import FileChain
from sensor.evidence.shipped import ShippedLine, lines_of
from sensor.store.chain import genesis
from tests.evidence.logs import make_log, shipped


@pytest.fixture
def lines(tmp_path: Path) -> list[ShippedLine]:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"".join(shipped(make_log(tmp_path, 45))))
    return list(lines_of(path))


def log_of(lines: list[ShippedLine]) -> str:
    assert lines[0].place is not None
    return lines[0].place.log_id


def run(chain: FileChain, lines: list[ShippedLine]) -> list[int | None]:
    return [finding.first for line in lines for finding in chain.add("file", line)]


def test_from_the_log_s_beginning_every_event_is_in_the_chain(lines: list[ShippedLine]) -> None:
    chain = FileChain(log_of(lines), 0, genesis(log_of(lines)))
    assert run(chain, lines) == []
    assert (chain.chained, chain.number) == (45, 45)


def test_without_a_beginning_the_first_head_is_one(lines: list[ShippedLine]) -> None:
    """The head of number 9 comes with number 10."""
    chain = FileChain(log_of(lines))
    assert run(chain, lines) == []
    assert chain.chained == 45 - 9


def test_a_hole_ends_it_and_the_next_head_begins_it_again(lines: list[ShippedLine]) -> None:
    chain = FileChain(log_of(lines))
    assert run(chain, lines[:14] + lines[15:]) == []
    assert chain.number == 45
    assert chain.chained == (14 - 9) + (45 - 19)


def test_a_changed_event_is_found_by_the_next_head(lines: list[ShippedLine]) -> None:
    line = lines[14].line
    assert line is not None
    lines[14] = ShippedLine(15, lines[14].place, line.replace(b'"web-7"', b'"nothing"'))
    assert run(FileChain(log_of(lines)), lines) == [19, 29, 39]


def test_events_in_another_order_are_put_in_theirs(lines: list[ShippedLine]) -> None:
    chain = FileChain(log_of(lines), 0, genesis(log_of(lines)))
    assert run(chain, [*lines[20:], *lines[:20]]) == []
    assert chain.number == 45


def test_another_log_s_events_are_left_alone(lines: list[ShippedLine]) -> None:
    chain = FileChain("ffffffffffffffff", 0, genesis("ffffffffffffffff"))
    assert run(chain, lines) == []
    assert chain.chained == 0
