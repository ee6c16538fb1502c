"""Help is there for each verb, fits a terminal, and loads no more than it shows."""

from __future__ import annotations

import importlib

import pytest

from sensor.cli.main import SECTIONS, VERBS
from tests.cli.asking import castoff

GROUPS = ("alerts", "audit-rules", "baseline", "change", "outputs", "policy", "probes")


def test_the_list_of_verbs_is_whole_and_cut_nowhere() -> None:
    text = castoff("--help").stdout
    width = max(map(len, VERBS))
    for verb, what in VERBS.items():
        assert f"  {verb.ljust(width)}  {what}\n" in text
    assert "..." not in text.partition("Options:")[2]
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("verb", GROUPS)
def test_the_list_of_what_a_verb_does_is_cut_nowhere(verb: str) -> None:
    text = castoff(verb, "--help").stdout
    commands = text.partition("Commands:")[2]
    assert commands
    assert "..." not in commands


def test_the_verbs_stand_under_what_people_want() -> None:
    text = castoff("--help").stdout
    places = [text.index(f"{title}:") for title in SECTIONS]
    assert places == sorted(places)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help(verb: str) -> None:
    done = castoff(verb, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: castoff {verb} ")
    assert importlib.import_module(f"sensor.cli.{verb.replace('-', '_')}").command.help


def test_an_earlier_name_of_a_verb_gives_its_name_now() -> None:
    answer = castoff("rules", "check")
    assert answer.returncode == 2
    assert "castoff audit-rules" in answer.stderr


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("evnts", "castoff has no command evnts. Did you mean castoff events?"),
        ("xyzzy", "castoff has no command xyzzy.\n"),
    ],
)
def test_a_mistyped_verb_is_answered_with_the_one_that_was_meant(typed: str, answer: str) -> None:
    done = castoff(typed)
    assert done.returncode == 2
    assert answer in done.stderr
