"""``castoff baseline``: what this node has learnt, and what a fleet knows."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from sensor.agent import baseline_file
from sensor.agent.policy_files import DIRECTORY
from sensor.api.client import AgentClient
from sensor.cli.answer import print_done, print_json
from sensor.cli.options import output_option, socket_option
from sensor.errors import CastoffError, ConfigError
from sensor.schema.text import visible

PERSON, ORGANISATION = "login ", "organisation"
NODE = "node"
PRIVILEGE = "privilege"


@click.group()
def command() -> None:
    """Show what this node has learnt; export, merge, import it."""


@command.command()
@click.argument("workload", required=False)
@output_option
@socket_option
def show(workload: str | None, output: str, socket: Path) -> None:
    """Show what is known of WORKLOAD, of an image, or of the node."""
    found = AgentClient(socket).document("/v1/baseline?logins=1")
    wanted = ("",) if workload in (None, NODE) else (f"w/{workload}", f"i/{workload}", workload)
    rows = [
        one
        for one in found["rows"]
        if one["profile"] in wanted or one["profile"].startswith(f"w/{workload}#")
    ]
    if not rows and workload is not None:
        raise CastoffError(f"nothing is known of {workload!r}", "See castoff baseline export.")
    if workload is None and output != "json":
        header = found.get("header") or {}
        click.echo(
            visible(
                f"{header.get('phase')}, {header.get('starts')} starts since"
                f" {header.get('from')}; fleet: {header.get('fleet') or 'not imported'}"
            )
        )
    _print(rows, output)


@command.command()
@output_option
@socket_option
def review(output: str, socket: Path) -> None:
    """Show what was learnt and deserves a look: privileges, people, registries."""
    found = AgentClient(socket).document("/v1/baseline?logins=1")
    rows = [
        one
        for one in found["rows"]
        if one["feature"] == PRIVILEGE
        or one["value"].startswith(PERSON)
        or (one["feature"] == ORGANISATION and not one["profile"])
    ]
    rows.sort(key=lambda one: (one["feature"], one["value"], one["profile"]))
    _print(rows, output)


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--logins", is_flag=True, help="With the names of people.")
@socket_option
def export(file: Path | None, *, logins: bool, socket: Path) -> None:
    """Write what this node has learnt to FILE, or print it: a header, and one row a line."""
    found = AgentClient(socket).document(f"/v1/baseline?logins={int(logins)}")
    lines = [json.dumps(one, separators=(",", ":")) for one in (found["header"], *found["rows"])]
    _write(file, lines)


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "target", type=click.Path(path_type=Path), help="Where to. [default: print]")
def merge(files: tuple[Path, ...], target: Path | None) -> None:
    """Merge exports to the file of a fleet: the newest of each host, once."""
    _write(target, list(baseline_file.merge(files)))


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=DIRECTORY,
    show_default=True,
    help="Where the policy is.",
)
def import_(file: Path, directory: Path) -> None:
    """Put FILE, which castoff baseline merge wrote, beside the policy. For root.

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
    click.echo(visible(f"{len(hosts)} values of {origin}; reload the agent to use them"))


@command.command()
@click.argument("profile", required=False)
@click.option("--feature", help="Of the node: initiator, privilege, organisation, …")
@click.option("--value", help="The value to forget.")
@output_option
@socket_option
def forget(
    profile: str | None, feature: str | None, value: str | None, output: str, socket: Path
) -> None:
    """Forget a PROFILE (w/WORKLOAD, i/REPOSITORY), or one value of the node. For root."""
    if (profile is None) == (feature is None or value is None):
        message = "give PROFILE, or --feature and --value"
        raise click.UsageError(message)
    body = {"profile": profile} if profile else {"feature": feature, "value": value}
    answer = AgentClient(socket).post("/v1/baseline/forget", body)
    print_done(answer, output, f"forgotten: {profile or f'{feature} {value}'}")


def _print(rows: list[dict[str, Any]], output: str) -> None:
    for one in rows:
        if output == "json":
            print_json(one)
            continue
        whose = one["profile"] or NODE
        days = int(one["days"]).bit_count()
        text = f"{whose}  {one['feature']}: {one['value']}  ({one['starts']:g} starts, {days} days)"
        click.echo(visible(text))


def _write(target: Path | None, lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if target is None:
        sys.stdout.write(text)
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CastoffError(f"{target}: {error.strerror}", "Choose another place.") from error
