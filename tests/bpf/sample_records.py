"""Records packed as the probes pack them, for the tests of those who read them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from sensor.bpf.layout import (
    ADDED,
    ANCESTOR,
    FIXED_BEFORE,
    LAYOUT,
    LAYOUT_BEFORE,
    NS_LEVELS,
    UNSET,
    UNSET_OFFSET,
    RecordKind,
)


def pack(
    kind: int = RecordKind.INIT_EXEC,
    *,
    layout: int = LAYOUT,
    size: int | None = None,
    time: int = 5,
    cpu: int = 1,
    status: int = 0,
    sequence: int = 7,
    start_time: int = 4,
    pid: int = 101,
    uid: int = 0,
    gid: int = 0,
    loginuid: int = UNSET,
    session: int = UNSET,
    namespaces: Sequence[int] = (11, 12, 13),
    ns_pids: Sequence[int] = (101, 1),
    comm: bytes = b"sleep",
    exe: bytes = b"busybox",
    tty: bytes = b"",
    root: tuple[int, int] = (100, 3),
    lineage: int = 1,
    role: int = 0,
    flags: int = 0,
    ancestors: Sequence[tuple[int, int, bytes, bytes]] = (),
    v1: Sequence[bytes] = (),
    v2: Sequence[bytes] = (b"web", b"default"),
    text: bytes = b"",
    payload: bytes = b"",
    argv: bytes = b"sleep\x001\0",
    euid: int = 0,
    user_ns: int = 21,
    others: Sequence[int] = (22, 23, 24),
    sent: int = 0,
    connection: int = 0,
    offset: int = UNSET_OFFSET,
) -> bytes:
    """One record; cgroup names are given leaf first, as the kernel walks them."""
    tail = b"".join(
        ANCESTOR.pack(a_pid, 0, a_start, a_comm, a_exe)
        for a_pid, a_start, a_comm, a_exe in ancestors
    )
    v1_names, v2_names = (b"".join(name + b"\0" for name in names) for names in (v1, v2))
    tail += v1_names + v2_names + text + payload + argv
    padded = struct.pack("<8I", *(*ns_pids, *[0] * NS_LEVELS)[:NS_LEVELS])
    root_pid, root_start = root
    before = layout == LAYOUT_BEFORE
    added = b"" if before else ADDED.pack(euid, user_ns, *others, sent, connection, offset)
    fixed = FIXED_BEFORE.pack(
        FIXED_BEFORE.size + len(added) + len(tail) if size is None else size,
        kind, layout, time, cpu, status, sequence, start_time, pid, uid, gid, loginuid, session,
        *namespaces, padded, comm, exe, tty, root_start, root_pid, lineage, role, flags,
        len(ns_pids), len(ancestors), len(v1_names), len(v2_names), len(argv), len(text),
        len(payload), 0,
    )  # fmt: skip
    return fixed + added + tail
