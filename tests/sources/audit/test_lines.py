"""Lines are whole however they arrive, and of bounded length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.sources.audit.lines import LINE_MAX, LineSplitter


@given(st.lists(st.binary(max_size=30)), st.integers(1, 7))
def test_lines_come_whole_however_they_are_cut(words: list[bytes], step: int) -> None:
    words = [word.replace(b"\n", b"") for word in words]
    data = b"".join(word + b"\n" for word in words)
    splitter = LineSplitter()
    found: list[bytes] = []
    for start in range(0, len(data), step):
        found += splitter.split(data[start : start + step])
    assert found == words


def test_a_line_without_end_is_dropped_and_the_next_is_read() -> None:
    splitter = LineSplitter()
    for _ in range(40):
        assert splitter.split(b"x" * (LINE_MAX // 8)) == []
        assert len(splitter._rest) <= LINE_MAX
    assert splitter.split(b"x\ny\n") == [b"y"]
    assert splitter.oversized == 1
