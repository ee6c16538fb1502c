"""``castoff probes``: bring the probes into the kernel, tell what is there, take them out."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import click

from sensor.agent.config import Config
from sensor.agent.lock import lock_node
from sensor.bpf import loader
from sensor.errors import ProbesAbsent


@click.group()
def command() -> None:
    """Load, show or unload the kernel probes."""


@command.command()
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="For [sources].")
def load(config: Path | None) -> None:
    """Compile the probes and attach them; nothing happens when they are already."""
    began = time.monotonic()
    loaded = loader.load(requests=Config.load(config).sources.requests)
    took = time.monotonic() - began
    click.echo(
        f"probe set {loaded.fingerprint} attached ({', '.join(loaded.links())}) in {took:.2f} s"
    )


@command.command()
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table")
def status(output: str) -> None:
    """Tell which probe sets are in the kernel; exit code 69 when there is none."""
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
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="For its run_dir.")
def unload(config: Path | None) -> None:
    """Detach the probes and drop unread records; refused while an agent reads them."""
    held = lock_node(Config.load(config).agent.run_dir)
    try:
        count = loader.unload()
    finally:
        os.close(held)
    click.echo(f"{count} probe set{'' if count == 1 else 's'} unloaded")
