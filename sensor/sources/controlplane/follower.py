"""Follows directories: files that grow, are rotated, compressed, replaced, or come late.

A file is known by device, inode and its first bytes, so that a renamed file stays the same. A file
that became shorter, or begins otherwise than it did, was written anew: it is read from its begin. A
file system gives an inode to a new file as soon as the old one is gone.
"""

from __future__ import annotations

import logging
import os
import zlib
from dataclasses import field
from typing import TYPE_CHECKING, BinaryIO

from sensor.dataclass import dataclass
from sensor.sources.controlplane.encoding import PIECE
from sensor.sources.controlplane.inputs import listed, opened, pieces
from sensor.sources.controlplane.reader import Reader, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sensor.model.control_plane import ControlRecord
    from sensor.sources.controlplane.reader import BadRecord, Loss

    Found = ControlRecord | BadRecord | Loss

FILES_LIMIT = 20_000
"""Files that are followed in all directories, the newest: CloudTrail writes 300 a day."""
FINISHED = (".gz", ".json")
"""Endings of files that are written once: CloudTrail's. They are read when they no longer grow."""
COMPRESSED = b"\x1f\x8b"
HEAD = 4096
"""Bytes at a file's begin that identify its content: a record has its id and time in them."""
Key = tuple[int, int]
"""Device and inode."""
Row = tuple[int, ...]
log = logging.getLogger("castoff")


@dataclass(frozen=True, slots=True)
class FollowedPlaces:
    """Where a follower has come: bytes and lines of files that grow, and files that are done."""

    tails: tuple[Row, ...] = ()
    """Device, inode, offset of the first byte that no record has yet, its line; then, where they
    are known, the number of bytes of the head and their CRC-32."""
    done: tuple[Row, ...] = ()
    """Device, inode, size, time of the last change."""

    def document(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"tails": self.tails, "done": self.done}

    @classmethod
    def from_document(cls, document: object) -> FollowedPlaces:
        """Read the JSON form. Raises ValueError."""
        if not isinstance(document, dict):
            raise ValueError("not a document")
        return cls(_rows(document.get("tails"), (4, 6)), _rows(document.get("done"), (4,)))


def _rows(rows: object, lengths: tuple[int, ...]) -> tuple[Row, ...]:
    if not isinstance(rows, list):
        raise ValueError("not a list")
    for row in rows:
        if not isinstance(row, list) or len(row) not in lengths:
            raise ValueError("not rows of numbers")
        if any(type(one) is not int for one in row):
            raise ValueError("not numbers")
    return tuple(tuple(row) for row in rows)


@dataclass(slots=True)
class _Tail:
    """A file that grows, by its inode: it stays the same file when it is renamed."""

    stream: BinaryIO
    reader: Reader
    offset: int = 0
    head: bytes = b""


