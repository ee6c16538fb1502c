"""Captures: what the sources saw, kept in a file, so that the same can be seen again anywhere.

A capture is a stream of msgpack objects: one header, then one entry for each time that the core was
fed.

    header  {"castoff": "capture", "version": 1, "created": ns since the epoch, "sensor": "0.1.0",
             "layout": {"InitExec": ["time", "sequence", ...], ...}}
    entry   [now, [observation, ...]]

:mod:`sensor.sources.codec` has the shape of an observation in an entry. A capture may come from
anywhere: every length is bounded, every type is checked, and whatever does not fit is
:class:`~sensor.errors.CaptureMalformed`, with the offset of the object that it is about.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Self

from sensor.dataclass import dataclass
from sensor.errors import CaptureMalformed, StateUnusable
from sensor.model.observations import Observation  # noqa: TC001 - the codec reads Arrival's type hints
from sensor.sources.codec import Mismatch, decoder, encoder, layout_of
from sensor.sources.packing import (
    ITEMS_LIMIT,
    BufferFull,
    OutOfData,
    UnpackException,
    packer,
    unpacker,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 1
SIZE_LIMIT = 1 << 30
"""Bytes that a writer puts into one file; then it stops and counts what it did not write."""
ENTRY_LIMIT = 16 << 20
"""Bytes of one entry: an inventory of thousands of containers fits."""
WRITE_BUFFER = 256 * 1024
READ_SIZE = 256 * 1024
TO_READ = "Name a file that this user may read."
TO_WRITE = "Name a file that does not exist yet, on a disk with space."


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the core was fed at once: ``now`` is boottime in ns."""

    now: int
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """Where a capture comes from: ``created_wall`` in ns since the epoch, the sensor's version."""

    created_wall: int
    sensor: str


class CaptureWriter:
    """Writes arrivals to a file that must not exist yet; readable by its owner only.

    A capture holds command lines and names of everything that runs on the host, hence 0600.
    Entries beyond ``limit`` bytes of file, or larger than a reader takes, are not written but
    counted in ``skipped``, and so is everything after the first of them: a capture with a hole
    would replay to other events.

    :raises StateUnusable: the file is there already, or cannot be made or written.
    """

    def __init__(self, path: Path, *, sensor: str, limit: int = SIZE_LIMIT) -> None:
        self.path = path
        self.written = 0
        self.skipped = 0
        self._limit = limit
        self._packer = packer()
        self._encode = encoder(Arrival)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _naming(path, TO_WRITE):
            self._file = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=WRITE_BUFFER)
        header = {
            "castoff": "capture",
            "version": VERSION,
            "created": time.time_ns(),
            "sensor": sensor,
            "layout": layout_of(Arrival),
        }
        self._put(self._packer.pack(header))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def full(self) -> bool:
        """True once an entry was skipped."""
        return self.skipped > 0

    def write(self, arrival: Arrival) -> bool:
        """Append an arrival; False when it was skipped."""
        if not self.full:
            packed = self._packer.pack(self._encode(arrival))
            if self.written + len(packed) <= self._limit and _readable(packed):
                self._put(packed)
                return True
        self.skipped += 1
        return False

    def close(self) -> None:
        """Write what is buffered and close the file."""
        with _naming(self.path, TO_WRITE):
            self._file.close()

    def _put(self, packed: bytes) -> None:
        with _naming(self.path, TO_WRITE):
            self._file.write(packed)
        self.written += len(packed)


