"""The ``castoff`` command: one file a verb, loaded when it runs.

Exit codes: 0 done; 1 failed; 2 wrong usage; those of ``sensor.errors`` for what Castoff itself
refuses.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

import click

import sensor
from sensor.errors import CastoffError
from sensor.optional_packages import package_missing
from sensor.spelling import nearest

if TYPE_CHECKING:
    from sensor.optional_packages import PackageMissing

SECTIONS = {
    "See what starts": {
        "run": "Run the agent in the foreground.",
        "events": "List events of the log; -f follows new ones.",
        "explain": "Show who or what caused a container's last start, as a tree.",
        "containers": "List the containers of this node.",
        "whois": "Show the container that a process belongs to.",
    },
    "Trust the sensor": {
        "status": "Show health, losses and lag of the running agent.",
        "doctor": "Check what this host allows; show each fix.",
        "selftest": "Start a harmless container and check that it is reported.",
        "coverage": "Compare what each source saw of each start.",
        "outputs": "List outputs; ship events again.",
    },
    "Judge starts": {
        "alerts": "List alerts; acknowledge, suppress, follow them.",
        "policy": "Check a policy, try it on the log, suggest one.",
        "change": "Record and list approved changes.",
        "baseline": "Show what this node has learnt; export, merge, import it.",
    },
    "Prove and report": {
        "verify": "Prove that no event of the log is missing or changed.",
        "export": "Write the events of a period, with proof.",
        "report": "Write one page for an incident or an auditor.",
        "access": "List who can start containers here, and who did.",
        "salvage": "Print the events of a damaged log.",
    },
    "Set up and try": {
        "probes": "Load, show or unload the kernel probes.",
        "audit-rules": "Check, install or remove the audit rules.",
        "normalize": "Print the events that control-plane records lead to.",
        "record": "Write all observations to a file.",
        "replay": "Print the events of a recorded file.",
        "completion": "Print the completion script for bash, zsh or fish.",
    },
}
"""Verbs by what people want, each in less than a line of a narrow terminal."""

VERBS = {verb: what for verbs in SECTIONS.values() for verb, what in verbs.items()}

RENAMED = {"rules": "audit-rules"}
"""Verbs of earlier versions, and their names now."""


class _Verbs(click.Group):
    """Finds each verb in the module of its name."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(
        self,
        _ctx: click.Context,
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name in RENAMED:
            raise click.UsageError(f"{cmd_name} was renamed: castoff {RENAMED[cmd_name]}")
        if cmd_name not in VERBS:
            alike = nearest(cmd_name, VERBS)
            meant = f" Did you mean castoff {alike}?" if alike else ""
            raise click.UsageError(f"castoff has no command {cmd_name}.{meant}")
        module = f"sensor.cli.{cmd_name.replace('-', '_')}"
        try:
            command: click.Command = importlib.import_module(module).command
        except ModuleNotFoundError as error:
            return _absent(cmd_name, package_missing(error, f"castoff {cmd_name}"))
        return command

    def format_commands(
        self,
        _ctx: click.Context,
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list without loading the verbs."""
        width = max(map(len, VERBS))
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(verb.ljust(width), what) for verb, what in verbs.items()])


def _absent(verb: str, error: PackageMissing) -> click.Command:
    """Return a command that raises the error whatever its words are; completion goes on."""

    def refuse() -> None:
        raise error

    return click.Command(
        verb,
        callback=refuse,
        params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED, expose_value=False)],
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
        help=VERBS[verb],
    )


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sensor.__version__, prog_name="castoff")
def castoff() -> None:
    """Show which container started on this node, what it is, and who or what caused it."""


def main() -> None:
    """Run the command line; a :class:`CastoffError` becomes two lines and its exit code."""
    try:
        castoff(prog_name="castoff")
    except CastoffError as error:
        if not _journalled(error):
            click.echo(f"castoff: {error.problem}", err=True)
            click.echo(f"    fix: {error.fix}", err=True)
        sys.exit(error.exit_code)


def _journalled(error: CastoffError) -> bool:
    """Send the error of a service to the journal, its fix and exit status in fields."""
    if "JOURNAL_STREAM" not in os.environ:
        return False
    from sensor.linux import journal

    return journal.is_stderr(os.environ) and journal.send(
        {
            "MESSAGE": f"{error.problem} Fix: {error.fix}",
            "PRIORITY": str(journal.ERROR),
            "SYSLOG_IDENTIFIER": "castoff",
            "CASTOFF_FIX": error.fix,
            "CASTOFF_EXIT_STATUS": str(error.exit_code),
        }
    )
