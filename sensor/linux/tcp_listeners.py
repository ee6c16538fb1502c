"""Which TCP sockets of this process's network namespace listen, and on which port.

``/proc/net/tcp`` walks the table of all connections, whose size follows the node's memory: 10 ms on
a node with 24 GiB, however few connections there are. The kernel lists listeners alone in 0.1 ms
(inet_diag, linux/inet_diag.h).
"""

from __future__ import annotations

import socket
import struct

from sensor.dataclass import dataclass
from sensor.linux import sock_diag

LISTENERS_MAX = 65_536
"""Listeners of one dump that are taken."""

_TCP_LISTEN = 10

_REQUEST = struct.Struct("=BBBBI48x")
"""struct inet_diag_req_v2: family, protocol, extensions, pad, states, and an id of zeros."""
_FIXED, _INODE_AT = 72, 68
"""Size of struct inet_diag_msg, and where its inode is."""
_PORT, _PORT_AT = struct.Struct(">H"), 4
_ADDRESS_AT = 8
_INODE = struct.Struct("=I")
_MAPPED = bytes(10) + b"\xff\xff"
"""What stands in front of an address of IPv4 that is written as one of IPv6."""


@dataclass(frozen=True, slots=True)
class TcpListener:
    """The port, and the address as 16 bytes: one of IPv4 as IPv6 maps it."""

    port: int
    address: bytes


def listeners() -> dict[int, TcpListener]:
    """Return the listening sockets by their inode numbers. Raises OSError."""
    found: dict[int, TcpListener] = {}

    def read(message: bytes) -> bool:
        if len(message) >= _FIXED:
            port = _PORT.unpack_from(message, _PORT_AT)[0]
            address = message[_ADDRESS_AT : _ADDRESS_AT + 16]
            if message[0] == socket.AF_INET:
                address = _MAPPED + address[:4]
            found[_INODE.unpack_from(message, _INODE_AT)[0]] = TcpListener(port, address)
        return len(found) < LISTENERS_MAX

    for family in (socket.AF_INET, socket.AF_INET6):
        sock_diag.dump(_REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 1 << _TCP_LISTEN), read)
    return found
