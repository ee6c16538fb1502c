"""Who is at the other end of a unix socket, as the kernel says (unix(7))."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

_UCRED = struct.Struct("iII")
_SO_PEERGROUPS = 59
"""Since Linux 4.13 (include/uapi/asm-generic/socket.h); CPython has no name for it."""
_GROUPS_BYTES = 1024
"""The most that socket.getsockopt takes: 256 groups. Of a user in more, the first 256 count."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that connected, with the credentials that it had then."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int]
    """Its supplementary groups; empty where the kernel does not give them."""

    def may_read(self, group: int | None) -> bool:
        """Return whether it is root, the agent's own user, or in the socket's group."""
        return self.uid in {0, os.geteuid()} or (
            group is not None and (self.gid == group or group in self.groups)
        )

    def may_control(self) -> bool:
        """Return whether it is root."""
        return self.uid == 0


def peer_uid(connection: socket.socket | TransportSocket) -> int:
    """Return the uid at the other end: of a listener, that of the process that called listen(2)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(raw)[1])


def peer_of(connection: socket.socket) -> Peer:
    """Return the peer of a connected unix socket."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(raw)
    try:
        packed = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES)
    except OSError:
        packed = b""
    groups = frozenset(struct.unpack(f"{len(packed) // 4}I", packed))
    return Peer(pid, uid, gid, groups)
