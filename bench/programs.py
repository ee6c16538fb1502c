"""The small C programs of this directory, compiled when a bench needs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCES = Path(__file__).resolve().parent


def compiled(name: str, directory: Path) -> Path:
    """Compile ``name``.c into ``directory``, statically: it may run in a container too."""
    program = directory / name
    source = SOURCES / f"{name}.c"
    subprocess.run(["gcc", "-O2", "-Wall", "-static", "-o", program, source], check=True)
    return program
