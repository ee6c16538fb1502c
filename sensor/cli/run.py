"""``castoff run``: the agent in the foreground."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from sensor.cli import foreground, settings

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option(
    "--output",
    type=click.Choice(["-", "table", "none"]),
    default="table",
    show_default=True,
    help="Print -: one JSON document a line; table: lines for people; none: nothing.",
)
@settings.options
@click.option(
    "--check-config",
    is_flag=True,
    help="Check the configuration and exit: 0, or 78 when it is invalid.",
)
@click.option("--quiet", is_flag=True, help="Print only warnings and errors on standard error.")
def command(
    output: str,
    config: Path | None,
    state_dir: Path | None,
    socket: Path | None,
    audit: str | None,
    *,
    engines: bool,
    check_config: bool,
    quiet: bool,
) -> None:
    """Report container starts as they happen, until interrupted.

    Loads the probes if they are missing. They stay when the agent ends, and the next run reports
    what they recorded meanwhile. SIGHUP reads the configuration again.
    """
    reread = partial(settings.of, config, state_dir, socket, audit, engines=engines, quiet=quiet)
    wanted = reread()
    if check_config:
        settings.check(wanted)
        click.echo("the configuration is valid")
        return
    foreground.run(wanted, None if output == "none" else output, reread)
