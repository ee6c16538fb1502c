"""What runs already when probes are attached, written into their maps from procfs.

Without it, a container's init that was running before and executes itself anew would look like a
start, an exec session into such a container too, and a shim that was running before would found no
lineage for the runtimes it calls.

Each entry ends with a living process: the kernel uses numbers of mount namespaces again, and an
entry that stayed would hide the next container that gets the number.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.bpf.libbpf import BpfMap
from sensor.dataclass import dataclass
from sensor.linux.process import awaits_execve, stat_of, status_of
from sensor.model.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.bpf.pins import PinSet
    from sensor.bpf.watched import Roles

_LINEAGE = struct.Struct("<QIIIHH")
_STARTED = struct.Struct("<QQIBBBB")
_MOUNT = struct.Struct("<QII")
_U32 = struct.Struct("<I")
_LINEAGE_RUNTIME, _LINEAGE_SUPERVISOR = 1, 2
_QUIET, _PRIVILEGED, _ASKS = 1, 2, 4
"""``enum lineage_flag``."""
_SYS_ADMIN = 1 << 21
_GET_MOUNT_IDENTITY = 0x8008B705
"""``NS_GET_MNTNS_ID`` of include/uapi/linux/nsfs.h, since 6.11."""

_LINEAGE_2 = struct.Struct("<QIIII")
_STARTED_2 = struct.Struct("<QII")
_QUIET_2 = 1 << 31
"""The maps of layout 2, whose lineages had their one flag beside the level."""

PROCESSES_MAX = 100_000
"""Processes looked at; a node has far fewer (kernel.pid_max defaults to 32,768 or 4,194,304)."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process as procfs shows it. ``start_time`` in ns since boot, rounded down to ticks."""

    pid: int
    parent: int
    start_time: int
    comm: str
    exe: str | None
    level: int
    innermost_pid: int
    mnt_ns: int
    privileged: bool = False
    """It may do anything on this host: origin_of() in budget.bpf.h."""
    pending: bool = False
    """It is what its runtime forked, and has executed nothing: its start is still to come."""


def _namespace(path: Path) -> int:
    match = re.search(r"\[(\d+)\]", str(path.readlink()))
    return int(match.group(1)) if match else 0


