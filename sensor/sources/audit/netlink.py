"""Audit records from the kernel's multicast group: the way in that disturbs no other reader.

The group AUDIT_NLGRP_READLOG (since 3.16; CAP_AUDIT_READ) hands every record to every listener,
and drops what a listener's buffer cannot take. auditd keeps its unicast socket, which is never
touched here: a reader that took it would stall every audited process on the host. Nothing is ever
sent.

Only the initial network namespace is served (kauditd_send_multicast_skb() of kernel/audit.c);
a bind in another one succeeds and stays silent. The kernel announces each listener in an
EVENT_LISTENER record, to the listener as well: hearing it proves the way open.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.errors import KernelUnsupported, PermissionMissing
from sensor.sources.audit.record import from_datagram
from sensor.sources.audit.unavailable import AuditUnavailable

if TYPE_CHECKING:
    from sensor.sources.audit.record import AuditRecord

NETLINK_AUDIT = 9
READLOG_GROUP = 1
"""AUDIT_NLGRP_READLOG as a bit of ``nl_groups``."""

BUFFER = 8 << 20
"""Bytes asked for. The kernel accounts more for a record than its text."""

BATCH_MAX = 2048
"""Datagrams of one read."""

_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")
"""``SK_MEMINFO_*`` of include/uapi/linux/sock_diag.h; the last is SK_MEMINFO_DROPS."""
_DATAGRAM_MAX = 16 << 10
_KERNEL_PORT = 0
_INITIAL_PID_NS = "pid:[4026531836]"
"""PROC_PID_INIT_INO of include/linux/proc_ns.h."""


class NetlinkReader:
    """A listener of the multicast group.

    Raises :class:`KernelUnsupported` where the kernel has no audit, :class:`PermissionMissing`
    without CAP_AUDIT_READ, :class:`AuditUnavailable` in another network namespace.
    """

    def __init__(self, buffer: int = BUFFER) -> None:
        self._socket = _open()
        if not in_namespace_of_init(self._socket):
            self._socket.close()
            problem = "audit records reach the initial network namespace only, and this is another"
            raise AuditUnavailable(problem, "Run on the host's network: hostNetwork: true.")
        _set_buffer(self._socket, buffer)
        self.overruns = 0
        """Times that the kernel reported dropped records."""
        self.malformed = 0
        self.heard = False
        """Any record arrived: audit is enabled and this namespace is served."""
        self.has_more = False

    @property
    def descriptor(self) -> int:
        """Readable when there are records."""
        return self._socket.fileno()

    @property
    def buffer(self) -> int:
        """Bytes that the kernel granted, as it counts them (twice what was asked for)."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    @property
    def dropped(self) -> int:
        """Records that found no room in the buffer: ``sk_drops`` of SO_MEMINFO (since 4.12)."""
        info = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        return int(_MEMINFO.unpack(info)[-1]) if len(info) == _MEMINFO.size else 0

    def read(self) -> list[AuditRecord]:
        """Take what is there, at most :data:`BATCH_MAX` datagrams; never waits."""
        records: list[AuditRecord] = []
        self.has_more = False
        for _ in range(BATCH_MAX):
            try:
                data, sender = self._socket.recvfrom(_DATAGRAM_MAX)
            except BlockingIOError:
                return records
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                continue
            record = from_datagram(data) if sender[0] == _KERNEL_PORT else None
            if record is None:
                self.malformed += 1
                continue
            self.heard = True
            records.append(record)
        self.has_more = True
        return records

    def close(self) -> None:
        """Leave the group."""
        self._socket.close()


def _open() -> socket.socket:
    try:
        opened = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
            NETLINK_AUDIT,
        )
    except OSError as error:
        problem = f"kernel {os.uname().release} has no audit: {error.strerror}"
        raise KernelUnsupported(
            problem, "Use a kernel with CONFIG_AUDIT, or do without."
        ) from error
    try:
        opened.bind((0, READLOG_GROUP))
    except PermissionError as error:
        opened.close()
        problem = "reading audit records needs CAP_AUDIT_READ in the initial user namespace"
        raise PermissionMissing(
            problem, "Run as root, or add AUDIT_READ to the service's or pod's capabilities."
        ) from error
    except OSError as error:
        opened.close()
        problem = f"kernel {os.uname().release} has no audit multicast group: {error.strerror}"
        raise KernelUnsupported(
            problem, "It needs Linux 3.16: use the plugin or the log instead."
        ) from error
    return opened


def _set_buffer(opened: socket.socket, size: int) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:
        # Without CAP_NET_ADMIN: as much as net.core.rmem_max allows.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def in_namespace_of_init(opened: socket.socket, proc: Path = Path("/proc")) -> bool:
    """Return whether init lists this socket as one of its network namespace, if that is known.

    Asked of /proc/1/net/netlink, since /proc/1/ns/net takes CAP_SYS_PTRACE to read. Where init is
    not the host's, or does not let itself be asked, the answer is yes, and
    :attr:`NetlinkReader.heard` shows the truth.
    """
    inode = str(os.fstat(opened.fileno()).st_ino).encode()
    try:
        if str((proc / "self/ns/pid").readlink()) != _INITIAL_PID_NS:
            return True
        listed = (proc / "1/net/netlink").read_bytes()
    except OSError:
        return True
    return any(line.split()[-1:] == [inode] for line in listed.splitlines())
