"""Where records come from: files, standard input, directories.

Only regular files are read. A symbolic link, a FIFO or a device in a directory is passed over, so
that a link in a directory that others may write to leads nowhere.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from sensor.errors import CastoffError
from sensor.sources.controlplane.encoding import PIECE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class InputUnreadable(CastoffError):
    """A file that is to be read cannot be opened."""

    exit_code = 66


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what a stream holds; ``read1`` gives what is there and does not wait for more."""
    read = getattr(stream, "read1", stream.read)
    while piece := read(PIECE):
        yield piece


def opened(path: Path) -> BinaryIO | None:
    """Open a regular file of a directory; None if it is another kind of file, or gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return os.fdopen(handle, "rb")


def listed(directory: Path) -> list[tuple[Path, os.stat_result]]:
    """Return the files of a directory and of those in it, the oldest first: rotated before new."""
    found: list[tuple[float, str, Path, os.stat_result]] = []
    for root, _, names in os.walk(directory):
        for name in names:
            path = type(directory)(root) / name
            try:
                status = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime, str(path), path, status))
    return [(path, status) for _, _, path, status in sorted(found, key=lambda one: one[:2])]