def _read(proc: Path) -> Running | None:
    """Read one /proc/PID; None when the process went away or is a kernel thread."""
    try:
        mnt_ns = _namespace(proc / "ns" / "mnt")
        user_ns = _namespace(proc / "ns" / "user")
        exe = (proc / "exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return None
    pid = int(proc.name)
    stat, status = stat_of(pid, proc.parent), status_of(pid, proc.parent)
    if stat is None or status is None:
        return None
    pids = status.pids or (pid,)
    return Running(
        pid=pid,
        parent=stat.parent,
        start_time=stat.start_time,
        comm=stat.comm,
        exe=exe,
        level=len(pids) - 1,
        innermost_pid=pids[-1],
        mnt_ns=mnt_ns,
        privileged=bool(status.capabilities & _SYS_ADMIN) and user_ns == _first_user_namespace(),
        pending=awaits_execve(pid, stat, proc.parent),
    )


@cache
def _first_user_namespace() -> int:
    """The agent's own: only a process of the first user namespace may load probes."""
    return _namespace(Path("/proc/self/ns/user"))


def scan(proc: Path = Path("/proc")) -> Iterator[Running]:
    """Every user process of the node, up to PROCESSES_MAX."""
    pids = [entry.name for entry in proc.iterdir() if entry.name.isdigit()]
    for pid in pids[:PROCESSES_MAX]:
        running = _read(proc / pid)
        if running is not None:
            yield running


def role_of(running: Running, roles: Roles) -> Role | None:
    """The role of a process, by its file's base name or its comm."""
    by_file = roles.of_name(running.exe) if running.exe is not None else None
    if by_file is None or by_file is Role.ORCHESTRATOR:
        # One file may be many programs: k3s is its containerd, too.
        return roles.of_name(running.comm) or by_file
    return by_file


def fill(
    processes: tuple[Running, ...],
    roles: Roles,
    maps: dict[str, BpfMap],
    proc: Path = Path("/proc"),
) -> None:
    """Write inits, started mount namespaces and lineages of ``processes`` into the maps."""
    by_pid = {running.pid: running for running in processes}
    # The loader in a container of its own is gone in a moment, and the kernel gives the number of
    # its mount namespace to the next container: the agent that it was loaded for.
    loader = {os.getpid(), os.getppid()}
    started = [
        running
        for running in processes
        if not running.pending
        and role_of(running, roles) is not Role.RUNTIME
        and running.pid not in loader
    ]
    for running in started:
        if running.level and running.innermost_pid == 1:
            _write(running, maps, proc, holder=False)
    for running in _oldest(started):
        if not running.level or running.innermost_pid != 1:
            holder = not _shares_pids(running, by_pid, roles)
            _write(running, maps, proc, holder=holder)
    for running in processes:
        root, kind = _founder(running, by_pid, roles)
        if root is not None:
            flags = _PRIVILEGED if root.privileged else 0
            if role_of(root, roles) is Role.ORCHESTRATOR:
                flags |= _ASKS
            value = _LINEAGE.pack(root.start_time, root.pid, root.mnt_ns, root.level, kind, flags)
            name = "lineages" if root.privileged else "lineages_of_others"
            maps[name].update(_U32.pack(running.pid), value)


def _shares_pids(running: Running, by_pid: dict[int, Running], roles: Roles) -> bool:
    """Return whether the first of a mount namespace is a container's init without a pid namespace.

    As is_init() in lineage.bpf.h: it left the mounts of a runtime or supervisor that it is below.
    Its end is the container's stop.
    """
    parent = by_pid.get(running.parent)
    if parent is None or parent.mnt_ns == running.mnt_ns:
        return False
    return _founder(parent, by_pid, roles)[0] is not None


def _oldest(processes: list[Running]) -> tuple[Running, ...]:
    """Return the process of each mount namespace that began first."""
    found: dict[int, Running] = {}
    for running in processes:
        other = found.get(running.mnt_ns)
        if other is None or (running.start_time, running.pid) < (other.start_time, other.pid):
            found[running.mnt_ns] = running
    return tuple(found.values())


def _write(running: Running, maps: dict[str, BpfMap], proc: Path, *, holder: bool) -> None:
    """Enter a process and its mount namespace; neither where it ended meanwhile.

    Had it ended just before, no probe would remove the entries.
    """
    pid, mount = _U32.pack(running.pid), _U32.pack(running.mnt_ns)
    identity = mount_identity(proc / str(running.pid) / "ns" / "mnt")
    value = _STARTED.pack(running.start_time, 0, running.mnt_ns, 0, 1, int(holder), 0)
    maps["inits"].update(pid, value)
    if holder or maps["started_mounts"].lookup(mount) is None:
        maps["started_mounts"].update(mount, _MOUNT.pack(identity, running.pid, 0))
    now = _read(proc / str(running.pid))
    if now is None or now.start_time != running.start_time or now.mnt_ns != running.mnt_ns:
        maps["inits"].delete(pid)
        maps["started_mounts"].delete(mount)


def as_init(entry: bytes) -> bytes:
    """Return an entry of ``inits`` as that of an init: the end of a holder is not reported.

    A container without a pid namespace whose runtime has ended looks like that to :func:`fill`.
    """
    start_time, origin, mount, oom_killed, seeded, _holder, reserved = _STARTED.unpack(entry)
    return _STARTED.pack(start_time, origin, mount, oom_killed, seeded, 0, reserved)


def mount_identity(namespace: Path) -> int:
    """Return the unique id of a mount namespace, whose number is reused; 0 if unknown."""
    try:
        descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        answer = fcntl.ioctl(descriptor, _GET_MOUNT_IDENTITY, bytes(8))
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    return int.from_bytes(answer, "little")


def _founder(
    running: Running, by_pid: dict[int, Running], roles: Roles
) -> tuple[Running | None, int]:
    """Find the runtime or supervisor whose mounts a descendant has not left."""
    current: Running | None = running
    for _ in range(len(by_pid)):
        if current is None or current.mnt_ns != running.mnt_ns:
            break
        role = role_of(current, roles)
        if role is Role.RUNTIME:
            return current, _LINEAGE_RUNTIME
        if role is not None and role is not Role.CLIENT:
            return current, _LINEAGE_SUPERVISOR
        current = by_pid.get(current.parent)
    return None, 0


def take_over(old: PinSet, maps: dict[str, BpfMap], proc: Path = Path("/proc")) -> None:
    """Copy what an older set knows of living processes; mount namespaces are scanned anew."""
    for name in ("lineages", "lineages_of_others"):
        for key, value in _entries(old, name):
            if len(value) == _LINEAGE.size:
                lineage = value if old.map("attached").exists() else _lineage_of_2(value, proc)
                privileged = _LINEAGE.unpack(lineage)[-1] & _PRIVILEGED
                into = maps["lineages" if privileged else "lineages_of_others"]
                into.update(key, _with_todays_role(lineage, into.lookup(key)))
    for key, value in _entries(old, "inits"):
        if len(value) == _STARTED.size:
            maps["inits"].update(key, value)
        elif len(value) == _STARTED_2.size:
            start_time, mnt_ns, oom_killed = _STARTED_2.unpack(value)
            if start_time:
                maps["inits"].update(
                    key, _STARTED.pack(start_time, 0, mnt_ns, int(bool(oom_killed)), 0, 0, 0)
                )


def _with_todays_role(lineage: bytes, scanned: bytes | None) -> bytes:
    """Mark a lineage of an older set as an orchestrator's, where the scan found it to be one."""
    *facts, flags = _LINEAGE.unpack(lineage)
    if scanned is not None:
        _, root, *_, found = _LINEAGE.unpack(scanned)
        flags |= found & _ASKS if root == facts[1] else 0
    return _LINEAGE.pack(*facts, flags)


def _entries(old: PinSet, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a set's map, if it has such a map."""
    try:
        source = BpfMap.pinned(old.map(name))
    except FileNotFoundError:
        return
    try:
        for key in source.walk():
            value = source.lookup(key)
            if value is not None:
                yield key, value[: source.shape.value_size]
    finally:
        source.close()


def _lineage_of_2(value: bytes, proc: Path) -> bytes:
    """Return a lineage of layout 2 as one of this layout."""
    start_time, root, mnt_ns, level, kind = _LINEAGE_2.unpack(value)
    running = _read(proc / str(root))
    flags = _QUIET if level & _QUIET_2 else 0
    if running is not None and running.privileged:
        flags |= _PRIVILEGED
    return _LINEAGE.pack(start_time, root, mnt_ns, level & ~_QUIET_2, kind, flags)


def prune(inits: BpfMap, proc: Path = Path("/proc")) -> None:
    """Remove inits that have ended while they were being copied.

    No exit record will, and such an entry hides the next container whose init gets that pid.
    """
    for key in tuple(inits.walk()):
        if not is_alive(_U32.unpack(key)[0], proc):
            inits.delete(key)


def is_alive(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether a process is there and no zombie: the probes have seen a zombie's end already."""
    stat = stat_of(pid, proc)
    return stat is not None and stat.state not in ("Z", "X")
