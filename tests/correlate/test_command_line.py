"""Options of a command line are passed over as pflag, or Go's flag package, does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.correlate.command_line import Options, Words, joined, options

PFLAG = options("name p e volume", "d rm tty")
GO = options("root log", "systemd-cgroup", go=True)
STRANGE = options("", "debug", unknown=True)

LINES = {
    "apart": (PFLAG, "--name web nginx", {"name": "web"}, "nginx"),
    "joined": (PFLAG, "--name=web nginx", {"name": "web"}, "nginx"),
    "letter": (PFLAG, "-e A=b nginx", {"e": "A=b"}, "nginx"),
    "bundle": (PFLAG, "-dp 80:80 nginx", {"d": "", "p": "80:80"}, "nginx"),
    "bundle-with-value": (PFLAG, "-dp80:80 nginx", {"d": "", "p": "80:80"}, "nginx"),
    "letter-with-equals": (PFLAG, "-eA=b nginx", {"e": "A=b"}, "nginx"),
    "switch-with-value": (PFLAG, "-d=false nginx", {"d": "false"}, "nginx"),
    "switch": (PFLAG, "--rm nginx", {"rm": ""}, "nginx"),
    "end": (PFLAG, "--rm -- --name", {"rm": ""}, "--name"),
    "dash": (PFLAG, "- nginx", {}, "-"),
    "the-last-counts": (PFLAG, "--name a --name b x", {"name": "b"}, "x"),
    "value-missing": (PFLAG, "--name", {"name": ""}, None),
    "go": (GO, "-root /r --log=/l run", {"root": "/r", "log": "/l"}, "run"),
    "go-switch": (GO, "-systemd-cgroup run", {"systemd-cgroup": ""}, "run"),
    "unknown-takes-a-word": (STRANGE, "--future x --debug y", {"future": "x", "debug": ""}, "y"),
}


@pytest.mark.parametrize(("table", "line", "found", "following"), LINES.values(), ids=LINES)
def test_options_are_passed_over_and_their_values_kept(
    table: Options, line: str, found: dict[str, str], following: str | None
) -> None:
    words = Words(tuple(line.split()), 0)
    assert words.options(table) == found
    assert words.peek() == following
    assert words.word() == following


@given(st.lists(st.text(max_size=8), max_size=8))
def test_any_words_are_passed_over_to_their_end(words: list[str]) -> None:
    walk = Words(tuple(words), 0)
    for table in (PFLAG, GO, STRANGE):
        walk.options(table)
    assert walk.at <= len(words)


@pytest.mark.parametrize(
    ("directory", "path", "whole"),
    [
        ("/srv", "shop/c.yml", "/srv/shop/c.yml"),
        ("/srv/a", "../b/./c.yml", "/srv/b/c.yml"),
        ("/srv", "/etc//c.yml", "/etc/c.yml"),
        ("/", "../../c.yml", "/c.yml"),
        ("/srv", "", "/srv"),
    ],
)
def test_a_path_is_taken_from_the_directory_of_its_process(
    directory: str, path: str, whole: str
) -> None:
    assert joined(directory, path) == whole
