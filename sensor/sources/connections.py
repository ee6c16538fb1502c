"""Sockets of processes as procfs shows them: what one listens on, and who is at the other end.

``/proc/PID/net/tcp`` and its kin list one network namespace's sockets by inode number, and
``/proc/PID/fd`` says whose they are (proc(5)). Everything read is bounded.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from sensor.dataclass import dataclass
from sensor.linux import tcp_listeners, unix_peers
from sensor.linux.tcp_listeners import TcpListener

DESCRIPTORS_MAX = 4096
"""Descriptors of one process looked at."""

PROCESSES_MAX = 32_768
"""Processes searched for the owner of a socket."""

LINES_MAX = 32_768
"""Sockets of one network namespace read."""

_SOCKET = re.compile(r"socket:\[(\d+)\]")
_LISTEN, _ESTABLISHED = "0A", "01"
_ACCEPTING = 0x10000
"""``__SO_ACCEPTCON`` in the flags of net/unix."""
_TCP_FIELDS, _UNIX_FIELDS = 10, 8
_IPV6_BYTES = 16
_MAPPED = bytes(10) + b"\xff\xff"
"""In front of an address of IPv4 that IPv6 maps (RFC 4291 2.5.5.2)."""


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """One line of net/tcp or net/tcp6: addresses as the kernel prints them, ports as numbers."""

    local: str
    local_port: int
    remote: str
    remote_port: int
    state: str
    inode: int


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A unix socket with a path, or an abstract name behind an ``@``.

    It listens there, or was accepted there.
    """

    inode: int
    path: str
    listens: bool


def sockets_of(pid: int, proc: Path = Path("/proc")) -> frozenset[int]:
    """Return the inode numbers of a process's sockets; none where it is gone."""
    found: set[int] = set()
    try:
        for number, entry in enumerate((proc / str(pid) / "fd").iterdir()):
            if number >= DESCRIPTORS_MAX:
                break
            try:
                match = _SOCKET.fullmatch(str(entry.readlink()))
            except OSError:
                continue
            if match is not None:
                found.add(int(match[1]))
    except OSError:
        pass
    return frozenset(found)


def tcp_sockets(pid: int, proc: Path = Path("/proc")) -> tuple[TcpSocket, ...]:
    """Return the TCP sockets of a process's network namespace."""
    found: list[TcpSocket] = []
    for name in ("tcp", "tcp6"):
        for line in _lines(proc / str(pid) / "net" / name):
            fields = line.split()
            if len(fields) < _TCP_FIELDS:
                continue
            try:
                (local, local_port), (remote, remote_port) = (
                    field.rsplit(":", 1) for field in fields[1:3]
                )
                found.append(
                    TcpSocket(
                        local, int(local_port, 16), remote, int(remote_port, 16), fields[3],
                        int(fields[9]),
                    )
                )  # fmt: skip
            except ValueError:
                continue
    return tuple(found)


def listeners(pid: int, proc: Path = Path("/proc")) -> dict[int, TcpListener]:
    """Return the listening TCP sockets of a process's network namespace, by inode number."""
    if _network_of(proc / str(pid)) == _network_of(Path("/proc/self")):
        with suppress(OSError):
            return tcp_listeners.listeners()
    found: dict[int, TcpListener] = {}
    for one in tcp_sockets(pid, proc):
        local = address(one.local) if one.state == _LISTEN else None
        if local is not None:
            found[one.inode] = TcpListener(one.local_port, local)
    return found


def _network_of(process: Path) -> int | None:
    try:
        return (process / "ns" / "net").stat().st_ino
    except OSError:
        return None


def unix_sockets(pid: int, proc: Path = Path("/proc")) -> tuple[UnixSocket, ...]:
    """Return the unix sockets of a process's network namespace that have a path."""
    found: list[UnixSocket] = []
    for line in _lines(proc / str(pid) / "net" / "unix"):
        fields = line.split(" ", _UNIX_FIELDS - 1)
        # Columns are padded: the split by single blanks leaves empty ones.
        words = line.split(None, _UNIX_FIELDS - 1)
        if len(fields) < _UNIX_FIELDS or len(words) < _UNIX_FIELDS:
            continue
        try:
            accepting = int(words[3], 16) & _ACCEPTING
            inode = int(words[6])
        except ValueError:
            continue
        if words[7].startswith(("/", "@")):
            found.append(UnixSocket(inode, words[7], bool(accepting)))
    return tuple(found)


def _lines(table: Path) -> list[str]:
    lines: list[str] = []
    try:
        with table.open(encoding="utf-8", errors="surrogateescape") as file:
            next(file, None)
            for number, line in enumerate(file):
                if number >= LINES_MAX:
                    break
                lines.append(line.rstrip("\n"))
    except OSError:
        return []
    return lines


def other_ends(
    own: frozenset[int], ports: frozenset[int], table: tuple[TcpSocket, ...]
) -> dict[int, TcpSocket]:
    """Return the other ends, on this host, of established sockets that were accepted at ``ports``.

    By the inode number of the other end: the own socket.
    """
    ends = {
        (one.local_port, one.remote_port, one.local, one.remote): one.inode
        for one in table
        if one.state == _ESTABLISHED
    }
    found: dict[int, TcpSocket] = {}
    for one in table:
        if one.state != _ESTABLISHED or one.inode not in own or one.local_port not in ports:
            continue
        other = ends.get((one.remote_port, one.local_port, one.remote, one.local))
        if other and other != one.inode:
            found[other] = one
    return found


def serves_others(own: frozenset[int], ports: frozenset[int], table: tuple[TcpSocket, ...]) -> bool:
    """Whether a socket that was accepted at ``ports`` has its other end outside of the table."""
    accepted = {
        one.inode
        for one in table
        if one.state == _ESTABLISHED and one.inode in own and one.local_port in ports
    }
    return len(accepted) > len(other_ends(own, ports, table))


def address(printed: str) -> bytes | None:
    """Return an address of net/tcp or net/tcp6 as 16 bytes, one of IPv4 as IPv6 maps it.

    The kernel prints each four bytes as a number of this machine. None for anything else.
    """
    try:
        numbers = bytes.fromhex(printed)
    except ValueError:
        return None
    words = b"".join(numbers[start : start + 4][::-1] for start in range(0, len(numbers), 4))
    return _MAPPED[: _IPV6_BYTES - len(words)] + words if len(words) in (4, 16) else None


def unix_other_ends(own: frozenset[int]) -> frozenset[int]:
    """Return the inode numbers at the other ends of a process's unix sockets."""
    try:
        peers = unix_peers.peers()
    except OSError:
        return frozenset()
    return frozenset(peers[inode] for inode in own if inode in peers)


def owners(inodes: frozenset[int], proc: Path = Path("/proc")) -> dict[int, int]:
    """Find a process that holds each socket: pids by inode number, the lowest pid of several."""
    found: dict[int, int] = {}
    try:
        pids = sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    except OSError:
        return found
    for pid in pids[:PROCESSES_MAX]:
        for inode in sockets_of(pid, proc) & inodes:
            found.setdefault(inode, pid)
        if len(found) == len(inodes):
            break
    return found
