"""Decode what the probes send: a record, laid out as :mod:`sensor.bpf.layout` has it.

Every length is checked against the bytes at hand; a record that does not fit raises
:class:`RecordMalformed` and is counted by the caller. Then the decoder of its kind makes the
observation, from the fixed part and the tail.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.bpf.layout import (
    FIXED,
    FIXED_BEFORE,
    FROZEN,
    HEAD,
    LAYOUT,
    LAYOUT_BEFORE,
    LINEAGES,
    LISTENER_KNOWN,
    LISTENER_PRIVILEGED,
    NOT_ADDED,
    NS_LEVELS,
    NS_PIDS,
    ROLES,
    SETTLED,
    UNSET,
    UNSET_OFFSET,
    Fixed,
    Flag,
    RecordKind,
)
from sensor.bpf.tail import (
    DEFECT,
    REMEMBERED,
    RecordTail,
    ancestors_of,
    argv_of,
    cgroup_of,
    cut_tail,
    name_of,
    path_of,
    text_of,
)
from sensor.errors import RecordMalformed
from sensor.model.api_calls import (
    ApiAnswer,
    ApiConnect,
    ApiRequest,
    Caller,
    ConnectionClosed,
    Listener,
)
from sensor.model.events import kernel_reference
from sensor.model.kernel_records import (
    CgroupBirth,
    CgroupFrozen,
    CommandExec,
    CommandExit,
    InitExec,
    InitExit,
)
from sensor.model.process import CgroupPaths, Namespaces, ProcessFacts, ProcessKey
from sensor.model.vocabulary import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# An enum's & is a function of Python's, and costs as much as decoding a field.
_STARTED, _OOM_KILLED = int(Flag.STARTED), int(Flag.OOM_KILLED)
_ARGV_TRUNCATED, _NAMED_BY_COMM = int(Flag.ARGV_TRUNCATED), int(Flag.NAMED_BY_COMM)
_CAUSES_LOST, _UNCONFIRMED, _TCP = int(Flag.CAUSES_LOST), int(Flag.UNCONFIRMED), int(Flag.TCP)
_LISTENER_OR_TCP = int(Flag.LISTENER | Flag.TCP)

_make = tuple.__new__
"""Makes a named tuple of as many values as it has fields, in a third of the time of its own."""

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
    ancestors = ancestors_of(raw_ancestors)
    return Caller(
        pid=pid,
        start_time=start_time,
        uid=uid,
        loginuid=_unset(loginuid),
        session=_unset(session),
        comm=name_of(comm),
        exe=name_of(exe) or None,
        tty=name_of(tty) or None,
        parent=ancestors[0].pid if ancestors else None,
        argv=argv_of(raw_argv) or None,
        cgroup=cgroup,
        ancestors=ancestors,
        euid=euid,
        user_ns=user_ns,
    )


def _port(number: int) -> str:
    """Name a port as the place where an engine listens."""
    return f"tcp:127.0.0.1:{number}"


def _unset(value: int) -> int | None:
    return None if value == UNSET else value


def _number(fixed: Fixed) -> int:
    """Number a record across all processors."""
    return fixed.cpu << 48 | fixed.sequence


def _key(fixed: Fixed) -> ProcessKey:
    return ProcessKey(fixed.pid, fixed.start_time)


def _root(fixed: Fixed) -> ProcessKey | None:
    return ProcessKey(fixed.root_pid, fixed.root_start_time) if fixed.root_pid else None


def _process(fixed: Fixed, tail: RecordTail) -> ProcessFacts:
    return ProcessFacts(
        key=_key(fixed),
        uid=fixed.uid,
        gid=fixed.gid,
        loginuid=_unset(fixed.loginuid),
        session=_unset(fixed.session),
        comm=name_of(fixed.comm),
        exe=name_of(fixed.exe) or None,
        tty=name_of(fixed.tty) or None,
        ns_pids=NS_PIDS[min(fixed.ns_levels, NS_LEVELS)].unpack_from(fixed.ns_pids),
        pid_ns=fixed.pid_ns,
        mnt_ns=fixed.mnt_ns,
        cgroup_ns=fixed.cgroup_ns,
        cgroup=cgroup_of(tail.cgroup_v1, tail.cgroup_v2),
        ancestors=ancestors_of(tail.ancestors),
        euid=fixed.euid,
        user_ns=fixed.user_ns,
    )


def _caller_of(fixed: Fixed, tail: RecordTail) -> Caller:
    return _caller(
        fixed.pid,
        fixed.start_time,
        (fixed.uid, fixed.loginuid, fixed.session, fixed.euid, fixed.user_ns),
        (fixed.comm, fixed.exe, fixed.tty),
        cgroup_of(tail.cgroup_v1, tail.cgroup_v2),
        tail.ancestors,
        tail.argv,
    )


def _init_exec(fixed: Fixed, tail: RecordTail) -> InitExec | None:
    if fixed.lineage not in LINEAGES:
        return None
    namespaces = None
    if fixed.user_ns is not None:
        namespaces = Namespaces(
            mnt=fixed.mnt_ns or None,
            pid=fixed.pid_ns or None,
            net=fixed.net_ns or None,
            ipc=fixed.ipc_ns or None,
            uts=fixed.uts_ns or None,
            user=fixed.user_ns or None,
            cgroup=fixed.cgroup_ns or None,
        )
    return InitExec(
        fixed.time,
        _number(fixed),
        _process(fixed, tail),
        argv_of(tail.argv),
        bool(fixed.flags & _ARGV_TRUNCATED),
        LINEAGES[fixed.lineage],
        _root(fixed),
        bool(fixed.flags & _CAUSES_LOST),
        namespaces,
    )


def _init_exit(fixed: Fixed, tail: RecordTail) -> InitExit:
    return InitExit(
        time=fixed.time,
        sequence=_number(fixed),
        process=_key(fixed),
        status=fixed.status,
        started=bool(fixed.flags & _STARTED),
        root=_root(fixed),
        cgroup=cgroup_of(tail.cgroup_v1, tail.cgroup_v2),
        oom_killed=bool(fixed.flags & _OOM_KILLED),
    )


def _command_exec(fixed: Fixed, tail: RecordTail) -> CommandExec | None:
    if fixed.role not in ROLES:
        return None
    process = _process(fixed, tail)
    by_comm = fixed.flags & _NAMED_BY_COMM or process.exe is None
    return CommandExec(
        fixed.time,
        _number(fixed),
        ROLES[fixed.role],
        process.comm if by_comm else process.exe or process.comm,
        process,
        argv_of(tail.argv),
        bool(fixed.flags & _ARGV_TRUNCATED),
        path_of(tail.text) or "/",
    )


def _command_exit(fixed: Fixed, _: RecordTail) -> CommandExit:
    return CommandExit(fixed.time, _number(fixed), _key(fixed), fixed.status)


def _cgroup_birth(fixed: Fixed, tail: RecordTail) -> CgroupBirth:
    process = _process(fixed, tail)
    path = process.cgroup.v1 or process.cgroup.v2 or "/"
    truncated = bool(fixed.flags & _ARGV_TRUNCATED)
    return CgroupBirth(fixed.time, _number(fixed), path, process, argv_of(tail.argv), truncated)


def _cgroup_frozen(fixed: Fixed, tail: RecordTail) -> CgroupFrozen:
    return CgroupFrozen(
        time=fixed.time,
        ref=kernel_reference(_number(fixed)),
        path=cgroup_of(tail.cgroup_v1, tail.cgroup_v2).v2 or "/",
        frozen=bool(fixed.status & FROZEN),
        settled=bool(fixed.status & SETTLED),
        process=_key(fixed),
    )


def _offset(fixed: Fixed) -> int | None:
    return None if fixed.offset == UNSET_OFFSET else fixed.offset


def _socket(fixed: Fixed, tail: RecordTail) -> str:
    """Return where the engine listens: a path, or its port in ``reserved``."""
    return _port(fixed.reserved) if fixed.flags & _TCP else text_of(tail.text)


@lru_cache(REMEMBERED)
def _listener_with(uid: int, user_ns: int, pid_ns: int, status: int) -> Listener:
    """Return who listens. Of a port only the user is known, and namespaces are 0."""
    privileged = bool(status & LISTENER_PRIVILEGED) if user_ns else None
    return Listener(uid, user_ns or None, pid_ns or None, privileged)


def _listener(fixed: Fixed) -> Listener | None:
    """Return who listens at the socket; None where it is unknown, and of older probes."""
    known = fixed.status & LISTENER_KNOWN
    if not known or fixed.net_ns is None or fixed.ipc_ns is None or fixed.uts_ns is None:
        return None
    return _listener_with(fixed.net_ns, fixed.ipc_ns, fixed.uts_ns, fixed.status)


def _api_connect(fixed: Fixed, tail: RecordTail) -> ApiConnect:
    """Decode a connect. One to a port has both ports in ``offset``, the engine's above."""
    socket, port = text_of(tail.text), None
    ports = _offset(fixed)
    if fixed.flags & _TCP and ports is not None:
        socket, port = _port(ports >> 16), ports & 0xFFFF
    return ApiConnect(
        fixed.time,
        Witness.KERNEL,
        kernel_reference(_number(fixed)),
        _caller_of(fixed, tail),
        socket,
        None if fixed.flags & _LISTENER_OR_TCP else fixed.mnt_ns,
        fixed.connection or None,
        not fixed.flags & _UNCONFIRMED,
        port,
        listener=_listener(fixed),
    )


