"""How a verb prints what it found: a line of JSON for programs, a table for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from sensor.cli.options import coloured, width
from sensor.cli.reading import nanoseconds
from sensor.dataclass import dataclass
from sensor.report.moments import moment
from sensor.schema.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sensor.cli.columns import Layout


@dataclass(frozen=True, slots=True)
class Style:
    """The options by which a list is printed: ``-o``, ``--no-trunc``, ``--color``."""

    output: str
    no_trunc: bool
    colour: str


def print_json(document: object) -> None:
    """Print a document on a line of its own."""
    click.echo(json.dumps(document, separators=(",", ":")))


def print_done(answer: object, output: str, sentence: str) -> None:
    """Print what the agent answered to a command, or the sentence that says it to a person."""
    if output == "json":
        print_json(answer)
    else:
        click.echo(visible(sentence))


def clock_time(text: object) -> str:
    """Return an RFC 3339 time as people read it, to the second; another text as it is."""
    wall = nanoseconds(text)
    return str(text) if wall is None else f"{moment(wall)} UTC"


def print_fields(document: Mapping[str, object], times: frozenset[str] = frozenset()) -> None:
    """Print each field of a document that has a value on a line of its own."""
    for key, value in document.items():
        if value in (None, [], {}, ""):
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if key in times:
            text = clock_time(value)
        click.echo(visible(f"{key.replace('_', ' ')}: {text}"))


def print_list(
    documents: Sequence[Mapping[str, Any]],
    layout: Layout,
    row: Callable[[Mapping[str, Any]], Sequence[str]],
    style: Style,
) -> None:
    """Print documents: each on a line for a program, as rows of a table for a person."""
    if style.output == "json":
        for document in documents:
            print_json(document)
        return
    rows = [row(document) for document in documents]
    print_table(layout, rows, no_trunc=style.no_trunc, colour=style.colour)


def print_table(
    layout: Layout, rows: Sequence[Sequence[str]], *, no_trunc: bool, colour: str
) -> None:
    """Print rows below their header, as wide as the terminal; ``colour`` is that of the option."""
    painted = coloured(colour)
    for line in layout.table(rows, width(no_trunc=no_trunc), colour=painted):
        click.echo(line, color=painted)
