"""``castoff baseline``: what this node has learnt, and what a fleet knows."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensor.agent import baseline_file
from sensor.agent.policy_files import DIRECTORY
from sensor.api.client import AgentClient, RequestRefused
from sensor.cli.answer import Style, print_done, print_json, print_list
from sensor.cli.columns import Layout, ago
from sensor.cli.options import colour_option, no_trunc_option, output_option, socket_option
from sensor.errors import CastoffError, ConfigError
from sensor.schema.text import visible
from sensor.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

PERSON, ORGANISATION = "login ", "organisation"
INITIATOR, PRIVILEGE = "initiator", "privilege"
NODE = "node"
JSON = "json"
LAYOUT = Layout(
    header=("FEATURE", "VALUE", "OF", "STARTS", "DAYS", "LAST"),
    flexible=frozenset({"VALUE", "OF"}),
    expendable=("DAYS", "STARTS"),
)
"""STARTS are weighted: each counts half after 30 days. Of the node they are days."""
NS_PER_SECOND = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_SECOND


@click.group()
def command() -> None:
    """Show what this node has learnt; export, merge, import it."""


@command.command()
@click.argument("workload", required=False)
@output_option
@no_trunc_option
@colour_option
@socket_option
def show(workload: str | None, output: str, socket: Path, *, no_trunc: bool, colour: str) -> None:
    """Show what is known of WORKLOAD, of an image, or of the node.

    Starts are weighted: each counts half after 30 days. The node counts days instead.
    """
    found = AgentClient(socket).document("/v1/baseline?logins=1")
    wanted = ("",) if workload in (None, NODE) else (f"w/{workload}", f"i/{workload}", workload)
    rows = [
        one
        for one in found["rows"]
        if one["profile"] in wanted or one["profile"].startswith(f"w/{workload}#")
    ]
    if not rows and workload is not None:
        raise CastoffError(f"nothing is known of {workload!r}", _nearest(found["rows"], workload))
    if workload is None and output != "json":
        click.echo(visible(_summary(found.get("header") or {})))
    print_list(rows, LAYOUT, _row, Style(output, no_trunc, colour))


@command.command()
@output_option
@no_trunc_option
@colour_option
@socket_option
def review(output: str, socket: Path, *, no_trunc: bool, colour: str) -> None:
    """Show what deserves a look: privileges, people, registries.

    To remove what does not belong here, use castoff baseline forget.
    """
    found = AgentClient(socket).document("/v1/baseline?logins=1")
    rows = [
        one
        for one in found["rows"]
        if (one["feature"] == PRIVILEGE and not one["profile"].startswith("i/"))
        or (one["feature"] == INITIATOR and one["value"].startswith(PERSON) and not one["profile"])
        or (one["feature"] == ORGANISATION and not one["profile"])
    ]
    order = (PRIVILEGE, INITIATOR, ORGANISATION)
    rows.sort(key=lambda one: (order.index(one["feature"]), one["value"], one["profile"]))
    if not rows and output != "json":
        click.echo("nothing that deserves a look was learnt")
        return
    print_list(rows, LAYOUT, _row, Style(output, no_trunc, colour))


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--logins", is_flag=True, help="Include the names of people.")
@output_option
@socket_option
def export(file: Path | None, *, logins: bool, output: str, socket: Path) -> None:
    """Write what this node has learnt to FILE, or print it.

    The first line is a header; each other line is a row. All are JSON.
    """
    found = AgentClient(socket).document(f"/v1/baseline?logins={int(logins)}")
    lines = [json.dumps(one, separators=(",", ":")) for one in (found["header"], *found["rows"])]
    _write(file, lines)
    if file is not None and output == JSON:
        print_json({"file": str(file), "rows": len(found["rows"])})


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "target",
    type=click.Path(path_type=Path),
    help="Write to this file. json: print, as without it. [default: print]",
)
def merge(files: tuple[Path, ...], target: Path | None) -> None:
    """Merge exports of hosts to the file of a fleet.

    If a host has several exports, the newest counts.
    """
    # Elsewhere -o names a form, and the form of a fleet's file is JSON.
    printed = target is None or target == Path(JSON)
    _write(None if printed else target, list(baseline_file.merge(files)))


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=DIRECTORY,
    show_default=True,
    help="Write beside the policy of this directory.",
)
@output_option
def import_(file: Path, directory: Path, output: str) -> None:
    """Use FILE, the merged baseline of a fleet. For root.

    The agent takes it over at its next start or reload, in place of the one before.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(baseline_file.FILE_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}", "Check the path.") from error
    hosts, origin = baseline_file.read_fleet(data, file)
    fresh = directory / f".{baseline_file.NAME}.new"
    try:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        handle = os.open(fresh, flags, 0o644)
        with os.fdopen(handle, "wb") as written:
            written.write(data)
        fresh.replace(directory / baseline_file.NAME)
    except OSError as error:
        raise ConfigError(f"{directory}: {error.strerror}", "Run as root.") from error
    sentence = f"{len(hosts)} values of {origin}; reload the agent to use them"
    print_done({"values": len(hosts), "origin": origin}, output, sentence)


@command.command()
@click.argument("profile", required=False)
@click.option("--feature", help="Forget of the node: initiator, privilege, organisation, …")
@click.option("--value", help="Forget this value.")
@output_option
@socket_option
def forget(
    profile: str | None, feature: str | None, value: str | None, output: str, socket: Path
) -> None:
    """Forget a profile, or one value of the node. For root.

    PROFILE is w/WORKLOAD or i/REPOSITORY.
    """
    if (profile is None) == (feature is None or value is None):
        message = "give PROFILE, or --feature and --value"
        raise click.UsageError(message)
    body = {"profile": profile} if profile else {"feature": feature, "value": value}
    try:
        answer = AgentClient(socket).post("/v1/baseline/forget", body)
    except RequestRefused as error:
        if error.status is not HTTPStatus.NOT_FOUND:
            raise
        problem = f"nothing is known of {profile or f'{feature} {value}'!r}"
        raise CastoffError(problem, "See castoff baseline show, and review.") from None
    print_done(answer, output, f"forgotten: {profile or f'{feature} {value}'}")


def _nearest(rows: list[dict[str, Any]], workload: str) -> str:
    alike = nearest(workload, {one["profile"][2:]: None for one in rows if one["profile"]})
    return f"Did you mean {alike}?" if alike else "See them all: castoff baseline export."


def _summary(header: Mapping[str, Any]) -> str:
    starts, since = header.get("starts") or 0, header.get("from")
    known = f"{starts} starts since {since}" if since is not None else "nothing learnt yet"
    fleet = header.get("fleet") or "not imported"
    return f"{header.get('phase') or 'unknown phase'}, {known}; fleet: {fleet}"


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(one["feature"]),
        str(one["value"]),
        str(one["profile"] or NODE),
        f"{one['starts']:.0f}",
        str(int(one["days"]).bit_count()),
        _last(one, time.time_ns()),
    )


def _last(one: Mapping[str, Any], now: int) -> str:
    """Return when a value was seen last: of the node the day alone is known."""
    last = int(one["last"]) * NS_PER_SECOND
    if not one["profile"] and last // NS_PER_DAY == now // NS_PER_DAY:
        return "today"
    return ago(last, now)


def _write(target: Path | None, lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if target is None:
        sys.stdout.write(text)
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CastoffError(f"{target}: {error.strerror}", "Choose another place.") from error
