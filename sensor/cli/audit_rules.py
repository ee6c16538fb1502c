"""``castoff audit-rules``: the audit rules that this host should have, checked, installed, removed.

Exit codes of ``check``: 0 in force; 1 stale (file or kernel differ from what the host needs);
4 pending a reboot; 5 loaded, but the host's audit records nothing; 6 not installed, or nothing to
watch; 69 no audit within reach.

``install`` and ``uninstall`` end with 0 whatever the kernel said, for the sake of package scripts:
the output has the state. Only the rights (77), the disk (74) and a broken installation (65) fail.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.cli.options import output_option

if TYPE_CHECKING:
    from sensor.audit_rules.host import Host
    from sensor.audit_rules.report import Report

CHECK_EXIT = {
    "in_force": 0,
    "stale": 1,
    "pending_reboot": 4,
    "not_recording": 5,
    "not_installed": 6,
    "nothing_to_watch": 6,
    "unavailable": 69,
}

LINES_MAX = 10
"""Rules shown of each list in the text form."""

_ROOT = click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), default="/", hidden=True
)
_STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default="/var/lib/castoff",
    show_default=True,
    help="Use what an agent with this state directory remembers of installed rules.",
)


@click.group()
def command() -> None:
    """Check, install or remove the audit rules for container commands and engine sockets."""


@command.command()
@output_option
@_ROOT
@_STATE_DIR
def check(output: str, root: Path, state_dir: Path) -> None:
    """Show whether the rules are in force.

    The exit code is 0 when they are, 1 when file or kernel differ from what this host needs, 4 when
    a reboot is pending, 5 when audit records nothing, 6 when nothing is installed or needed, and 69
    without kernel audit.
    """
    from sensor.audit_rules import inspection
    from sensor.audit_rules.auditctl import Auditctl

    found = inspection.check(_host(root, state_dir), Auditctl())
    _show(found, output)
    sys.exit(CHECK_EXIT[found.state])


@command.command()
@click.option("--people", "form", flag_value="people", help="Record what logged-in people run.")
@click.option(
    "--all",
    "form",
    flag_value="all",
    help="Record what all users and services run; costs each task.",
)
@click.option("--refresh", is_flag=True, help="Install only where rules are installed already.")
@output_option
@_ROOT
@_STATE_DIR
def install(*, form: str | None, refresh: bool, output: str, root: Path, state_dir: Path) -> None:
    """Install the rules of this host.

    They are loaded if its audit may be changed.

    Without --people or --all, what is installed is kept; a host without audit rules of its own
    gets the people form, any other the form for all.
    """
    from sensor.audit_rules.auditctl import Auditctl
    from sensor.audit_rules.installer import Installer
    from sensor.audit_rules.template import Form

    installer = Installer(_host(root, state_dir), Auditctl())
    if refresh:
        _show(installer.refresh(), output)
    else:
        _show(installer.install(None if form is None else Form(form)), output)


@command.command()
@output_option
@_ROOT
@_STATE_DIR
def uninstall(output: str, root: Path, state_dir: Path) -> None:
    """Remove Castoff's rules, and leave all others."""
    from sensor.audit_rules.auditctl import Auditctl
    from sensor.audit_rules.installer import Installer

    _show(Installer(_host(root, state_dir), Auditctl()).uninstall(), output)


def _host(root: Path, state_dir: Path) -> Host:
    from sensor.audit_rules.host import Host

    return Host(root=root, rules_d=root / "etc/audit/rules.d", state_dir=state_dir)


def _show(report: Report, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(asdict(report)))
        return
    form = f", {report.form} form" if report.form else ""
    count = f", {report.rules} rules" if report.rules else ""
    click.echo(f"{report.state.replace('_', ' ')}{form}{count}: {report.path}")
    lists = (
        ("missing in the kernel", report.missing),
        ("not needed here", report.surplus),
        ("dead, directory replaced", report.dead),
        ("re-created, followed", report.recreated),
    )
    for title, entries in lists:
        for entry in entries[:LINES_MAX]:
            click.echo(f"  {title}: {entry}")
        if len(entries) > LINES_MAX:
            click.echo(f"  {title}: {len(entries) - LINES_MAX} more")
    for note in report.notes:
        click.echo(f"  {note}")
