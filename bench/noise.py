"""Programs of one plain user that execute themselves in a loop, as fast as they can."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.programs import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

UID = 6001
EACH = 4
"""Processes of each name: as many as it takes to be given most of the processors' time."""


@dataclass(slots=True)
class Noise:
    """What the programs did, once they have ended."""

    execs: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Their execs a second."""
        return self.execs / max(self.seconds, 1e-9)


@contextmanager
def noise(
    programs: Path, directory: Path, lines: Mapping[str, tuple[str, ...]], seconds: int
) -> Iterator[Noise]:
    """Make noise for so many seconds; leaves when both the body and the noise are over.

    ``lines`` has what each program is called, and its arguments. ``directory`` is made for them.
    """
    directory.mkdir(mode=0o755)
    found = Noise()
    source = compiled("flood", programs)
    running: list[subprocess.Popen[str]] = []
    began = time.monotonic()
    for name, words in lines.items():
        program = directory / name
        program.write_bytes(source.read_bytes())
        program.chmod(0o755)
        argv = [str(program), str(UID), str(seconds), *words]
        running += [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(EACH)]
    try:
        yield found
    finally:
        for process in running:
            output, _ = process.communicate()
            found.execs += int(output or 0)
        found.seconds = min(time.monotonic() - began, float(seconds))
