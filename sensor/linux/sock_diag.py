"""A dump of the kernel's sockets by netlink: sock_diag(7), as ss(8) asks. It needs no privilege."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RECEIVE = 1 << 16
_TIMEOUT = 2.0

_HEADER = struct.Struct("=IHHII")
_NUMBER = struct.Struct("=i")


def dump(request: bytes, read: Callable[[bytes], bool]) -> None:
    """Have the kernel list sockets; ``read`` takes each message and returns whether to go on.

    Raises OSError.
    """
    flags = _NLM_F_REQUEST | _NLM_F_DUMP
    header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as link:
        link.settimeout(_TIMEOUT)
        link.sendto(header + request, (0, 0))
        while take(link.recv(_RECEIVE), read):
            pass


def take(data: bytes, read: Callable[[bytes], bool]) -> bool:
    """Read the messages of one datagram; returns whether more are to come."""
    position = 0
    while position + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, position)
        if kind == _NLMSG_DONE or length < _HEADER.size:
            return False
        body = data[position + _HEADER.size : position + length]
        if kind == _NLMSG_ERROR:
            number = -_NUMBER.unpack_from(body)[0] if len(body) >= _NUMBER.size else errno.EPROTO
            raise OSError(number, os.strerror(number))
        if not read(body):
            return False
        position += (length + 3) & ~3
    return True
