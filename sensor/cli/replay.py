"""``castoff replay``: run a capture through the pipeline again."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import click

from sensor.agent.config import Config
from sensor.agent.parsers import parsers
from sensor.agent.policy_files import load_files
from sensor.agent.replayer import Replayer
from sensor.cli.rendering import renderer
from sensor.sources.capture import open_capture


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--output",
    type=click.Choice(["-", "table"]),
    default="-",
    show_default=True,
    help="Print -: one JSON document a line; table: lines for people.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take the cgroup patterns from this file.",
)
@click.option(
    "--policy",
    "policies",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="Judge the starts by this policy file. May be repeated.",
)
@click.option("--cut", is_flag=True, help="Accept a capture whose last entry is incomplete.")
def command(
    file: Path, output: str, config: Path | None, policies: tuple[Path, ...], *, cut: bool
) -> None:
    """Print the events that the observations in FILE lead to.

    Needs no rights and no engine: the same capture gives the same bytes on any machine.
    """
    policy = load_files(policies, time.time_ns()).policy if policies else None
    replayer = Replayer(parsers(Config.load(config).identity.cgroup_patterns), policy)
    render, head = renderer(output)
    out = sys.stdout.buffer
    try:
        out.write(head)
        with open_capture(file, tolerate_cut=cut) as capture:
            for arrival in capture:
                for event in replayer.feed(arrival.now, arrival.observations):
                    out.write(render(event))
            if capture.cut:
                click.echo(f"castoff: {file} ends in the middle of an entry", err=True)
        out.flush()
    except BrokenPipeError:
        # The reader has seen enough; the interpreter must not complain at exit either.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
