"""Which unix stream sockets are connected to which: sock_diag(7), as ss(8) asks.

One dump lists all unix sockets of the caller's network namespace with the inode number of each and
of its peer (``UDIAG_SHOW_PEER``). It needs no privilege.
"""

from __future__ import annotations

import socket
import struct

from sensor.linux import sock_diag

SOCKETS_MAX = 65_536
"""Sockets of one dump that are taken."""

_TCP_ESTABLISHED = 1
_UDIAG_SHOW_PEER = 0x4
_UNIX_DIAG_PEER = 2

_REQUEST = struct.Struct("=BBHIIIII")
"""struct unix_diag_req: family, protocol, pad, states, inode, show, cookie[2]."""
_MESSAGE = struct.Struct("=BBBBIII")
"""struct unix_diag_msg: family, type, state, pad, inode, cookie[2]."""
_ATTRIBUTE = struct.Struct("=HH")


def peers() -> dict[int, int]:
    """Return the peer's inode number of each connected unix stream socket. Raises OSError."""
    request = _REQUEST.pack(
        socket.AF_UNIX, 0, 0, 1 << _TCP_ESTABLISHED, 0, _UDIAG_SHOW_PEER, 0xFFFFFFFF, 0xFFFFFFFF
    )
    found: dict[int, int] = {}

    def read(message: bytes) -> bool:
        _read(message, found)
        return len(found) < SOCKETS_MAX

    sock_diag.dump(request, read)
    return found


def _read(message: bytes, found: dict[int, int]) -> None:
    if len(message) < _MESSAGE.size:
        return
    inode = _MESSAGE.unpack_from(message)[4]
    position = _MESSAGE.size
    while position + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, position)
        if length < _ATTRIBUTE.size:
            return
        if kind == _UNIX_DIAG_PEER and length >= _ATTRIBUTE.size + 4:
            found[inode] = struct.unpack_from("=I", message, position + _ATTRIBUTE.size)[0]
        position += (length + 3) & ~3
