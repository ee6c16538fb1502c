"""Runs verbs of the command line, in this process and in one of their own."""

from __future__ import annotations

import importlib
import os
import subprocess
from pathlib import Path

from click.testing import CliRunner, Result

from tests.api.bridge import Running

CASTOFF = Path(__file__).parents[2] / "bin" / "castoff"


def ask(verb: str, agent: Running, *arguments: str) -> Result:
    """Run a verb in this process."""
    command = importlib.import_module(f"sensor.cli.{verb}").command
    return CliRunner().invoke(command, [*arguments, "--socket", str(agent.path)])


def castoff(
    *arguments: str, socket: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    if socket is not None:
        environment["CASTOFF_SOCKET"] = str(socket)
    return subprocess.run(
        [str(CASTOFF), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=environment | variables,
    )
