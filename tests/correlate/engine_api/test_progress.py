"""What a segment repeats is dropped, what is missing before it is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.correlate.engine_api.calls import Segment
from sensor.correlate.engine_api.progress import StreamPosition


@pytest.mark.parametrize(
    ("offset", "missing", "new"),
    [
        pytest.param(4, 0, b"abc", id="next"),
        pytest.param(6, 2, b"abc", id="after a hole"),
        pytest.param(3, 0, b"bc", id="one byte again"),
        pytest.param(0, 0, b"", id="all of it again"),
        pytest.param(None, 0, b"abc", id="of unknown position"),
    ],
)
def test_after_four_bytes(offset: int | None, missing: int, new: bytes) -> None:
    progress = StreamPosition(0)
    assert progress.take(Segment(0, 0, b"0123")) == (0, b"0123")
    assert progress.take(Segment(1, offset, b"abc")) == (missing, new)


def test_nothing_is_missing_before_the_first_segment_of_a_joined_connection() -> None:
    assert StreamPosition(None).take(Segment(0, 900, b"abc")) == (0, b"abc")


def test_after_a_segment_of_unknown_position_nothing_is_missing() -> None:
    progress = StreamPosition(0)
    progress.take(Segment(0, None, b"abc"))
    assert progress.take(Segment(1, 900, b"d")) == (0, b"d")


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), max_size=12))
def test_each_byte_is_new_or_missing_once(cuts: list[tuple[int, int]]) -> None:
    stream = bytes(range(60))
    progress, at = StreamPosition(0), 0
    for offset, length in cuts:
        missing, new = progress.take(Segment(0, offset, stream[offset : offset + length]))
        at += missing
        assert new == stream[at : at + len(new)]
        at += len(new)
    assert at == max([0, *(offset + length for offset, length in cuts if offset + length > 0)])


def test_a_position_is_lost_by_a_segment_without_one_and_only_then() -> None:
    progress = StreamPosition(0)
    assert not progress.loses(Segment(0, None, b"abc"))
    progress.take(Segment(0, 0, b"abc"))
    assert not progress.loses(Segment(1, 3, b"d"))
    assert progress.loses(Segment(1, None, b"d"))
    progress.take(Segment(1, None, b"d"))
    assert not progress.loses(Segment(2, None, b"e"))
