"""Files of the node, read with limits: regular files only, and no link is followed at the end.

What cannot be read is noted: a list of ways that hides what it did not see would be a lie.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from sensor.linux.regular_file import open_regular

FILE_MAX = 1 << 20
"""Bytes of one file; what is longer is cut and noted."""

ENTRIES_MAX = 5000
"""Entries of one directory."""

UNREAD_MAX = 100


class Node:
    """The node below ``root``; another root than ``/`` is for tests."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.unread: list[str] = []
        self._cut = 0

    def at(self, path: str) -> Path:
        """Return where a path of the node lies."""
        return self.root / path.lstrip("/")

    def note(self, path: str, reason: str) -> None:
        """Note that something could not be read."""
        text = f"{path}: {reason}"
        if text not in self.unread and len(self.unread) < UNREAD_MAX:
            self.unread.append(text)

    def text(self, path: str, *, follow: bool = False) -> str | None:
        """Return a file's text; None where there is no such file, or it cannot be read."""
        try:
            file = open_regular(self.at(path), follow=follow)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.note(path, error.strerror or str(error))
            return None
        with file:
            try:
                raw = file.read(FILE_MAX + 1)
            except OSError as error:
                self.note(path, error.strerror or str(error))
                return None
        if len(raw) > FILE_MAX:
            self.note(path, f"only its first {FILE_MAX} bytes were read")
        return raw[:FILE_MAX].decode("utf-8", "surrogateescape")

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted; nothing where there is none."""
        try:
            with os.scandir(self.at(path)) as entries:
                found = sorted(entry.name for entry in islice(entries, ENTRIES_MAX))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            self.note(path, error.strerror or str(error))
            return ()
        if len(found) == ENTRIES_MAX:
            self.note(path, f"only {ENTRIES_MAX} entries were read")
        return tuple(found)

    def status(self, path: str) -> os.stat_result | None:
        """Return a file's status, links followed; None where there is none."""
        try:
            return self.at(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self.note(path, error.strerror or str(error))
            return None
