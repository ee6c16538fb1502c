"""``castoff run``: the agent in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from sensor.agent import AgentSettings
from sensor.cli import foreground
from sensor.witnesses import WitnessSettings


@click.command()
@click.option(
    "--output",
    type=click.Choice(["-", "table"]),
    default="table",
    show_default=True,
    help="'-': one JSON document a line; table: for people. Both on standard output.",
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
@click.option(
    "--audit",
    default="netlink",
    show_default=True,
    help="Audit records from: netlink, - (standard input, as an audisp plugin), a log file, off.",
)
@click.option("--engines/--no-engines", default=True, help="Listen to the engines' own events.")
@click.option("--quiet", is_flag=True, help="Only warnings on standard error.")
def command(
    output: str, state_dir: Path, socket: Path, audit: str, *, engines: bool, quiet: bool
) -> None:
    """Report container starts as they happen, until interrupted.

    Loads the probes when they are not there. They stay when the agent ends: what happens until the
    next run is reported then.
    """
    settings = AgentSettings(
        state_dir=state_dir,
        socket=socket,
        witnesses=WitnessSettings(audit=audit, engines=engines),
    )
    foreground.run(settings, output, quiet=quiet)
