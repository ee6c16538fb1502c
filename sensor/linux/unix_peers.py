"""Which unix stream sockets are connected to which: sock_diag(7), as ss(8) asks.

One dump lists all unix sockets of the caller's network namespace with the inode number of each and
of its peer (``UDIAG_SHOW_PEER``). It needs no privilege.
"""

from __future__ import annotations

import os
import socket
import struct

SOCKETS_MAX = 65_536
"""Sockets of one dump that are taken."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_TCP_ESTABLISHED = 1
_UDIAG_SHOW_PEER = 0x4
_UNIX_DIAG_PEER = 2
_RECEIVE = 1 << 16
_TIMEOUT = 2.0

_HEADER = struct.Struct("=IHHII")
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
    flags = _NLM_F_REQUEST | _NLM_F_DUMP
    header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, flags, 1, 0)
    found: dict[int, int] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as link:
        link.settimeout(_TIMEOUT)
        link.sendto(header + request, (0, 0))
        while _take(link.recv(_RECEIVE), found) and len(found) < SOCKETS_MAX:
            pass
    return found


def _take(data: bytes, found: dict[int, int]) -> bool:
    """Add the sockets of one datagram; returns whether more are to come."""
    position = 0
    while position + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, position)
        if kind == _NLMSG_DONE or length < _HEADER.size:
            return False
        if kind == _NLMSG_ERROR:
            raise OSError(
                -struct.unpack_from("=i", data, position + _HEADER.size)[0],
                os.strerror(-struct.unpack_from("=i", data, position + _HEADER.size)[0]),
            )
        _read(data[position + _HEADER.size : position + length], found)
        position += (length + 3) & ~3
    return True


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
