"""``castoff verify``: the log's chain of digests, alone and against what was shipped."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.cli.log_place import config_option, log_file, log_option, since_option
from sensor.cli.options import output_option
from sensor.cli.period import period
from sensor.cli.wording import counted
from sensor.evidence.check import verify
from sensor.schema.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.evidence.verdict import Discrepancy, LogChecked, Verification

LOGS_NAMED = 3
"""Ids of logs in the line of a file that was shipped; the rest is counted."""

_BEGINS = {
    "begun": "the chain begins with the first event of the log",
    "upgraded": "the chain begins where the log got one; no digest covers what is older",
    "retention": "older events were dropped by age or size",
    "salvaged": "the chain begins behind a damaged file",
}


@click.command()
@since_option("Check from there on")
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="Compare with shipped events: a file, an export, a directory of files.",
)
@log_option
@config_option
@output_option
def command(
    since: str | None,
    against: tuple[Path, ...],
    log: Path | None,
    config: Path | None,
    output: str,
) -> None:
    """Compute the log's chain of digests and name the first event that is missing or changed.

    With --against, compare with events that left the node: exports, files of an output, or what a
    collector returns as one JSON document a line. That works without a log, too. Exit code 1 when
    something is wrong that the node did not explain when it happened.
    """
    path = log_file(log, config, needed=not against)
    verdict = verify(path, period(since, None)[0], against)
    if output == "json":
        click.echo(json.dumps({**asdict(verdict), "sound": verdict.is_sound}))
    else:
        for line in _lines(verdict):
            click.echo(visible(line))
    sys.exit(0 if verdict.is_sound else 1)


def _lines(verdict: Verification) -> Iterator[str]:
    if verdict.log is not None:
        yield from _log(verdict.log)
    for shipped in verdict.shipped:
        logs = ", ".join(shipped.logs[:LOGS_NAMED])
        others = len(shipped.logs[LOGS_NAMED:])
        more = f" and {others} more" if others else ""
        of = f" of log {logs}{more}" if logs else ""
        yield f"{shipped.path}: {counted(shipped.events, 'event')}{of}"
        if shipped.chained:
            yield f"    {shipped.chained} digests computed from it alone"
        if shipped.without_place:
            yield f"    {shipped.without_place} lines without a place in a log: not checked"
    if verdict.log is not None and verdict.shipped:
        yield f"compared with the log: {verdict.compared} events, {verdict.heads} heads"
    yield from _conclusion(verdict)


def _conclusion(verdict: Verification) -> Iterator[str]:
    findings = verdict.findings
    for finding in findings.listed:
        yield _finding(finding)
    if findings.count > len(findings.listed):
        yield f"and {findings.count - len(findings.listed)} more"
    if findings.count == 0 and not _has_events(verdict):
        yield "nothing to check: there are no events"
    elif findings.count == 0:
        yield "sound: nothing is missing and nothing was changed"
    elif verdict.is_sound:
        yield f"sound but for {counted(findings.count, 'break')} that the node explained"
    else:
        yield f"NOT SOUND: {counted(findings.unexplained, 'finding')} without an explanation"


def _has_events(verdict: Verification) -> bool:
    log = verdict.log is not None and verdict.log.first is not None
    return log or any(one.events for one in verdict.shipped)


def _log(checked: LogChecked) -> Iterator[str]:
    if checked.first is None:
        yield f"{checked.path}: log {checked.log_id}, no event of the chain"
    else:
        yield (
            f"{checked.path}: log {checked.log_id}, events {checked.first} to {checked.last},"
            f" head {checked.digest}"
        )
    if checked.begins is not None:
        yield f"    {_BEGINS[checked.begins]}"
    if checked.outside:
        yield f"    {checked.outside} events from before the chain: no digest covers them"


def _finding(finding: Discrepancy) -> str:
    place = ""
    if finding.first is not None:
        place = f", number {finding.first}"
        if finding.last not in {None, finding.first}:
            place = f", numbers {finding.first} to {finding.last}"
    explained = "" if finding.explained is None else f" (explained: {finding.explained})"
    return f"{finding.where}{place}: {finding.what}{explained}"
