"""A ring buffer in a memfd, written as kernel/bpf/ringbuf.c writes it: faults can be made there."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

from sensor.bpf.libbpf import BpfMap, MapShape

PAGE = mmap.PAGESIZE
BUSY = 1 << 31
DISCARDED = 1 << 30
_HEADER = struct.Struct("<II")
_POSITION = struct.Struct("@Q")


class FakeRing:
    """The producer's side. Data pages stand twice in the file, as the kernel maps them."""

    def __init__(self, pages: int) -> None:
        self.size = pages * PAGE
        self.descriptor = os.memfd_create("ring")
        self.shape = MapShape(0, 0, self.size)
        os.ftruncate(self.descriptor, 2 * PAGE + 2 * self.size)

    def pinned(self, _path: Path) -> BpfMap:
        """What opening the pin gives; the reader closes its own descriptor."""
        opened = object.__new__(BpfMap)
        opened.descriptor = os.dup(self.descriptor)
        opened.shape = self.shape
        return opened

    def _position(self, page: int) -> int:
        return int(_POSITION.unpack(os.pread(self.descriptor, 8, page * PAGE))[0])

    @property
    def consumed(self) -> int:
        return self._position(0)

    @property
    def produced(self) -> int:
        return self._position(1)

    def start_at(self, position: int) -> None:
        """Let both positions begin far from zero."""
        for page in (0, 1):
            os.pwrite(self.descriptor, _POSITION.pack(position), page * PAGE)

    def _write(self, position: int, data: bytes) -> None:
        for index, byte in enumerate(data):
            offset = (position + index) % self.size
            for copy in (0, self.size):
                os.pwrite(self.descriptor, bytes([byte]), 2 * PAGE + copy + offset)

    def put(self, data: bytes, flags: int = 0) -> int | None:
        """Append a record; returns its position, None when there is no room."""
        position = self.produced
        length = (len(data) + _HEADER.size + 7) & ~7
        if position + length - self.consumed > self.size:
            return None
        self._write(position, _HEADER.pack(len(data) | flags, 0) + data)
        os.pwrite(self.descriptor, _POSITION.pack(position + length), PAGE)
        return position

    def finish(self, position: int, length: int, flags: int = 0) -> None:
        """Clear the busy bit of a record."""
        self._write(position, struct.pack("<I", length | flags))

    def close(self) -> None:
        os.close(self.descriptor)
