"""The mirror of ``probes/record.h``: how a record lies in memory, and what its numbers mean.

A record is a fixed part (``struct record``, here :class:`Fixed`) and a tail: the ancestors, the
names of the cgroup's path in both hierarchies, a text, a payload and the arguments.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import NamedTuple

from sensor.model.vocabulary import Lineage, Role

LAYOUT = 3
"""``CASTOFF_LAYOUT``: raised whenever a field moves, or means another thing than before.

A field that older sets of the layout leave 0 may be filled where 0 says that nothing is known.
"""

LAYOUT_BEFORE = 2
"""Of a set that an older version loaded: it is drained after the switch. Its records end with what
is now ``reserved``."""

FIXED_BEFORE = struct.Struct("<IHHQIIQ QIIIIIIII 32s 16s32s16s QIBBBB HHHHHHI".replace(" ", ""))
FIXED = struct.Struct(f"{FIXED_BEFORE.format}IIIIIIQQ")
ADDED = struct.Struct("<IIIIIIQQ")
HEAD = struct.Struct("<IHHQIIQ QI".replace(" ", ""))
"""What it begins with, up to the pid."""
ANCESTOR = struct.Struct("<IIQ16s32s")

NS_LEVELS = 8
NS_PIDS = tuple(struct.Struct(f"<{levels}I") for levels in range(NS_LEVELS + 1))
"""How the pids of a process in its pid namespaces are read, by their number."""
ARGV_MAX = 4096
UNSET = 0xFFFFFFFF
UNSET_OFFSET = 0xFFFFFFFFFFFFFFFF


class Fixed(NamedTuple):
    """``struct record``. What a record of the layout before lacks is None."""

    size: int
    kind: int
    layout: int
    time: int
    cpu: int
    status: int
    sequence: int
    start_time: int
    pid: int
    uid: int
    gid: int
    loginuid: int
    session: int
    pid_ns: int
    mnt_ns: int
    cgroup_ns: int
    ns_pids: bytes
    comm: bytes
    exe: bytes
    tty: bytes
    root_start_time: int
    root_pid: int
    lineage: int
    role: int
    flags: int
    ns_levels: int
    ancestor_count: int
    cgroup_v1_len: int
    cgroup_v2_len: int
    argv_len: int
    text_len: int
    payload_len: int
    reserved: int
    euid: int | None
    user_ns: int | None
    net_ns: int | None
    ipc_ns: int | None
    uts_ns: int | None
    sent: int | None
    connection: int | None
    offset: int | None


NOT_ADDED = (None, None, None, None, None, None, None, None)
"""What stands for the fields of :data:`ADDED` where a record has none."""


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


FROZEN, SETTLED = 1, 2
"""``enum freezing``."""

LISTENER_KNOWN, LISTENER_PRIVILEGED = 1, 2
"""``enum listener_bit``."""

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