def _api_request(fixed: Fixed, tail: RecordTail) -> ApiRequest:
    return ApiRequest(
        fixed.time,
        kernel_reference(_number(fixed)),
        _caller_of(fixed, tail),
        _socket(fixed, tail),
        tail.payload,
        fixed.connection or None,
        _offset(fixed),
        fixed.sent,
        _listener(fixed),
    )


def _api_answer(fixed: Fixed, tail: RecordTail) -> ApiAnswer:
    return ApiAnswer(
        fixed.time,
        kernel_reference(_number(fixed)),
        fixed.connection or 0,
        _socket(fixed, tail),
        tail.payload,
        _offset(fixed),
        fixed.sent,
    )


def _api_close(fixed: Fixed, _: RecordTail) -> ConnectionClosed:
    return ConnectionClosed(fixed.time, kernel_reference(_number(fixed)), fixed.connection or 0)


_DECODERS: Mapping[int, Callable[[Fixed, RecordTail], KernelObservation | None]] = {
    int(RecordKind.INIT_EXEC): _init_exec,
    int(RecordKind.INIT_EXIT): _init_exit,
    int(RecordKind.COMMAND_EXEC): _command_exec,
    int(RecordKind.COMMAND_EXIT): _command_exit,
    int(RecordKind.CGROUP_BIRTH): _cgroup_birth,
    int(RecordKind.API_CONNECT): _api_connect,
    int(RecordKind.API_REQUEST): _api_request,
    int(RecordKind.API_ANSWER): _api_answer,
    int(RecordKind.API_CLOSE): _api_close,
    int(RecordKind.CGROUP_FROZEN): _cgroup_frozen,
}
"""By kind; None for a role or a lineage that is unknown. Numbers, since an enum's hash is slow."""


