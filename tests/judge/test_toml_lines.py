"""A key of a TOML file is found on its line."""

from __future__ import annotations

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
