"""The ``castoff`` command: one file a verb, loaded when it runs.

Exit codes: 0 done; 1 failed; 2 wrong usage; those of ``sensor.errors`` for what Castoff itself
refuses.
"""

from __future__ import annotations

import importlib
import sys

import click

import sensor
from sensor.errors import CastoffError

VERBS = (
    "run",
    "events",
    "explain",
    "containers",
    "whois",
    "status",
    "outputs",
    "coverage",
    "doctor",
    "selftest",
    "probes",
    "rules",
    "record",
    "replay",
    "completion",
)


class _Verbs(click.Group):
    """Finds each verb in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"sensor.cli.{cmd_name}").command
        return command


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sensor.__version__, prog_name="castoff")
def castoff() -> None:
    """Tell which container started on this node, what it is, and who or what caused it."""


def main() -> None:
    """Run the command line; a :class:`CastoffError` becomes two lines and its exit code."""
    try:
        castoff(prog_name="castoff")
    except CastoffError as error:
        click.echo(f"castoff: {error.problem}", err=True)
        click.echo(f"         {error.fix}", err=True)
        sys.exit(error.exit_code)
