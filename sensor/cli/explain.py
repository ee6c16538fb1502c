"""``castoff explain CONTAINER``: who or what caused its last start, as a tree with the evidence."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from sensor.api.causes import CauseStep
from sensor.api.client import AgentClient, RequestRefused
from sensor.cli.answer import print_json
from sensor.cli.columns import ago
from sensor.cli.completion import ContainerName
from sensor.cli.options import (
    colour_option,
    coloured,
    no_trunc_option,
    output_option,
    socket_option,
    width,
)
from sensor.cli.reading import event_of, nanoseconds
from sensor.cli.tree import TreeStyle
from sensor.cli.wording import start_phrase
from sensor.model.vocabulary import Confidence, EventType
from sensor.schema.text import fit, visible

if TYPE_CHECKING:
    from pathlib import Path

HEADING_LEAST = 70
"""Columns of the lines above the tree on any terminal: a whole id has 64."""

SHORT_ID = 12
_ALWAYS = frozenset({"container", "trigger", "initiator"})
"""Confidences that are shown even if they are ``none``: not each container has a pod or owner."""
SECONDS_SHOWN = 23
"""Characters of a time of RFC 3339 up to its milliseconds."""


@click.command()
@click.argument("container", type=ContainerName())
@click.option("--ascii", "plain", is_flag=True, help="Draw with ASCII only.")
@output_option
@no_trunc_option
@colour_option
@socket_option
def command(
    container: str, *, plain: bool, output: str, no_trunc: bool, colour: str, socket: Path
) -> None:
    """Draw the chain of causes of the last start of CONTAINER.

    CONTAINER is an id, a name, a pod (POD or NAMESPACE/POD), a workload (NAME or KIND/NAME), or
    the beginning of an id or of a name. A pod or workload means its container that started last.
    """
    client = AgentClient(socket)
    try:
        answer = client.document(f"/v1/explain/{quote(container, safe='')}")
    except RequestRefused as refused:
        for candidate in refused.answer.get("candidates", ()):
            click.echo(visible(f"{candidate['id']}  {candidate['name'] or '-'}"), err=True)
        raise
    if output == "json":
        print_json(answer)
        return
    painted = coloured(colour)
    room = width(no_trunc=no_trunc)
    tree = TreeStyle(room, painted, unicode=not plain and _unicode())
    steps = [CauseStep.from_document(one) for one in answer["steps"]]
    event = answer["event"]
    for line in (
        *_heading(event, room, answer.get("inferred_type")),
        "",
        *tree.lines(steps),
        *_verdict(event, room),
    ):
        click.echo(line, color=painted)
    others = answer.get("others") or ()
    if others:
        click.echo("")
        click.echo(f"{len(others)} more of {visible(container)}:")
    for one in others:
        path = (one.get("namespace"), one["pod"])
        pod = "/".join(part for part in path if part) or "-"
        click.echo(visible(f"  {one['id'][:SHORT_ID]}  {pod}  {one['name'] or '-'}"))


def _heading(event: dict[str, Any], room: int | None, inferred: str | None) -> list[str]:
    container = event["container"]
    image = (container.get("image") or {}).get("name")
    name = container.get("name")
    type_ = (event.get("orchestrator") or {}).get("container_type")
    if type_ is None and inferred is not None:
        type_ = f"{inferred}, inferred"
    called = f"container {name or container['id']}" + (f" ({type_})" if type_ else "")
    what = [called, image, container.get("runtime")]
    when = event["time"] or ""
    since = ago(nanoseconds(when), time.time_ns())
    sure = ", ".join(
        f"{of} {how}"
        for of, how in event["confidence"].items()
        if how != Confidence.NONE or of in _ALWAYS
    )
    lines = [", ".join(part for part in what if part)]
    if name:
        lines.append(f"id {container['id']}")
    lines.append(_start(event))
    lines.append(f"at {when[:SECONDS_SHOWN].replace('T', ' ')} UTC, {since}")
    lines.append(f"confidence: {sure}")
    shown = [visible(line) for line in lines]
    if room is None:
        return shown
    return [fit(line, max(room, HEADING_LEAST)).rstrip() for line in shown]


def _verdict(event: dict[str, Any], room: int | None) -> list[str]:
    """Return whether the start was expected and why, below the tree."""
    verdict = event.get("verdict")
    if event["type"] != EventType.START or not isinstance(verdict, dict):
        return []
    expected, explanation = verdict.get("expected"), verdict.get("explanation")
    if expected:
        head = f"expected: yes, by {(explanation or 'policy').replace('_', ' ')}"
    elif expected is False:
        head = f"expected: no: {', '.join(verdict.get('findings') or ())}"
    else:
        head = "expected: unknown, without an explanation"
    lines = ["", head, *(f"  {reason}" for reason in verdict.get("reasons") or ())]
    if workload := verdict.get("workload"):
        lines.append(f"  workload {workload}")
    shown = [visible(line) for line in lines]
    return (
        shown if room is None else [fit(line, max(room, HEADING_LEAST)).rstrip() for line in shown]
    )


def _start(event: dict[str, Any]) -> str:
    read = event_of(event)
    phrase = "start" if read is None or read.start is None else start_phrase(read.start)
    if event["type"] != EventType.START_FAILED:
        return phrase
    stop = event.get("stop") or {}
    reason = stop.get("message") or stop.get("reason")
    return f"{phrase} failed: {reason}" if reason else f"{phrase} failed"


def _unicode() -> bool:
    """Return whether standard output can show more than ASCII."""
    try:
        "└│·".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
