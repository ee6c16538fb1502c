"""Decode what the probes send: the mirror of ``probes/record.h``.

A record is a fixed part (``struct record``) and a tail. Every length is checked against the bytes
at hand; a record that does not fit raises :class:`RecordMalformed` and is counted by the caller.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from functools import lru_cache

from sensor.errors import RecordMalformed
from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiRequest, Caller, ConnectionClosed
from sensor.model.events import kernel_reference
from sensor.model.kernel_records import (
    CgroupBirth,
    CgroupFrozen,
    CommandExec,
    CommandExit,
    InitExec,
    InitExit,
)
from sensor.model.process import Ancestor, CgroupPaths, Namespaces, ProcessFacts, ProcessKey
from sensor.model.vocabulary import Lineage, Role, Witness

LAYOUT = 3
"""``CASTOFF_LAYOUT``: raised whenever record.h changes."""

LAYOUT_BEFORE = 2
"""Of a set that an older version loaded: it is drained after the switch. Its records end with what
is now ``reserved``."""

FIXED_BEFORE = struct.Struct("<IHHQIIQ QIIIIIIII 8I 16s32s16s QIBBBB HHHHHHI".replace(" ", ""))
FIXED = struct.Struct(f"{FIXED_BEFORE.format}IIIIIIQQ")
ADDED = struct.Struct("<IIIIIIQQ")
HEAD = struct.Struct("<IHHQIIQ QI".replace(" ", ""))
"""What it begins with, up to the pid."""
ANCESTOR = struct.Struct("<IIQ16s32s")

NS_LEVELS = 8
ARGV_MAX = 4096
UNSET = 0xFFFFFFFF
UNSET_OFFSET = 0xFFFFFFFFFFFFFFFF

REMEMBERED = 256
"""Ancestors and cgroups whose decoded forms are remembered: the same come again and again, and a
record costs half as much."""

_FIX = "This is a defect of Castoff, or of the kernel's BTF: report the kernel's version."


class RecordKind(IntEnum):
    """``enum record_kind``."""

    INIT_EXEC = 1
    INIT_EXIT = 2
    COMMAND_EXEC = 3
    COMMAND_EXIT = 4
    CGROUP_BIRTH = 5
    API_CONNECT = 6
    API_REQUEST = 7
    API_ANSWER = 8
    API_CLOSE = 9
    CGROUP_FROZEN = 10


class Flag(IntFlag):
    """``enum record_flag``."""

    STARTED = 1
    OOM_KILLED = 2
    ARGV_TRUNCATED = 4
    NAMED_BY_COMM = 8
    LISTENER = 16
    CAUSES_LOST = 32
    UNCONFIRMED = 64
    TCP = 128


# An enum's & is a function of Python's, and costs as much as decoding a field.
_STARTED, _OOM_KILLED, _LISTENER = int(Flag.STARTED), int(Flag.OOM_KILLED), int(Flag.LISTENER)
_ARGV_TRUNCATED, _NAMED_BY_COMM = int(Flag.ARGV_TRUNCATED), int(Flag.NAMED_BY_COMM)
_CAUSES_LOST, _UNCONFIRMED, _TCP = int(Flag.CAUSES_LOST), int(Flag.UNCONFIRMED), int(Flag.TCP)

FROZEN, SETTLED = 1, 2
"""``enum freezing``."""

LINEAGES = {
    1: Lineage.RUNTIME,
    2: Lineage.SUPERVISOR,
    3: Lineage.CGROUP_MAKER,
    4: Lineage.CGROUP,
}
ROLES = {
    1: Role.RUNTIME,
    2: Role.SHIM,
    3: Role.MONITOR,
    4: Role.ENGINE,
    5: Role.CLIENT,
    6: Role.ORCHESTRATOR,
}

KernelObservation = (
    InitExec
    | InitExit
    | CommandExec
    | CommandExit
    | CgroupBirth
    | ApiConnect
    | ApiRequest
    | ApiAnswer
    | ConnectionClosed
    | CgroupFrozen
)


_NOT_ADDED = (None, None, None, None, None, None, None, None)


@lru_cache(REMEMBERED)
def _name(raw: bytes) -> str:
    """Decode a NUL-padded name of a program or a terminal: few, and records share them."""
    return _text(raw)


def _text(raw: bytes) -> str:
    """Decode a NUL-padded field."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _path(names: bytes) -> str | None:
    """Join names, innermost first, into a path; None for a root, which has no name."""
    if not names:
        return None
    parts = names.split(b"\0")[:-1]
    parts.reverse()
    return "/" + b"/".join(parts).decode("utf-8", "surrogateescape")


