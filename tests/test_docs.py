"""The pages name what exists: links lead somewhere, and commands are those of the program."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sensor.api.resources import OPENAPI
from sensor.cli import events
from sensor.cli.main import castoff
from sensor.schema.filters import KEYS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *(
        page
        for folder in ("docs", "deploy", "packaging")
        for page in (ROOT / folder).rglob("*.md")
        if "node_modules" not in page.parts
    ),
]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`(castoff [^`\n]+)`|^    (?:sudo )?(castoff [^\n]+)$", re.MULTILINE)
_OPTION = re.compile(r"--?[a-z][a-z-]*")


def anchor(heading: str) -> str:
    """Return the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command that a page shows, without what a shell does around it."""
    for inline, block in _CODE.findall(text):
        line = re.split(r"[|>;#…]|&&", inline or block)[0].replace("\\|", " ")
        try:
            yield shlex.split(line)[1:]
        except ValueError:
            yield line.split()[1:]


def known(words: list[str]) -> str | None:
    """Return what a command line has that the program lacks, None where it is as the help says."""
    context = click.Context(castoff, info_name="castoff")
    command: click.Command = castoff
    rest = words
    while rest and isinstance(command, click.Group):
        word = rest[0].strip("[].,")
        found = (
            command.get_command(context, word) if word in command.list_commands(context) else None
        )
        if found is None:
            if re.fullmatch(r"[a-z][a-z-]*", word):
                return word
            break
        command, rest = found, rest[1:]
    options = {
        name for one in command.get_params(context) for name in (*one.opts, *one.secondary_opts)
    }
    asked = {part for word in rest for part in [word.strip("[],.").partition("=")[0]]}
    unknown = {one for one in asked if _OPTION.fullmatch(one)} - options - {"--help", "-h"}
    return ", ".join(sorted(unknown)) or None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        linked = page if not name else (page.parent / name).resolve()
        assert linked.exists(), f"{target} does not exist"
        if fragment:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), f"{linked.name} has no heading {fragment}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_of_a_page_is_one_of_the_program(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        pytest.skip("it names what was")
    for words in commands(page.read_text(encoding="utf-8")):
        assert known(words) is None, f"castoff {' '.join(words)}: unknown {known(words)}"


def test_what_the_program_lacks_is_found() -> None:
    assert known(["events", "--no-such-option"]) == "--no-such-option"
    assert known(["no-such-verb"]) == "no-such-verb"
    assert known(["audit-rules", "check", "-o", "json"]) is None


def test_the_page_of_the_operator_names_each_key_of_a_filter() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    table = text.partition("\n### Filters\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(KEYS)


def test_the_help_of_events_names_each_key_of_a_filter() -> None:
    (option,) = (one for one in events.command.params if one.name == "filters")
    assert isinstance(option, click.Option)
    named = re.findall(r"\w+", option.help or "")
    assert [key for key in KEYS if key != "type" and key not in named] == []


def test_the_page_of_the_operator_names_each_verb_and_each_resource() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    missing = [path for path in json.loads(OPENAPI.read_text())["paths"] if path not in text]
    assert not missing
    assert isinstance(castoff, click.Group)
    verbs = castoff.list_commands(click.Context(castoff))
    everywhere = text + (ROOT / "README.md").read_text(encoding="utf-8")
    assert [verb for verb in verbs if f"castoff {verb}" not in everywhere] == []
