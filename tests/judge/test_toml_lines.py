"""A key of a TOML file is found on its line."""

from __future__ import annotations

import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.judge.toml_lines import KeyLines

TEXT = '''# a policy
[expect.alice]
login = "alice"
text = """
[forbid.bob]
login = "no key"
"""
"quoted.key" = 1

[ "forbid"."c d" ]
image= "x"
'''


def test_keys_and_tables_have_their_lines() -> None:
    lines = KeyLines(TEXT)
    assert lines.line("expect") == 2
    assert lines.line("expect", "alice") == 2
    assert lines.line("expect", "alice", "login") == 3
    assert lines.line("expect", "alice", "quoted.key") == 8
    assert lines.line("forbid", "c d", "image") == 11


def test_what_stands_in_a_long_string_is_not_a_key() -> None:
    assert KeyLines(TEXT).line("forbid", "bob", "login") == 10, "the table above it"


def test_a_key_without_a_line_is_at_its_table_or_nowhere() -> None:
    lines = KeyLines(TEXT)
    assert lines.line("expect", "alice", "inline") == 2
    assert lines.line("nothing") is None


@given(st.text(max_size=200))
def test_any_text_is_looked_through(text: str) -> None:
    KeyLines(text).line("a", "b")


TRICKY = """# a comment with \"\"\", \u2028 and \x85
[expect.a]
login = "it's '''"   # "
name = [ "x", # [
  "[forbid.x]", "]",
]
kind = [
  ["y"],
]
text = \"\"\"a\\\"\"\"b
[forbid.b]
\"\"\"
tail = \"\"\"\"\"x\"\"\"\"\"
raw = '''a\"\"\"
[forbid.b]
''''
image = "w"
[forbid.b]   # [forbid.c]
image = 'a#b'
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("expect", "a"), 2),
        (("expect", "a", "login"), 3),
        (("expect", "a", "name"), 4),
        (("expect", "a", "kind"), 7),
        (("expect", "a", "text"), 10),
        (("expect", "a", "tail"), 13),
        (("expect", "a", "raw"), 14),
        (("expect", "a", "image"), 17),
        (("forbid", "b"), 18),
        (("forbid", "b", "image"), 19),
    ],
)
def test_quotes_brackets_and_comments_move_no_line(path: tuple[str, ...], line: int) -> None:
    tomllib.loads(TRICKY)
    assert KeyLines(TRICKY).line(*path) == line


def test_lines_are_found_in_time_linear_in_the_text() -> None:
    def cost(length: int) -> float:
        texts = [
            'a="""' + '\\"' * length + '\n"""',
            'a="""' + '"" ' * length + '\n"""',
            "a=" + "[" * length,
            "a='" + '"' * length + "x",
        ]
        begin = time.process_time()
        for text in texts:
            KeyLines(text)
        return time.process_time() - begin

    cost(1000)
    assert cost(80_000) < 40 * max(cost(8_000), 0.002)
