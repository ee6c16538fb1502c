"""Give the connect program the unix sockets of engines: the ``socket_verdicts`` map."""

from __future__ import annotations

import os
import struct
from threading import Lock
from typing import TYPE_CHECKING

from sensor.bpf.libbpf import BpfMap

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PATH_LEN = 112
"""``SOCKET_PATH_LEN`` of record.h: 108 bytes of sun_path, padded to whole words."""

_PORT = struct.Struct("<II16s")
_ANY_ADDRESS = b"\xff" * 16
"""Of an entry for all addresses: what listens at each of them, or that other entries say which."""
_FILE = struct.Struct("<QII")
_PLACE = struct.Struct("<QII")
_WORDS = struct.Struct("<14Q")
_BASIS = 0xCBF29CE484222325
_PRIME = 0x100000001B3
_MASK = (1 << 64) - 1
_BY_ADDRESS = 0
"""In place of an API: other entries of the port have its addresses."""
_ENGINE, _OTHER = 100, 101
"""``enum socket_verdict``."""


def hash_path(path: bytes) -> int:
    """Hash a path as the function of that name in connect.bpf.c: FNV-1a over 64-bit words."""
    value = _BASIS
    for word in _WORDS.unpack(path[: PATH_LEN - 1].ljust(PATH_LEN, b"\0")):
        value = ((value ^ word) * _PRIME) & _MASK
    return value


class SocketVerdicts:
    """The verdicts of one probe set. Paths are as the caller wrote them, surrogates for bytes."""

    def __init__(self, path: Path) -> None:
        self._map = BpfMap.pinned(path)

    @staticmethod
    def _place(mnt_ns: int, path: str) -> bytes:
        return _PLACE.pack(hash_path(path.encode("utf-8", "surrogateescape")), mnt_ns, 0)

    def set(self, mnt_ns: int, path: str, *, engine: bool) -> None:
        """Report all connects to an engine's socket, or none to any other."""
        verdict = _ENGINE if engine else _OTHER
        self._map.update(self._place(mnt_ns, path), verdict.to_bytes(4, "little"))

    def forget(self, mnt_ns: int, path: str) -> None:
        """Have the next connect reported again."""
        self._map.delete(self._place(mnt_ns, path))

    def close(self) -> None:
        """Close the map."""
        self._map.close()


class _Wanted:
    """A map whose entries are made those that are wanted, with a write for each that differs."""

    def __init__(self, path: Path) -> None:
        self._map = BpfMap.pinned(path)
        self._known: dict[bytes, int] = {}

    def set(self, wanted: dict[bytes, int]) -> None:
        """Make the map hold these values, each of four bytes."""
        for key in self._known.keys() - wanted.keys():
            self._map.delete(key)
        for key, value in wanted.items():
            if self._known.get(key) != value:
                self._map.update(key, value.to_bytes(4, "little"))
        self._known = wanted

    def close(self) -> None:
        """Close the map."""
        self._map.close()


def _with_room(engines: dict[bytes, int], relays: dict[bytes, int]) -> dict[bytes, int]:
    """Return both, the engines' first: they always find room."""
    return {**engines, **relays, **engines}


def _file(device: int, inode: int) -> bytes:
    return _FILE.pack(inode, os.major(device) << 20 | os.minor(device), 0)


class ListeningPorts:
    """The ``listening_ports`` map: ports of engines and relays, connects to which are reported.

    Requests to engines are read, too. At the same port of another address of this host any other
    process may listen, so an engine's port counts at its own address alone.
    """

    def __init__(self, path: Path) -> None:
        self._map = _Wanted(path)
        self._engines: dict[bytes, int] = {}
        self._relays: dict[bytes, int] = {}
        self._lock = Lock()
        """Relays are found by a thread of their own, engines by any."""

    def replace(self, ports: Iterable[tuple[int, int, bytes]]) -> None:
        """Set the engines' ports, as (inode of the network namespace, port, address).

        An address has the 16 bytes of IPv6, or of the one that IPv4 is mapped to.
        """
        with self._lock:
            self._engines = {}
            for net_ns, port, address in ports:
                self._engines[_PORT.pack(net_ns, port, _ANY_ADDRESS)] = _BY_ADDRESS
                self._engines[_PORT.pack(net_ns, port, address)] = EngineSockets.HTTP
            self._write()

    def relay(self, ports: Iterable[tuple[int, int]]) -> None:
        """Have connects to the ports of relays reported, and to no others: a namespace and port."""
        with self._lock:
            self._relays = {_PORT.pack(*one, _ANY_ADDRESS): EngineSockets.RELAY for one in ports}
            self._write()

    def _write(self) -> None:
        self._map.set(_with_room(self._engines, self._relays))

    def close(self) -> None:
        """Close the map."""
        self._map.close()


class EngineSockets:
    """The ``engine_sockets`` map: the files of the sockets whose requests are read."""

    HTTP, RPC, RELAY = 1, 2, 3
    """``enum socket_api``."""

    def __init__(self, path: Path) -> None:
        self._map = _Wanted(path)
        self._engines: dict[bytes, int] = {}
        self._relays: dict[bytes, int] = {}
        self._lock = Lock()
        """Relays are found by a thread of their own."""

    def replace(self, sockets: Iterable[tuple[int, int, int]]) -> None:
        """Set the map to (st_dev, inode, api) triples; st_dev as stat(2) gives it."""
        with self._lock:
            self._engines = {_file(device, inode): api for device, inode, api in sockets}
            self._write()

    def relay(self, sockets: Iterable[tuple[int, int]]) -> None:
        """Set the sockets that relays listen on: only connects to them are reported."""
        with self._lock:
            self._relays = {_file(device, inode): self.RELAY for device, inode in sockets}
            self._write()

    def _write(self) -> None:
        self._map.set(_with_room(self._engines, self._relays))

    def close(self) -> None:
        """Close the map."""
        self._map.close()
