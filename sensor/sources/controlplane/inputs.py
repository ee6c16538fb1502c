"""Where records come from: files, standard input, directories.

Only regular files are read. A symbolic link, a FIFO or a device in a directory is passed over, so
that a link in a directory that others may write to leads nowhere.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from sensor.errors import CastoffError
from sensor.sources.controlplane.encoding import PIECE
from sensor.sources.controlplane.reader import Reader, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sensor.model.control_plane import ControlRecord
    from sensor.sources.controlplane.reader import BadRecord, Loss

    Found = ControlRecord | BadRecord | Loss

FILES_LIMIT = 10_000
"""Files that are followed in all directories; the rest waits until some are gone."""
FINISHED = (".gz", ".json")
"""Endings of files that are written once: CloudTrail's. They are read when they no longer grow."""
COMPRESSED = b"\x1f\x8b"


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


def listed(directory: Path) -> list[Path]:
    """Return the files of a directory and of those in it, the oldest first: rotated before new."""
    found: list[tuple[float, str, Path]] = []
    for root, _, names in os.walk(directory):
        for name in names:
            path = type(directory)(root) / name
            try:
                status = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime, str(path), path))
    return [path for _, _, path in sorted(found)[:FILES_LIMIT]]


Key = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a follower has come: bytes and lines of files that grow, and files that are done."""

    tails: tuple[tuple[int, int, int, int], ...] = ()
    """Device, inode, offset of the first byte that no record has yet, its line."""
    done: tuple[tuple[int, int, int, int], ...] = ()
    """Device, inode, size, time of the last change."""

    def document(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"tails": self.tails, "done": self.done}

    @classmethod
    def from_document(cls, document: object) -> Places:
        """Read the JSON form. Raises ValueError."""
        if not isinstance(document, dict):
            raise ValueError("not a document")  # noqa: TRY004 - a file's content, no caller's mistake
        return cls(_numbers(document.get("tails")), _numbers(document.get("done")))


def _numbers(rows: object) -> tuple[tuple[int, int, int, int], ...]:
    if not isinstance(rows, list):
        raise ValueError("not a list")  # noqa: TRY004 - as above
    found = []
    for row in rows:
        if not isinstance(row, list) or [type(one) for one in row] != [int] * 4:
            raise ValueError("not four numbers")
        found.append((row[0], row[1], row[2], row[3]))
    return tuple(found)


@dataclass(slots=True)
class _Tail:
    """A file that grows, by its inode: it stays the same file when it is renamed."""

    stream: BinaryIO
    reader: Reader
    offset: int = 0


@dataclass(slots=True)
class Follower:
    """Reads files of directories as they grow, are rotated, compressed, replaced or come late.

    ``poll`` reads what is there now. A file is known by device and inode, so a renamed file is
    the same file. One that became shorter was written anew and is read from its begin.
    """

    directories: tuple[Path, ...]
    reader_of: Callable[[str], Reader]
    wanted: Callable[[Path, float], bool] = lambda _path, _changed: True
    """Whether a file is read, by its path and the time of its last change."""
    places: Places = field(default_factory=Places)
    """Where an earlier follower has come."""
    _tails: dict[tuple[int, int], _Tail] = field(default_factory=dict)
    _done: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Files that are read to their end, with size and time of change then."""
    _known: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Offset and line of files that an earlier follower read."""
    _sizes: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._done.update({(one[0], one[1]): (one[2], one[3]) for one in self.places.done})
        self._known = {(one[0], one[1]): (one[2], one[3]) for one in self.places.tails}

    def where(self) -> Places:
        """Return where this follower has come."""
        return Places(
            tuple(
                (*key, tail.offset - tail.reader.pending, tail.reader.line)
                for key, tail in self._tails.items()
            ),
            tuple((*key, *mark) for key, mark in self._done.items()),
        )

    def poll(self) -> Iterator[Found]:
        """Yield the records that have come since."""
        seen = set()
        for directory in self.directories:
            for path in listed(directory):
                stream = opened(path)
                if stream is None:
                    continue
                status = os.fstat(stream.fileno())
                if not self.wanted(path, status.st_mtime):
                    stream.close()
                    continue
                key = (status.st_dev, status.st_ino)
                if key in seen:
                    stream.close()
                    continue
                seen.add(key)
                yield from self._file(key, path, stream, status)
        for gone in [key for key in self._tails if key not in seen]:
            tail = self._tails.pop(gone)
            yield from tail.reader.close()
            tail.stream.close()
        for table in (self._done, self._sizes):
            for gone in [key for key in table if key not in seen]:
                del table[gone]

    def _file(
        self, key: tuple[int, int], path: Path, stream: BinaryIO, status: os.stat_result
    ) -> Iterator[Found]:
        mark = (status.st_size, status.st_mtime_ns)
        if self._done.get(key) == mark:
            stream.close()
            return
        tail = self._tails.get(key)
        if tail is None and (_is_finished(stream) or path.name.endswith(FINISHED)):
            yield from self._whole(key, path, stream, status.st_size, mark)
            return
        if tail is None:
            tail = _Tail(stream, self.reader_of(str(path)))
            offset, line = self._known.pop(key, (0, 1))
            if 0 < offset <= status.st_size:
                tail.offset = offset
                tail.reader.goes_on_at(line)
            self._tails[key] = tail
        else:
            stream.close()
        if status.st_size < tail.offset:
            yield from tail.reader.close()
            tail.reader, tail.offset = self.reader_of(str(path)), 0
        tail.stream.seek(tail.offset)
        while piece := tail.stream.read(PIECE):
            tail.offset += len(piece)
            yield from tail.reader.feed(piece)

    def _whole(
        self,
        key: tuple[int, int],
        path: Path,
        stream: BinaryIO,
        size: int,
        mark: tuple[int, int],
    ) -> Iterator[Found]:
        """Read a file that is written once, when it has not grown since the last look."""
        with stream:
            if self._sizes.get(key) != size:
                self._sizes[key] = size
                return
            self._done[key] = mark
            stream.seek(0)
            yield from read(pieces(stream), self.reader_of(str(path)))

    def close(self) -> Iterator[Found]:
        """Yield what is left of files that do not end with a line break."""
        for tail in self._tails.values():
            yield from tail.reader.close()
            tail.stream.close()
        self._tails.clear()


def _is_finished(stream: BinaryIO) -> bool:
    begin = stream.read(2)
    stream.seek(0)
    return begin == COMPRESSED
