"""zstd files, where Debian's python3-zstandard is installed."""

from __future__ import annotations

import importlib
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from sensor.errors import StateUnusable

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from _typeshed import WriteableBuffer

_FIX = "Install python3-zstandard, or unpack the file (zstd -d)."

WINDOW_MAX = 128 << 20
"""Bytes of memory that a hostile file may ask for."""

_CHUNK = 64 << 10


def reader(path: Path) -> BinaryIO:
    """Open a packed file for reading. Raises :class:`StateUnusable` where that is impossible.

    Reading raises EOFError for a file that is damaged or was cut off.
    """
    zstandard = _zstandard(path)
    return cast("BinaryIO", io.BufferedReader(_Unpacked(path.open("rb"), zstandard)))


def writer(path: Path) -> BinaryIO:
    """Open a new file that packs what is written. Raises :class:`StateUnusable`."""
    zstandard = _zstandard(path)
    packer = zstandard.ZstdCompressor(level=9, write_checksum=True)
    return cast("BinaryIO", packer.stream_writer(path.open("xb")))


def _zstandard(path: Path) -> ModuleType:
    try:
        return importlib.import_module("zstandard")
    except ImportError as error:
        raise StateUnusable(f"{path}: zstd needs the package zstandard", _FIX) from error


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a file; one that was cut off ends with an error."""

    def __init__(self, file: BinaryIO, zstandard: ModuleType) -> None:
        self._file = file
        self._error = zstandard.ZstdError
        unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW_MAX)
        self._stream = unpacker.decompressobj()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        while not self._ready:
            if self._stream.eof:
                return 0
            chunk = self._file.read(_CHUNK)
            if not chunk:
                raise EOFError("the packed file was cut off")
            try:
                self._ready = self._stream.decompress(chunk)
            except self._error as error:
                raise EOFError(str(error)) from error
        room = memoryview(buffer).cast("B")
        count = min(len(room), len(self._ready))
        room[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