@lru_cache(REMEMBERED)
def _ancestor(raw: bytes) -> Ancestor:
    """Decode one ancestor: engines and shells stand above many processes."""
    pid, _pad, start_time, comm, exe = ANCESTOR.unpack(raw)
    return Ancestor(pid, start_time, _name(comm), _name(exe) or None)


@lru_cache(REMEMBERED)
def _ancestors(raw: bytes) -> tuple[Ancestor, ...]:
    """Decode all ancestors: each record of a process repeats them."""
    return tuple(
        _ancestor(raw[start : start + ANCESTOR.size]) for start in range(0, len(raw), ANCESTOR.size)
    )


@lru_cache(REMEMBERED)
def _cgroup(v1: bytes, v2: bytes) -> CgroupPaths:
    return CgroupPaths(_path(v1), _path(v2))


@lru_cache(REMEMBERED)
def _caller(
    pid: int,
    start_time: int,
    user: tuple[int, int, int, int | None, int | None],
    names: tuple[bytes, bytes, bytes],
    cgroup: CgroupPaths,
    raw_ancestors: bytes,
    raw_argv: bytes,
) -> Caller:
    """Return a process that calls an engine: its connects and requests share it."""
    uid, loginuid, session, euid, user_ns = user
    comm, exe, tty = names
    ancestors = _ancestors(raw_ancestors)
    return Caller(
        pid=pid,
        start_time=start_time,
        uid=uid,
        loginuid=_unset(loginuid),
        session=_unset(session),
        comm=_name(comm),
        exe=_name(exe) or None,
        tty=_name(tty) or None,
        parent=ancestors[0].pid if ancestors else None,
        argv=_argv(raw_argv) or None,
        cgroup=cgroup,
        ancestors=ancestors,
        euid=euid,
        user_ns=user_ns,
    )


@lru_cache(REMEMBERED)
def _argv(raw: bytes) -> tuple[str, ...]:
    """Split a command line as procfs does: NUL-terminated arguments.

    A client's execve and its connects have the same one.
    """
    if not raw:
        return ()
    parts = raw.decode("utf-8", "surrogateescape").split("\0")
    if parts[-1] == "":
        parts.pop()
    return tuple(parts)


def _port(number: int) -> str:
    """Name a port as the place where an engine listens."""
    return f"tcp:127.0.0.1:{number}"


def _unset(value: int) -> int | None:
    return None if value == UNSET else value