@dataclass(slots=True)
class FileFollower:
    """Reads files of directories as they grow. ``poll`` reads what is there now."""

    directories: tuple[Path, ...]
    reader_of: Callable[[str], Reader]
    wanted: Callable[[Path, float], bool] = lambda _path, _changed: True
    """Whether a file is read, by its path and the time of its last change."""
    places: FollowedPlaces = field(default_factory=FollowedPlaces)
    """Where an earlier follower has come."""
    skipped: int = 0
    """Files beyond ``FILES_LIMIT``, the oldest, at the last look."""
    _tails: dict[Key, _Tail] = field(default_factory=dict)
    _done: dict[Key, tuple[int, int]] = field(default_factory=dict)
    """Files that are read to their end, with size and time of change then."""
    _known: dict[Key, Row] = field(default_factory=dict)
    """Offset, line and head of files that an earlier follower read."""
    _sizes: dict[Key, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._done.update({(one[0], one[1]): (one[2], one[3]) for one in self.places.done})
        self._known = {(one[0], one[1]): one[2:] for one in self.places.tails}

    def where(self) -> FollowedPlaces:
        """Return where this follower has come."""
        return FollowedPlaces(
            tuple(
                (
                    *key,
                    tail.offset - tail.reader.pending,
                    tail.reader.line,
                    len(tail.head),
                    zlib.crc32(tail.head),
                )
                for key, tail in self._tails.items()
            ),
            tuple((*key, *mark) for key, mark in self._done.items()),
        )

    def poll(self) -> Iterator[Found]:
        """Yield the records that have come since."""
        seen = set()
        for path, status in self._files():
            key = (status.st_dev, status.st_ino)
            if key in seen:
                continue
            seen.add(key)
            if self._done.get(key) != (status.st_size, status.st_mtime_ns):
                yield from self._path(key, path)
        for gone in [key for key in self._tails if key not in seen]:
            tail = self._tails.pop(gone)
            yield from _rest(tail)
            yield from tail.reader.close()
            tail.stream.close()
        for table in (self._done, self._sizes):
            for gone in [key for key in table if key not in seen]:
                del table[gone]

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """Return the files that are wanted, the oldest first."""
        found = [
            (path, status)
            for directory in self.directories
            for path, status in listed(directory)
            if self.wanted(path, status.st_mtime)
        ]
        skipped = max(0, len(found) - FILES_LIMIT)
        if skipped > self.skipped:
            log.warning("%d files are too many to follow; the oldest are not read", len(found))
        self.skipped = skipped
        return found[skipped:]

    def _path(self, key: Key, path: Path) -> Iterator[Found]:
        stream = opened(path)
        if stream is None:
            return
        status = os.fstat(stream.fileno())
        if (status.st_dev, status.st_ino) != key:
            stream.close()  # Replaced since it was listed: the next look has it.
            return
        yield from self._file(key, path, stream, status)

    def _file(
        self, key: Key, path: Path, stream: BinaryIO, status: os.stat_result
    ) -> Iterator[Found]:
        head = stream.read(HEAD)
        tail = self._tails.get(key)
        if tail is None and (head.startswith(COMPRESSED) or path.name.endswith(FINISHED)):
            yield from self._whole(key, path, stream, status)
            return
        if tail is None:
            tail = self._begun(key, path, stream, status.st_size)
            self._tails[key] = tail
        else:
            stream.close()
        if status.st_size < tail.offset or not head.startswith(tail.head):
            yield from tail.reader.close()
            tail.reader, tail.offset = self.reader_of(str(path)), 0
        tail.head = head
        yield from _rest(tail)

    def _begun(self, key: Key, path: Path, stream: BinaryIO, size: int) -> _Tail:
        """Return a file that grows, from where an earlier follower came to in it."""
        tail = _Tail(stream, self.reader_of(str(path)))
        offset, line, *head = self._known.pop(key, (0, 1))
        if not 0 < offset <= size:
            return tail
        if head:
            stream.seek(0)
            begin = stream.read(head[0]) if 0 <= head[0] <= HEAD else b""
            if len(begin) != head[0] or zlib.crc32(begin) != head[1]:
                return tail
            tail.head = begin
        tail.offset = offset
        tail.reader.goes_on_at(line)
        return tail

    def _whole(
        self, key: Key, path: Path, stream: BinaryIO, status: os.stat_result
    ) -> Iterator[Found]:
        """Read a file that is written once, when it has not grown since the last look."""
        with stream:
            if self._sizes.get(key) != status.st_size:
                self._sizes[key] = status.st_size
                return
            self._done[key] = (status.st_size, status.st_mtime_ns)
            stream.seek(0)
            yield from read(pieces(stream), self.reader_of(str(path)))

    def close(self) -> Iterator[Found]:
        """Yield what is left of files that do not end with a line break."""
        for tail in self._tails.values():
            yield from tail.reader.close()
            tail.stream.close()
        self._tails.clear()


def _rest(tail: _Tail) -> Iterator[Found]:
    """Yield what a file has behind its place, also when its name is gone already."""
    tail.stream.seek(tail.offset)
    while piece := tail.stream.read(PIECE):
        tail.offset += len(piece)
        yield from tail.reader.feed(piece)
