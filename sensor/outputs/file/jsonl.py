"""``type = "jsonl"``: events as lines of a file, acknowledged when they are synced to disk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.outputs.delivery import BatchLimits, ConnectionStatus, Delivered, Rejection, Retry
from sensor.outputs.file.diskthread import DiskThread
from sensor.outputs.file.linefile import LineFile, Rotation
from sensor.outputs.registry import OutputKind

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.outputs.delivery import Batch, Format, Outcome
    from sensor.outputs.registry import Surroundings

WINDOW = 2
"""One batch is encoded while the one before it is synced."""

DISK_SECONDS = 30.0
"""How long the disk may take for one batch."""

KEEP_MAX = 1000

_MODES = 0o777
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class JsonlSettings:
    """``type = "jsonl"``."""

    path: Path
    """The file. Its directory must exist."""
    max_mib: int = 100
    """Size in MiB at which the file becomes PATH.1, and PATH.1 becomes PATH.2. 0: no limit."""
    rotate_hours: float = 0.0
    """Also rotate when a new period of so many hours begins, from midnight UTC. 0: never."""
    keep: int = 5
    """Most rotated files."""
    mode: int = 0o640
    """Permissions of a new file."""
    follow_symlinks: bool = False
    """Accept a path that is a symbolic link."""

    def __post_init__(self) -> None:
        if self.max_mib < 0 or self.rotate_hours < 0:
            message = "max_mib and rotate_hours are 0 or more"
            raise ValueError(message)
        if not 0 <= self.keep <= KEEP_MAX:
            message = f"keep is between 0 and {KEEP_MAX}"
            raise ValueError(message)
        if not 0 < self.mode <= _MODES:
            message = "mode is written like 0o640"
            raise ValueError(message)


class JsonlFile:
    """The transport: appends each batch as a whole."""

    window = WINDOW
    limits = BatchLimits(records=1000)

    def __init__(
        self, settings: JsonlSettings, form: Format, name: str, seconds: float = DISK_SECONDS
    ) -> None:
        rotation = Rotation(
            settings.max_mib << 20, settings.rotate_hours * _SECONDS_PER_HOUR, settings.keep
        )
        self._path = settings.path
        self._file = LineFile(
            settings.path, rotation, settings.mode, links=settings.follow_symlinks
        )
        self._line = form.line
        self._disk = DiskThread(f"castoff-{name}"[:15])
        self._seconds = seconds

    @property
    def connection(self) -> ConnectionStatus:
        """The file."""
        return ConnectionStatus(str(self._path), self._file.is_open)

    async def deliver(self, batch: Batch) -> Outcome:
        """Append the batch's lines and sync them."""
        if self._disk.waiting > WINDOW:
            return Retry(f"{self._path}: the disk does not answer")
        try:
            async with asyncio.timeout(self._seconds):
                return await self._disk.run(lambda: self._append(batch))
        except TimeoutError:
            return Retry(f"{self._path}: the disk does not answer")
        except OSError as error:
            return Retry(f"{self._path}: {error.strerror}")

    async def close(self) -> None:
        """Close the file behind what is being written."""
        self._disk.run(self._file.close)
        self._disk.close()

    def _append(self, batch: Batch) -> Delivered:
        """Write the lines; events that the format cannot make a line of are rejected."""
        lines: list[bytes] = []
        rejected: list[Rejection] = []
        for record in batch.records:
            try:
                lines.append(self._line(record))
            except ValueError as error:
                rejected.append(Rejection(record.sequence, str(error), local=True))
        if lines:
            self._file.append(b"".join(lines))
        return Delivered(tuple(rejected))


def _make(settings: JsonlSettings, form: Format, surroundings: Surroundings) -> JsonlFile:
    return JsonlFile(settings, form, surroundings.output)


OUTPUT = OutputKind(JsonlSettings, _make)
