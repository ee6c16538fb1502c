"""``castoff status``: how the agent of this node is doing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from sensor.api.client import AgentClient, RequestRefused
from sensor.cli.columns import wrapped
from sensor.cli.options import output_option, socket_option, width
from sensor.cli.outputs import state
from sensor.cli.wording import counted, moment, span

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.api.status import AgentStatus, SourceState


INDENT = 9
"""Columns before what is said of the agent, the probes, a source."""
IMPAIRED = 1
"""Exit code when the sensor itself has a problem."""


def lines(status: AgentStatus) -> list[str]:
    """Return the agent's state for people, one line each."""
    probes = status.probes
    kept = ", kept from an earlier agent" if probes.surviving else ""
    programs = ", ".join(probes.programs) or "detached"
    running = counted(status.containers_running, "container")
    lines = [
        f"agent    castoff {status.version}, pid {status.pid}, up {span(status.uptime_seconds)}",
        f"probes   {probes.fingerprint or 'none'}{kept}: {programs}",
        f"starts   {status.starts} reported, {running} running",
    ]
    lines += [f"problem  {problem}" for problem in status.problems]
    lines += [
        f"source   {source.name}: {source.state}, {_observed(source)}" for source in status.sources
    ]
    lines += [
        f"output   {output.name}: {output.closed or 'open'}, {output.backlog_bytes} bytes waiting,"
        f" {output.dropped} dropped"
        for output in status.outputs
    ]
    lines += [
        f"output   {one.name}: {state(one)}, {one.peer or 'no peer'},"
        f" {counted(one.lag_events, 'event')} behind, {one.delivered} delivered,"
        f" {counted(one.retries, 'retry')}, {counted(one.dead_letters, 'dead letter')}"
        + (f"; {moment(one.last_error_time or '')}: {one.last_error}" if one.last_error else "")
        for one in status.deliveries
    ]
    lost = [drop for drop in status.drops if drop.dropped or drop.limited]
    lines += [
        f"lost     {drop.ring}/{drop.kind}: {drop.dropped} dropped, {drop.limited} beyond a limit"
        for drop in lost
    ]
    if not lost:
        lines.append("lost     nothing since the probes were loaded")
    lines += [f"counter  {name} {number}" for name, number in status.counters if number]
    return lines


def _observed(source: SourceState) -> str:
    """Return how many observations came, and when the last one did where that is known."""
    if not source.observations:
        return "no observations yet"
    last = f", the last at {moment(source.last_seen)}" if source.last_seen is not None else ""
    return f"{counted(source.observations, 'observation')}{last}"


@click.command()
@socket_option
@output_option
@click.option(
    "--alive", is_flag=True, help="Only check that the agent's loop answers; for liveness probes."
)
def command(socket: Path, output: str, *, alive: bool) -> None:
    """Show health, losses and lag of the running agent.

    The exit code is 1 when something is wrong with the sensor itself, 3 when no agent runs.
    """
    if alive:
        # Any answer counts: an agent that lost its probes gains nothing by a restart.
        with contextlib.suppress(RequestRefused):
            AgentClient(socket).get("/healthz")
        return
    status = AgentClient(socket).status()
    if output == "json":
        click.echo(status.to_json(), nl=False)
    else:
        columns = width(no_trunc=False)
        for line in lines(status):
            for part in wrapped(line, columns, INDENT):
                click.echo(part)
    if status.problems:
        raise SystemExit(IMPAIRED)
