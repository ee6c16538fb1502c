"""One audit record, from a netlink datagram or from a line of text.

A record is a message type and a text that begins ``audit(SECONDS.MILLIS:SERIAL): ``. Netlink gives
the type as a number (include/uapi/linux/audit.h), auditd's log and its plugins as a name. Records
that carry the same stamp make one event.

Everything is bounded and nothing raises: what is not a record becomes None.
"""

from __future__ import annotations

import re
import struct

from sensor.dataclass import dataclass

RECORD_MAX = 9000
"""Bytes kept of a record's text; MAX_AUDIT_MESSAGE_LENGTH of libaudit.h is 8970."""

LINE_MAX = 32 << 10
"""Bytes of one line of a log: a full record, its enrichment and a node's name fit well."""
NODE_MAX = 255
"""Bytes of a node's name."""

ENRICHED_MARK = b"\x1d"
"""Begins the second set of fields of ``log_format = ENRICHED`` (auditd.conf(5))."""

_HEADER = struct.Struct("=IHHII")
"""``struct nlmsghdr``: length, type, flags, sequence, port."""

_NAMES = {
    1300: "SYSCALL",
    1302: "PATH",
    1305: "CONFIG_CHANGE",
    1306: "SOCKADDR",
    1307: "CWD",
    1309: "EXECVE",
    1320: "EOE",
    1321: "BPRM_FCAPS",
    1327: "PROCTITLE",
    1335: "EVENT_LISTENER",
}
"""The types that this package looks at by name."""

_COMPOUND_LOW, _COMPOUND_HIGH = 1300, 1700
"""Types of the kernel's events of several records, but for LOGIN."""
_LOGIN = 1006

_COMPOUND = frozenset(
    (
        *_NAMES.values(),
        *("LOGIN", "FS_WATCH", "IPC", "SOCKETCALL", "IPC_SET_PERM", "MQ_OPEN", "MQ_SENDRECV"),
        *("MQ_NOTIFY", "MQ_GETSETATTR", "KERNEL_OTHER", "FD_PAIR", "OBJ_PID", "TTY", "CAPSET"),
        *("MMAP", "NETFILTER_PKT", "NETFILTER_CFG", "SECCOMP", "FEATURE_CHANGE", "REPLACE"),
        *("KERN_MODULE", "FANOTIFY", "TIME_INJOFFSET", "TIME_ADJNTPVAL", "BPF", "URINGOP"),
        *("OPENAT2", "DM_CTRL", "DM_EVENT", "AVC", "AVC_PATH", "SELINUX_ERR", "APPARMOR_DENIED"),
    )
)
_COMPOUND_UNKNOWN = re.compile(rb"UNKNOWN\[1[3-6]\d\d\]")

_STAMP = re.compile(rb"audit\((\d{1,18})\.(\d{1,3}):(\d{1,10})\)(?:: ?|$| )")
_LINE = re.compile(rb"(?:node=(\S+) )?type=([A-Z0-9_]+|UNKNOWN\[\d{1,5}\]) msg=")

_U32 = 1 << 32


@dataclass(frozen=True, slots=True)
class RecordStamp:
    """What all records of one event share.

    Seconds and milliseconds are wall time at the system call's entry, read from the kernel's coarse
    clock: up to a jiffy old. ``serial`` counts modulo 2^32. ``node`` is None for this node.
    """

    seconds: int
    millis: int
    serial: int
    node: str | None = None

    @property
    def ref(self) -> str:
        """How ausearch and the log name the event: ``1780000000.123:456``."""
        return f"{self.seconds}.{self.millis:03}:{self.serial}"

    @property
    def wall(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return (self.seconds * 1000 + self.millis) * 1_000_000


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record. ``text`` is what follows the stamp, as it came, without enrichment."""

    stamp: RecordStamp
    type: str
    text: bytes
    alone: bool
    """Its type mostly is an event of one record: 1100-1299, 1700 and above, names not known here.
    IMA and anomalies of the kernel (1700-1899) may join a system call's event."""


def _stamp(match: re.Match[bytes], node: str | None) -> RecordStamp:
    seconds, millis, serial = (int(group) for group in match.groups())
    return RecordStamp(seconds, millis, serial % _U32, node)


def from_datagram(data: bytes) -> AuditRecord | None:
    """Read one netlink datagram: ``struct nlmsghdr`` and the record's text."""
    if len(data) < _HEADER.size:
        return None
    number = _HEADER.unpack_from(data)[1]
    match = _STAMP.match(data, _HEADER.size)
    if match is None:
        return None
    return AuditRecord(
        stamp=_stamp(match, None),
        type=_NAMES.get(number, f"UNKNOWN[{number}]"),
        text=data[match.end() : match.end() + RECORD_MAX].rstrip(b"\0\n"),
        alone=not (_COMPOUND_LOW <= number < _COMPOUND_HIGH or number == _LOGIN),
    )


def from_line(line: bytes) -> AuditRecord | None:
    """Read one line of audit.log or of a plugin's input, with or without ``node=``."""
    head = _LINE.match(line)
    if head is None:
        return None
    stamp = _STAMP.match(line, head.end())
    if stamp is None:
        return None
    node = head.group(1)
    name = head.group(2)
    text = line[stamp.end() : stamp.end() + RECORD_MAX]
    return AuditRecord(
        stamp=_stamp(stamp, node[:NODE_MAX].decode("utf-8", "surrogateescape") if node else None),
        type=name.decode("ascii"),
        text=text.partition(ENRICHED_MARK)[0].rstrip(b"\r\n\0 "),
        alone=name.decode("ascii") not in _COMPOUND and not _COMPOUND_UNKNOWN.fullmatch(name),
    )
