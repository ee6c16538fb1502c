"""The population of starts beside the page: every start that the report counts, as it was read."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Self

from sensor.dataclass import dataclass
from sensor.errors import StateUnusable

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from sensor.report.event_view import Document


@dataclass(frozen=True, slots=True)
class Population:
    """What the data file holds: its name, starts, bytes and SHA-256."""

    name: str
    starts: int
    bytes: int
    sha256: str


class DataFile:
    """Writes starts, one JSON document a line; replaces an older file when it is whole."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`StateUnusable` where the file cannot be made."""
        self._path = path
        self._fresh = path.with_name(f".{path.name}.new")
        self._hash = hashlib.sha256()
        self._starts = self._bytes = 0
        try:
            self._fresh.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._fresh, flags, 0o600), "wb")
        except OSError as error:
            problem = f"{path} cannot be written: {error.strerror}"
            raise StateUnusable(
                problem, "Name a file in a directory that you may write."
            ) from error

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove what was written, unless :meth:`finish` put it in its place."""
        self._file.close()
        self._fresh.unlink(missing_ok=True)

    def add(self, document: Document) -> None:
        """Write a start."""
        line = json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"
        self._file.write(line)
        self._hash.update(line)
        self._starts += 1
        self._bytes += len(line)

    def finish(self) -> Population:
        """Put the file in its place; returns what it holds. Raises :class:`StateUnusable`."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._fresh.replace(self._path)
        except OSError as error:
            problem = f"{self._path} cannot be written: {error.strerror}"
            raise StateUnusable(problem, "Make room on the disk.") from error
        return Population(self._path.name, self._starts, self._bytes, self._hash.hexdigest())