def decode(  # noqa: C901, PLR0911, PLR0912, PLR0915 - one branch for each kind of record
    data: bytes,
) -> KernelObservation:
    """Decode one record. Raises :class:`RecordMalformed`."""
    if len(data) < FIXED_BEFORE.size:
        problem = f"record of {len(data)} bytes, {FIXED_BEFORE.size} are the least"
        raise RecordMalformed(problem, _FIX)
    size, kind, layout, time, cpu, status, sequence, start_time, pid = HEAD.unpack_from(data)
    if kind == RecordKind.COMMAND_EXIT and layout == LAYOUT and size == len(data) == FIXED.size:
        # A quarter of all records, which say no more than this.
        return CommandExit(time, cpu << 48 | sequence, ProcessKey(pid, start_time), status)
    (
        size, kind, layout, time, cpu, status, sequence,
        start_time, pid, uid, gid, loginuid, session, pid_ns, mnt_ns, cgroup_ns,
        n0, n1, n2, n3, n4, n5, n6, n7,
        comm, exe, tty,
        root_start, root_pid, lineage, role, flags, levels,
        ancestor_count, v1_len, v2_len, argv_len, text_len, payload_len, reserved,
    ) = FIXED_BEFORE.unpack_from(data)  # fmt: skip
    if layout == LAYOUT and len(data) >= FIXED.size:
        fixed = FIXED.size
        added = ADDED.unpack_from(data, FIXED_BEFORE.size)
    else:
        fixed, added = FIXED_BEFORE.size, None
    if layout not in (LAYOUT, LAYOUT_BEFORE) or size != len(data):
        problem = f"record of layout {layout} and {size} bytes in {len(data)}"
        raise RecordMalformed(problem, _FIX)
    euid, user_ns, net_ns, ipc_ns, uts_ns, sent, connection, offset = added or _NOT_ADDED
    ancestors_end = fixed + ancestor_count * ANCESTOR.size
    v1_end = ancestors_end + v1_len
    v2_end = v1_end + v2_len
    text_end = v2_end + text_len
    payload_end = text_end + payload_len
    if payload_end + argv_len != size:
        problem = f"record of kind {kind}: parts of {payload_end + argv_len} bytes in {size}"
        raise RecordMalformed(problem, _FIX)

    key = ProcessKey(pid, start_time)
    number = cpu << 48 | sequence
    root = ProcessKey(root_pid, root_start) if root_pid else None
    if kind == RecordKind.COMMAND_EXIT:
        return CommandExit(time, number, key, status)
    text = data[v2_end:text_end]
    payload = data[text_end:payload_end]
    at = None if offset is None or offset == UNSET_OFFSET else offset
    if kind == RecordKind.API_ANSWER:
        socket = _port(reserved) if flags & _TCP else _text(text)
        return ApiAnswer(time, kernel_reference(number), connection or 0, socket, payload, at, sent)
    if kind == RecordKind.API_CLOSE:
        return ConnectionClosed(time, kernel_reference(number), connection or 0)
    cgroup = _cgroup(data[ancestors_end:v1_end], data[v1_end:v2_end])
    if kind == RecordKind.CGROUP_FROZEN:
        return CgroupFrozen(
            time=time,
            ref=kernel_reference(number),
            path=cgroup.v2 or "/",
            frozen=bool(status & FROZEN),
            settled=bool(status & SETTLED),
            process=key,
        )
    if kind == RecordKind.INIT_EXIT:
        return InitExit(
            time=time,
            sequence=number,
            process=key,
            status=status,
            started=bool(flags & _STARTED),
            root=root,
            cgroup=cgroup,
            oom_killed=bool(flags & _OOM_KILLED),
        )
    if kind in (RecordKind.API_CONNECT, RecordKind.API_REQUEST):
        caller = _caller(
            pid,
            start_time,
            (uid, loginuid, session, euid, user_ns),
            (comm, exe, tty),
            cgroup,
            data[fixed:ancestors_end],
            data[payload_end:],
        )
        reference = kernel_reference(number)
        link = connection or None
        socket = _text(text)
        if kind == RecordKind.API_REQUEST:
            socket = _port(reserved) if flags & _TCP else socket
            return ApiRequest(time, reference, caller, socket, payload, link, at, sent)
        if flags & _TCP and at is not None:
            socket = _port(at >> 16)
        place = None if flags & (_LISTENER | _TCP) else mnt_ns
        confirmed = not flags & _UNCONFIRMED
        port = at & 0xFFFF if flags & _TCP and at is not None else None
        return ApiConnect(
            time, Witness.KERNEL, reference, caller, socket, place, link, confirmed, port
        )
    ancestors = _ancestors(data[fixed:ancestors_end])
    argv = _argv(data[payload_end:])
    process = ProcessFacts(
        key=key,
        uid=uid,
        gid=gid,
        loginuid=_unset(loginuid),
        session=_unset(session),
        comm=_name(comm),
        exe=_name(exe) or None,
        tty=_name(tty) or None,
        ns_pids=(n0, n1, n2, n3, n4, n5, n6, n7)[:levels],
        pid_ns=pid_ns,
        mnt_ns=mnt_ns,
        cgroup_ns=cgroup_ns,
        cgroup=cgroup,
        ancestors=ancestors,
        euid=euid,
        user_ns=user_ns,
    )
    truncated = bool(flags & _ARGV_TRUNCATED)
    if kind == RecordKind.INIT_EXEC and lineage in LINEAGES:
        lost = bool(flags & _CAUSES_LOST)
        namespaces = None
        if user_ns is not None:
            namespaces = Namespaces(
                mnt=mnt_ns or None,
                pid=pid_ns or None,
                net=net_ns or None,
                ipc=ipc_ns or None,
                uts=uts_ns or None,
                user=user_ns or None,
                cgroup=cgroup_ns or None,
            )
        return InitExec(
            time, number, process, argv, truncated, LINEAGES[lineage], root, lost, namespaces
        )
    if kind == RecordKind.COMMAND_EXEC and role in ROLES:
        by_comm = flags & _NAMED_BY_COMM or process.exe is None
        program = process.comm if by_comm else process.exe or process.comm
        cwd = _path(text) or "/"
        return CommandExec(time, number, ROLES[role], program, process, argv, truncated, cwd)
    if kind == RecordKind.CGROUP_BIRTH:
        path = cgroup.v1 or cgroup.v2 or "/"
        return CgroupBirth(time, number, path, process, argv, truncated)
    problem = f"record of unknown kind {kind}, role {role}, lineage {lineage}"
    raise RecordMalformed(problem, _FIX)
