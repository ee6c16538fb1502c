"""``castoff probes``: load the probes into the kernel, list what is loaded, unload them."""

from __future__ import annotations

import json
import os
import pwd
import time
from dataclasses import asdict
from pathlib import Path

import click

from sensor.agent.lock import lock_node
from sensor.agent.probe_keys import ProbeKeys, probe_keys
from sensor.bpf import loader, pins
from sensor.bpf.kept_files import KeptFiles
from sensor.bpf.loader import Obtained, Origin
from sensor.cli.options import output_option
from sensor.errors import ConfigError, ProbesAbsent
from sensor.schema.text import visible

_HOW = {
    Origin.ATTACHED: "was attached already",
    Origin.KEPT: "attached from kept programs",
    Origin.COMPILED: "compiled and attached",
}


@click.group()
def command() -> None:
    """Load, show or unload the kernel probes."""


@command.command()
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="Read [sources] of this file."
)
@click.option("--owner", help="Give the probes to this account: an agent that is not root.")
@click.option("--compile", "anew", is_flag=True, help="Do not use the programs that are kept.")
def load(config: Path | None, owner: str | None, *, anew: bool) -> None:
    """Compile and attach the probes.

    Does nothing if they are attached already. Compiled programs are kept in /var/cache/castoff for
    the next boot.
    """
    account = None if owner is None else _account(owner)
    began = time.monotonic()
    keys = _keys(config)
    obtained = loader.obtain(requests=keys.requests, kept=KeptFiles(), anew=anew)
    for problem in _problems(obtained):
        click.echo(visible(f"warning: {problem}"), err=True)
    loaded = obtained.pins
    if account is not None:
        pins.hand_over(pins.PIN_ROOT, account.pw_uid, account.pw_gid)
    took = time.monotonic() - began
    click.echo(
        f"probe set {loaded.fingerprint} {_HOW[obtained.origin]}"
        f" ({', '.join(loaded.links())}) in {took:.2f} s"
    )


def _problems(obtained: Obtained) -> tuple[str, ...]:
    """Return what was wrong with kept programs: the probes are loaded, but at more cost."""
    found = []
    if obtained.refused is not None:
        found.append(f"kept programs are unusable, so the probes were compiled: {obtained.refused}")
    if obtained.unkept is not None:
        found.append(f"the programs are not kept for the next boot: {obtained.unkept}")
    return tuple(found)


def _keys(config: Path | None) -> ProbeKeys:
    """Read the configuration, and warn of a mistake that the agent will refuse."""
    keys = probe_keys(config)
    if keys.mistake is not None:
        click.echo(visible(f"warning: {keys.mistake.problem}"), err=True)
    return keys


def _account(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError as error:
        problem = f"there is no account {name}"
        raise ConfigError(problem, "Create it: systemd-sysusers castoff.conf") from error


@command.command()
@output_option
def status(output: str) -> None:
    """Show which probe sets are in the kernel.

    The exit code is 69 when there are none.
    """
    sets = loader.status()
    if output == "json":
        for loaded in sets:
            click.echo(json.dumps(asdict(loaded), default=str))
    else:
        for loaded in sets:
            state = "current" if loaded.current else "of another version or kernel"
            programs = ", ".join(loaded.programs) or "detached"
            click.echo(
                f"{loaded.fingerprint}  {state}  rings {loaded.lifecycle_mib:g}"
                f" + {loaded.commands_mib:g} MiB  {programs}"
            )
    if not sets:
        problem = "no probes are loaded"
        raise ProbesAbsent(problem, "Load them: castoff probes load")


@command.command()
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="Read run_dir of this file."
)
def unload(config: Path | None) -> None:
    """Detach the probes and drop unread records.

    Refused while an agent reads them.
    """
    held = lock_node(_keys(config).run_dir)
    try:
        count = loader.unload()
    finally:
        os.close(held)
    click.echo(f"{count} probe set{'' if count == 1 else 's'} unloaded")