class CaptureReader:
    """Iterates over the arrivals of a capture, in file order and without reading it whole.

    ``name`` stands in messages. With ``tolerate_cut`` a last entry that is cut short, as a killed
    recorder leaves it, ends the iteration and sets ``cut``.

    :raises CaptureMalformed: from the constructor for the header, from the iteration for entries.
    """

    def __init__(self, stream: BinaryIO, *, name: str, tolerate_cut: bool = False) -> None:
        self.cut = False
        self._stream = stream
        self._name = name
        self._tolerate_cut = tolerate_cut
        self._unpacker = unpacker(ENTRY_LIMIT + READ_SIZE)
        self._fed = 0
        header = self._next()
        if header is _END:
            raise self._malformed(0, "it is empty")
        self.header, layout = self._header(header)
        try:
            self._decode = decoder(Arrival, layout)
        except Mismatch as error:
            raise self._malformed(0, str(error)) from error

    def __iter__(self) -> Iterator[Arrival]:
        while True:
            offset = self._unpacker.tell()
            packed = self._next()
            if packed is _END:
                return
            try:
                arrival: Arrival = self._decode(packed)
            except Mismatch as error:
                raise self._malformed(offset, str(error)) from error
            yield arrival

    def _next(self) -> object:
        """Return the next object of the file, or ``_END``."""
        offset = self._unpacker.tell()
        while True:
            try:
                return self._unpacker.unpack()
            except OutOfData:
                pass
            except (ValueError, UnpackException) as error:
                # ValueError covers limits, bad map keys and FormatError, StackError.
                reason = str(error) or type(error).__name__
                raise self._malformed(offset, reason) from error
            chunk = self._stream.read(READ_SIZE)
            if chunk:
                self._feed(chunk, offset)
            elif self._fed == offset:
                return _END
            elif self._tolerate_cut and offset:
                self.cut = True
                return _END
            else:
                raise self._malformed(offset, "the last object is cut short")

    def _feed(self, chunk: bytes, offset: int) -> None:
        try:
            self._unpacker.feed(chunk)
        except BufferFull as error:
            raise self._malformed(offset, f"an object of more than {ENTRY_LIMIT} bytes") from error
        self._fed += len(chunk)

    def _header(self, found: object) -> tuple[Header, dict[str, tuple[str, ...]]]:
        if not isinstance(found, dict) or found.get("castoff") != "capture":
            raise self._malformed(0, "it is not a capture")
        version = found.get("version")
        if type(version) is not int or version != VERSION:
            raise self._malformed(0, f"this sensor reads version {VERSION} only")
        created, sensor, layout = (found.get(key) for key in ("created", "sensor", "layout"))
        if type(created) is not int or type(sensor) is not str or not isinstance(layout, dict):
            raise self._malformed(0, "its header is incomplete")
        for name, fields in layout.items():
            if type(fields) is not tuple or not all(type(field) is str for field in fields):
                raise self._malformed(0, f"its header's layout of {name[:40]!a} is not a name list")
        return Header(created, sensor), layout

    def _malformed(self, offset: int, reason: str) -> CaptureMalformed:
        return CaptureMalformed(
            f"{self._name}: at byte {offset}: {reason}",
            "Record it again, or replay it with the version of castoff that recorded it.",
        )


@contextmanager
def open_capture(path: Path, *, tolerate_cut: bool = False) -> Iterator[CaptureReader]:
    """Open a capture file for reading.

    :raises CaptureMalformed: it is not a capture.
    :raises StateUnusable: the file cannot be opened.
    """
    with _naming(path, TO_READ):
        stream = path.open("rb")
    with stream:
        yield CaptureReader(stream, name=str(path), tolerate_cut=tolerate_cut)


def _readable(packed: bytes) -> bool:
    """Return whether a reader's limits let an entry pass; small ones cannot exceed any."""
    if len(packed) <= ITEMS_LIMIT:
        return True
    if len(packed) > ENTRY_LIMIT:
        return False
    trial = unpacker(ENTRY_LIMIT)
    trial.feed(packed)
    try:
        trial.unpack()
    except ValueError:
        return False
    return True


@contextmanager
def _naming(path: Path, fix: str) -> Iterator[None]:
    """Turn an error of the file system into one that names the capture."""
    try:
        yield
    except OSError as error:
        raise StateUnusable(f"{path}: {error.strerror}", fix) from error


_END = object()
