"""Columns fit the terminal, and what matters least gives way first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.cli.columns import LEAST, WRAPPED_LEAST, Layout, wrapped
from sensor.schema.text import columns

LAYOUT = Layout(("ID", "NAME", "KIND", "NOTE"), frozenset({"NAME", "NOTE"}), ("KIND", "NOTE"))
ROWS = [
    ["0123456789ab", "a-name-of-thirty-characters-xx", "docker", "n" * 20],
    ["cdef01234567", "漢字コンテナ名前", "podman", "-"],
]


def test_without_a_terminal_nothing_is_cut() -> None:
    lines = LAYOUT.table(ROWS, None)
    assert lines[0].split() == ["ID", "NAME", "KIND", "NOTE"]
    assert all(cell in lines[1] for cell in ROWS[0])


def test_the_widest_is_cut_first() -> None:
    first = LAYOUT.table(ROWS, 70)[1]
    assert first.startswith("0123456789ab  a-name-of-thirty-charac")
    assert "…" in first
    assert first.endswith("n" * 20)


def test_what_is_expendable_goes_before_names_become_stumps() -> None:
    lines = LAYOUT.table(ROWS, 40)
    assert lines[0].split() == ["ID", "NAME", "NOTE"]
    assert LAYOUT.table(ROWS, 12 + 2 + LEAST)[0].split() == ["ID", "NAME"]


def test_an_id_is_whole_as_long_as_it_fits() -> None:
    for width in range(26, 100):
        assert LAYOUT.table(ROWS, width)[1].startswith("0123456789ab")


@pytest.mark.parametrize("width", [1, 5, 13, 20, 26, 40, 80, 200])
def test_wide_characters_line_up(width: int) -> None:
    lines = LAYOUT.table(ROWS, width)
    assert all(columns(line) <= width for line in lines)
    if width >= 60:
        place = columns(lines[0].partition("KIND")[0])
        assert {columns(line[: line.index(kind)]) for line, kind in zip(
            lines[1:], ("docker", "podman"), strict=True
        )} == {place}  # fmt: skip


@given(
    st.lists(st.lists(st.text(), min_size=4, max_size=4), max_size=4),
    st.none() | st.integers(1, 120),
)
def test_whatever_stands_in_the_cells_is_one_safe_line_each(
    rows: list[list[str]], width: int | None
) -> None:
    lines = LAYOUT.table(rows, width)
    assert len(lines) == len(rows) + 1
    assert all(line.isprintable() for line in lines)
    assert width is None or all(columns(line) <= width for line in lines)


def test_a_text_is_wrapped_with_an_indent_and_keeps_a_long_word_whole() -> None:
    path = "/usr/lib/systemd/system/a-rather-long-name-of-a-unit@.service"
    lines = wrapped(f"    root: {path} runs podman, with a timer", 50, 8)
    assert lines[0] == "    root:"
    assert lines[1] == f"        {path}"
    assert lines[2] == "        runs podman, with a timer"


@pytest.mark.parametrize("width", [None, 1, 80])
def test_a_narrow_terminal_gets_lines_of_a_readable_length_and_no_terminal_gets_one(
    width: int | None,
) -> None:
    lines = wrapped("word " * 40, width)
    assert len(lines) == 1 if width is None else max(map(len, lines)) <= max(WRAPPED_LEAST, width)
    assert wrapped("", 80) == [""]