def decode(data: bytes) -> KernelObservation:
    """Decode one record. Raises :class:`RecordMalformed`."""
    length = len(data)
    if length == FIXED.size:
        size, kind, layout, time, cpu, status, sequence, start_time, pid = HEAD.unpack_from(data)
        if kind == RecordKind.COMMAND_EXIT and layout == LAYOUT and size == length:
            # A quarter of all records, which say no more than this.
            return CommandExit(time, cpu << 48 | sequence, ProcessKey(pid, start_time), status)
    start = FIXED.size
    fixed = _make(Fixed, FIXED.unpack_from(data)) if length >= start else None
    if fixed is None or fixed.layout != LAYOUT:
        start = FIXED_BEFORE.size
        fixed = _fixed_before(data)
    if fixed.size != length:
        problem = f"record of {fixed.size} bytes in {length}"
        raise RecordMalformed(problem, DEFECT)
    decoder = _DECODERS.get(fixed.kind)
    found = None if decoder is None else decoder(fixed, cut_tail(data, fixed, start))
    if found is None:
        problem = f"record of unknown kind {fixed.kind}, role {fixed.role}, lineage {fixed.lineage}"
        raise RecordMalformed(problem, DEFECT)
    return found


def _fixed_before(data: bytes) -> Fixed:
    """Read the fixed part of the layout before."""
    if len(data) < FIXED_BEFORE.size:
        problem = f"record of {len(data)} bytes, {FIXED_BEFORE.size} are the least"
        raise RecordMalformed(problem, DEFECT)
    fixed = _make(Fixed, FIXED_BEFORE.unpack_from(data) + NOT_ADDED)
    if fixed.layout not in (LAYOUT, LAYOUT_BEFORE):
        problem = f"record of layout {fixed.layout}"
        raise RecordMalformed(problem, DEFECT)
    return fixed
