"""``castoff policy``: check a policy, try it on the log, explain a verdict, suggest a first one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from sensor.agent.policy_files import DIRECTORY, LoadedPolicy, load_files, load_policy, passed_over
from sensor.agent.policy_suggestion import Suggestion
from sensor.agent.policy_trial import PolicyTrial, answers, warnings
from sensor.api.client import AgentClient, RequestRefused
from sensor.cli.answer import print_json, print_table
from sensor.cli.columns import Layout, wrapped
from sensor.cli.events import EventListing
from sensor.cli.options import (
    colour_option,
    no_trunc_option,
    output_option,
    socket_option,
    width,
)
from sensor.cli.period import unix_seconds, wall_time
from sensor.cli.progress import counting
from sensor.cli.wording import counted
from sensor.errors import CastoffError
from sensor.linux.malloc import collect_seldom
from sensor.schema.start_reader import document_of
from sensor.schema.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAYOUT = Layout(
    header=("EXPECTED", "BECAUSE", "STARTS", "EXAMPLE"),
    flexible=frozenset({"BECAUSE", "EXAMPLE"}),
    expendable=("EXAMPLE",),
)
NARROW = Layout(LAYOUT.header[:-1], frozenset({"BECAUSE"}), ())
WIDE = 120
"""Columns from which on a trial's table has examples: before that the reasons need the room."""
RULES = Layout(
    header=("APPLIES", "RULE", "PLACE", "WHY"),
    flexible=frozenset({"RULE", "PLACE", "WHY"}),
    expendable=("PLACE",),
)
_WORDS = {True: "yes", False: "no", None: "-"}
INDENT = 4
SINCE = "7d"

files_option = click.option(
    "--policy",
    "files",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help=f"Use this file instead of {DIRECTORY}. May be repeated.",
)
since_option = click.option(
    "--since",
    default=SINCE,
    show_default=True,
    help="Begin at this time: 10m, 2h, 7d, RFC 3339, Unix seconds.",
)


@click.group()
def command() -> None:
    """Check a policy, try it on the log, or suggest a first one."""


@command.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@output_option
def check(files: tuple[Path, ...], output: str) -> None:
    """Check FILES, or the installed policy.

    Prints what deserves a second look.
    """
    policy = _load(files).policy
    hidden = () if files else passed_over(DIRECTORY)
    found = warnings(policy, time.time_ns()) + tuple(
        f"{path}: not read, since its name begins with a dot" for path in hidden
    )
    if output == "json":
        answer = {
            "rules": len(policy.rules),
            "files": policy.files,
            "digest": policy.digest,
            "warnings": found,
        }
        print_json(answer)
        return
    room = width(no_trunc=False)
    for warning in found:
        for line in wrapped(visible(f"warning: {warning}"), room, INDENT):
            click.echo(line)
    if policy.digest is None:
        click.echo(f"no policy is installed in {DIRECTORY}")
        return
    read = f"{counted(len(policy.rules), 'rule')} in {counted(len(policy.files), 'file')}"
    click.echo(f"{read}, sha256 {policy.digest}")


@command.command()
@files_option
@since_option
@output_option
@no_trunc_option
@colour_option
@socket_option
def test(
    files: tuple[Path, ...],
    since: str,
    *,
    output: str,
    no_trunc: bool,
    colour: str,
    socket: Path,
) -> None:
    """Try the policy on the starts of the log.

    Counts them by verdict and reason.
    """
    client = AgentClient(socket)
    trial = PolicyTrial(_load(files).policy, client.document("/v1/changes")["changes"])
    feed(client, since, ("container.start", "container.stop"), trial.feed)
    groups = trial.groups()
    if output == "json":
        for group in groups:
            answer = {
                "expected": group.expected,
                "because": group.because,
                "starts": group.count,
                "examples": group.examples,
            }
            print_json(answer)
        return
    rows = [
        (
            _WORDS[group.expected],
            group.because,
            str(group.count),
            group.examples[0] if group.examples else "-",
        )
        for group in groups
    ]
    room = width(no_trunc=no_trunc)
    if room is None or room >= WIDE:
        print_table(LAYOUT, rows, no_trunc=no_trunc, colour=colour)
    else:
        print_table(NARROW, [row[:-1] for row in rows], no_trunc=no_trunc, colour=colour)
    explained = sum(group.count for group in groups if group.expected)
    click.echo(f"{counted(trial.starts, 'start')} judged, {explained} of them expected")


@command.command()
@click.argument("event")
@files_option
@output_option
@no_trunc_option
@colour_option
@socket_option
def explain(
    event: str,
    files: tuple[Path, ...],
    *,
    output: str,
    no_trunc: bool,
    colour: str,
    socket: Path,
) -> None:
    """Show which rules apply to a start, and why.

    EVENT is an event's id, or a container, whose last start is taken.
    """
    document = _find(AgentClient(socket), event)
    found = answers(_load(files).policy, document)
    if found is None:
        raise click.BadParameter("this is not a start", param_hint="EVENT")
    if output == "json":
        for answer in found:
            shown = {
                "applies": answer.applies,
                "section": answer.rule.section,
                "rule": answer.rule.name,
                "place": answer.rule.place,
                "why": answer.why,
            }
            print_json(shown)
        return
    rows = [
        (
            _WORDS[answer.applies],
            f"{answer.rule.section} {answer.rule.name}",
            answer.rule.place,
            "; ".join(answer.why),
        )
        for answer in found
    ]
    print_table(RULES, rows, no_trunc=no_trunc, colour=colour)
    verdict = document.get("verdict") or {}
    room = width(no_trunc=no_trunc)
    for reason in verdict.get("reasons") or ():
        for line in wrapped(visible(f"recorded verdict: {reason}"), room, INDENT):
            click.echo(line)


@command.command()
@since_option
@socket_option
def suggest(since: str, socket: Path) -> None:
    """Print a first policy from the starts of the log.

    It is for a person to read and edit.
    """
    suggestion = Suggestion()
    feed(AgentClient(socket), since, ("container.start",), suggestion.feed)
    click.echo(suggestion.text(), nl=False)


def _load(files: tuple[Path, ...]) -> LoadedPolicy:
    now = time.time_ns()
    return load_files(files, now) if files else load_policy(DIRECTORY, now)


def feed(
    client: AgentClient,
    since: str,
    types: tuple[str, ...],
    take: Callable[[dict[str, Any]], None],
) -> None:
    """Hand each event of these types in the log since a time to ``take``, in order.

    Its document comes without the evidence.
    """
    collect_seldom()
    query = [("since", unix_seconds(wall_time("since", since))), *(("type", one) for one in types)]
    listing = EventListing(client, query, None, follow=False, read=document_of)
    for _, document in counting(listing.events(), "events read"):
        take(document)


def _find(client: AgentClient, event: str) -> dict[str, Any]:
    try:
        found = client.document(f"/v1/explain/{quote(event, safe='')}")["event"]
    except RequestRefused:
        found = next((one for one in _starts(client) if one.get("id") == event), None)
    if not isinstance(found, dict):
        raise CastoffError(
            f"no start {event!r} is in the log", "Take an id from castoff events -o json."
        )
    return found


def _starts(client: AgentClient) -> Iterator[dict[str, Any]]:
    query = [("since", unix_seconds(wall_time("since", "3650d"))), ("type", "container.start")]
    for _, document in EventListing(client, query, None, follow=False).events():
        yield document
