"""What a single word of a command line means to those behind it."""

from __future__ import annotations

import pytest

from sensor.identity.command_words import MAX_OPTION, Announced, announced_by, head_of, is_marked


@pytest.mark.parametrize(
    ("option", "announced"),
    [
        ("-e", Announced.VARIABLE),
        ("-ite", Announced.VARIABLE),
        ("--env", Announced.VARIABLE),
        ("-H", Announced.HEADER),
        ("--password", Announced.SECRET),
        ("-token", Announced.SECRET),
        ("--token-file", None),
        ("-c", Announced.SCRIPT),
        ("-exc", Announced.SCRIPT),
        ("--name", None),
        ("-", None),
        (f"--{'x' * MAX_OPTION}-password", Announced.SECRET),
    ],
)
def test_an_option_without_a_value_announces_the_next_word(
    option: str, announced: Announced | None
) -> None:
    assert announced_by(option) is announced


@pytest.mark.parametrize(
    ("word", "option", "flags", "head"),
    [
        ("-pS", "-p", "", "-p"),
        ("-p", "-p", "", "-p"),
        ("--pass=S", "--pass", "", "--pass="),
        ("--pass", "--pass", "", "--pass"),
        ("--passive", "--pass", "", None),
        ("-vpS", "-p", "v", "-vp"),
        ("-vpS", "-p", "", None),
        ("--vp", "-p", "v", None),
        ("-u", "-p", "", None),
    ],
)
def test_the_head_of_an_option_ends_where_its_secret_begins(
    word: str, option: str, flags: str, head: str | None
) -> None:
    assert head_of(word, option, flags) == head


@pytest.mark.parametrize(
    ("word", "marked"), [("mysql", True), ("/usr/bin/docker", True), ("web", False), ("", False)]
)
def test_programs_and_verbs_are_known_with_a_path_and_without(word: str, *, marked: bool) -> None:
    assert is_marked(word) is marked
