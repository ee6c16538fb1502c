"""``castoff record``: keep what the sources see."""

from __future__ import annotations

from pathlib import Path

import click

from sensor.agent import AgentSettings
from sensor.cli import foreground


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--output",
    type=click.Choice(["-", "table"]),
    default=None,
    help="Also print the events.",
)
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/castoff"),
    show_default=True,
    help="What the agent remembers between runs.",
)
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    default=Path("/run/castoff/castoff.sock"),
    show_default=True,
    envvar="CASTOFF_SOCKET",
    help="Where it answers questions.",
)
def command(file: Path, output: str | None, state_dir: Path, socket: Path) -> None:
    """Run the agent and write every observation to FILE, until interrupted.

    FILE must not exist. It holds command lines as they were typed: treat it as a secret.
    """
    settings = AgentSettings(state_dir=state_dir, socket=socket, capture=file)
    foreground.run(settings, output, quiet=False)
