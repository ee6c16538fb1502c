"""The word list finds what it forbids in prose, and leaves code and column names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.words import LONG, LONG_SENTENCE, Place, places, sentences_of_markdown, words_in


def found(tmp_path: Path, name: str, text: str) -> list[tuple[int, str]]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    made: list[Place] = list(places(path, name))
    return [(place.line, place.word) for place in made]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param('"""It is told."""\n', [(1, "tell")], id="docstring"),
        pytest.param("x = 1  # nobody reads it\n", [(1, "nobody")], id="comment"),
        pytest.param('print("it is no file")\n', [(1, "is none")], id="message"),
        pytest.param("told = 1\n", [], id="a name is code"),
        pytest.param('"""See ``told``."""\n', [], id="quoted code"),
        pytest.param('sql = "SELECT told FROM x"\n', [], id="a column on disk"),
    ],
)
def test_prose_of_python(tmp_path: Path, source: str, words: list[tuple[int, str]]) -> None:
    assert found(tmp_path, "a.py", source) == words


def test_a_long_sentence_is_found_where_it_begins(tmp_path: Path) -> None:
    short, long = " ".join(["word"] * LONG) + ".", " ".join(["word"] * (LONG + 1)) + "."
    assert found(tmp_path, "a.md", f"# Head\n\n{short} {short}\n\n{long}\n") == [(5, LONG_SENTENCE)]
    assert found(tmp_path, "b.md", f"    {long}\n\n```\n{long}\n```\n") == [], "a block is code"


def test_items_and_cells_are_sentences_of_their_own() -> None:
    text = "One two\nthree.\n- four\n- five **six.** Seven\n\n| a b | `c` d |\n"
    assert [sentence for _, sentence in sentences_of_markdown(text)] == [
        *("One two three.", "- four", "- five **six.", "Seven", "a b", "d"),
    ]


def test_code_is_one_word_and_an_address_none() -> None:
    assert words_in("See `castoff events -f` and [the manual](docs/x y.md).") == 5
