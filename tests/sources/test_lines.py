"""Lines are whole however they arrive, and of bounded length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.sources.lines import LineSplitter

LIMIT = 12


@given(
    st.lists(st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"-"))), st.integers(1, 7)
)
def test_lines_within_the_limit_come_whole_however_they_are_cut(
    lines: list[bytes], step: int
) -> None:
    splitter = LineSplitter(LIMIT)
    data = b"".join(line + b"\n" for line in lines)
    found: list[bytes] = []
    for start in range(0, len(data), step):
        found += splitter.feed(data[start : start + step])
    assert found == [line for line in lines if 0 < len(line) <= LIMIT]
    assert splitter.oversized == sum(len(line) > LIMIT for line in lines)


def test_a_line_without_end_takes_no_memory_and_the_next_is_read() -> None:
    splitter = LineSplitter(LIMIT)
    for _ in range(1000):
        assert splitter.feed(b"x" * 100) == []
        assert len(splitter._rest) <= LIMIT
    assert splitter.oversized == 1
    assert splitter.feed(b"\nnext\n") == [b"next"]


def test_another_stream_does_not_go_on_with_a_line_of_the_one_before() -> None:
    splitter = LineSplitter(LIMIT)
    splitter.feed(b"half")
    splitter.reset()
    assert splitter.feed(b"whole\n") == [b"whole"]
    splitter.feed(b"x" * 100)
    splitter.reset()
    assert splitter.feed(b"next\n") == [b"next"]
