"""``castoff report``: one page for an incident or an auditor."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import click

from sensor.access.survey import survey
from sensor.cli.log_place import (
    config_option,
    log_file,
    log_option,
    policy_digest,
    since_option,
    suppressions,
    until_option,
)
from sensor.cli.period import period
from sensor.errors import StateUnusable
from sensor.report.data import DataFile, Population
from sensor.report.page import Sheet, render
from sensor.report.sources import Sources, worst
from sensor.report.tally import Tally
from sensor.schema.text import visible

_STATES = {
    "whole": "every chain is whole",
    "explained": "the chain has breaks that the node explained",
    "unproven": "nothing proves that the events are whole: they carry no digests",
    "broken": "the evidence is NOT WHOLE",
}


@click.command()
@since_option("Begin at this time")
@until_option("End at this time; now by default")
@click.option("--title", default="Container starts", show_default=True, help="Set the headline.")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    help="Write the page to this file; - for standard output.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write every start that the report counts, as JSON lines.",
)
@click.option(
    "--from",
    "sources",
    type=click.Path(path_type=Path, exists=True, allow_dash=True),
    multiple=True,
    help="Read events of files, exports, directories or - (standard input) instead of the log.",
)
@log_option
@config_option
def command(
    since: str | None,
    until: str | None,
    title: str,
    target: Path,
    data: Path | None,
    sources: tuple[Path, ...],
    log: Path | None,
    config: Path | None,
) -> None:
    """Write one self-contained page: what started, why, who caused it, and what is not explained.

    Reads the log of this node; with --from exports of several nodes, or what a collector returns
    (SELECT event FROM castoff.events FORMAT JSONEachRow). The page has no script and loads nothing.
    Exit code 1 when the evidence is not whole; the page says so first. Needs python3-jinja2 and
    python3-pygal.
    """
    now = time.time_ns()
    path = None if sources and log is None else log_file(log, config, needed=True)
    begin, end = period(since, until)
    tally = Tally(begin, end, now)
    read = Sources(path, sources, begin, end)
    population: Population | None = None
    with contextlib.ExitStack() as stack:
        beside = stack.enter_context(DataFile(data)) if data is not None else None
        for document in read:
            if tally.add(document) and beside is not None:
                beside.add(document)
        tally.finish()
        if beside is not None:
            population = beside.finish()
    access = survey(path, now) if path is not None and log is None else None
    sheet = Sheet(
        title=title,
        tally=tally,
        chains=read.chains,
        population=population,
        access=access,
        query=" ".join(["castoff", *sys.argv[1:]]),
        policy=None if path is None else policy_digest(config),
        suppressions=() if path is None else suppressions(config),
    )
    _write(target, render(sheet))
    sys.exit(0 if _is_whole(sheet, target) else 1)


def _is_whole(sheet: Sheet, target: Path) -> bool:
    """Say what was written, and whether the evidence behind it is whole."""
    broken = [chain for chain in sheet.chains if chain.state == "broken"]
    for chain in broken:
        finding = chain.findings.listed[0]
        click.echo(visible(f"{chain.source}: {finding.what}"), err=True)
    if str(target) != "-":
        hosts = len(sheet.tally.hosts.table.rows)
        starts = sheet.tally.starts.count
        counted = f"{starts} starts on {hosts} {'host' if hosts == 1 else 'hosts'}"
        click.echo(visible(f"{target}: {counted}; {_STATES[worst(sheet.chains)]}"))
    return not broken


def _write(target: Path, page: str) -> None:
    raw = page.encode("utf-8", "replace")
    if str(target) == "-":
        sys.stdout.buffer.write(raw)
        return
    try:
        fresh = target.with_name(f".{target.name}.new")
        fresh.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
            file.write(raw)
        fresh.replace(target)
    except OSError as error:
        problem = f"{target} cannot be written: {error.strerror}"
        raise StateUnusable(problem, "Name a file in a directory that you may write.") from error
