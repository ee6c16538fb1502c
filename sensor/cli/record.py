"""``castoff record``: keep what the sources see."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from sensor.cli import foreground, settings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--output",
    type=click.Choice(["-", "table"]),
    default=None,
    help="Also print the events.",
)
@settings.options
def command(
    file: Path,
    output: str | None,
    config: Path | None,
    state_dir: Path | None,
    socket: Path | None,
    audit: str | None,
    *,
    engines: bool,
) -> None:
    """Run the agent and write every observation to FILE, until interrupted.

    FILE must not exist. It holds command lines as they were typed: treat it as a secret.
    """
    reread = partial(settings.of, config, state_dir, socket, audit, engines=engines, capture=file)
    foreground.run(reread(), output, reread)
