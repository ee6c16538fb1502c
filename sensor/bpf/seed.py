"""What runs already when probes are attached, written into their maps from procfs.

Without it, a container's init that was running before and executes itself anew would look like a
start, an exec session into such a container too, and a shim that was running before would found no
lineage for the runtimes it calls.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.model.process import NS_PER_TICK
from sensor.model.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.bpf.libbpf import BpfMap
    from sensor.bpf.watched import Roles

_LINEAGE = struct.Struct("<QIIII")
_STARTED = struct.Struct("<QII")
_U32 = struct.Struct("<I")
_LINEAGE_RUNTIME, _LINEAGE_SUPERVISOR = 1, 2
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


def _namespace(path: Path) -> int:
    match = re.search(r"\[(\d+)\]", str(path.readlink()))
    return int(match.group(1)) if match else 0


def _read(proc: Path) -> Running | None:
    """Read one /proc/PID; None when the process went away or is a kernel thread."""
    try:
        stat = (proc / "stat").read_bytes().decode(errors="surrogateescape")
        status = (proc / "status").read_bytes().decode(errors="surrogateescape")
        mnt_ns = _namespace(proc / "ns" / "mnt")
        exe = (proc / "exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return None
    comm = stat[stat.index("(") + 1 : stat.rindex(")")]
    after = stat[stat.rindex(")") + 2 :].split()
    match = re.search(r"^NSpid:\s+(.+)$", status, re.MULTILINE)
    pids = match.group(1).split() if match else [proc.name]
    return Running(
        pid=int(proc.name),
        parent=int(after[1]),
        start_time=int(after[19]) * NS_PER_TICK,
        comm=comm,
        exe=exe,
        level=len(pids) - 1,
        innermost_pid=int(pids[-1]),
        mnt_ns=mnt_ns,
    )


def scan(proc: Path = Path("/proc")) -> Iterator[Running]:
    """Every user process of the node, up to PROCESSES_MAX."""
    pids = [entry.name for entry in proc.iterdir() if entry.name.isdigit()]
    for pid in pids[:PROCESSES_MAX]:
        running = _read(proc / pid)
        if running is not None:
            yield running


def role_of(running: Running, roles: Roles) -> Role | None:
    """The role of a process, by its file's base name or its comm."""
    for name in (running.exe, running.comm):
        role = roles.of_name(name) if name is not None else None
        if role is not None:
            return role
    return None


def _pending_init(running: Running) -> bool:
    """Tell whether it is an init that waits for "runc start": it has not executed its entrypoint.

    runc names its stages (libcontainer/nsenter/nsexec.c); so does youki. crun's waits under the
    name and file of crun itself.
    """
    return ":[" in running.comm


def fill(processes: tuple[Running, ...], roles: Roles, maps: dict[str, BpfMap]) -> None:
    """Write inits, started mount namespaces and lineages of ``processes`` into the maps."""
    by_pid = {running.pid: running for running in processes}
    # The loader in a container of its own is gone in a moment, and the kernel gives the number of
    # its mount namespace to the next container: the agent that it was loaded for.
    loader = {os.getpid(), os.getppid()}
    for running in processes:
        role = role_of(running, roles)
        if _pending_init(running) or role is Role.RUNTIME or running.pid in loader:
            continue
        maps["started_mounts"].update(_U32.pack(running.mnt_ns), _U32.pack(running.pid))
        if running.level and running.innermost_pid == 1:
            key = _U32.pack(running.pid)
            maps["inits"].update(key, _STARTED.pack(0, running.mnt_ns, 0))
            # Had it ended just before, nobody would remove the entry, and the next container whose
            # init got that pid would not be reported.
            if _read(Path("/proc") / str(running.pid)) != running:
                maps["inits"].delete(key)
    for running in processes:
        root, kind = _founder(running, by_pid, roles)
        if root is not None:
            value = _LINEAGE.pack(root.start_time, root.pid, root.mnt_ns, root.level, kind)
            maps["lineages"].update(_U32.pack(running.pid), value)


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


def copy(source: BpfMap, target: BpfMap) -> int:
    """Copy what an older set knows into a new one of the same shape; returns the entries copied."""
    if source.shape != target.shape:
        return 0
    copied = 0
    for key in source.keys():  # noqa: SIM118 - a BPF map is no dict
        value = source.lookup(key)
        if value is not None:
            target.update(key, value[: target.shape.value_size])
            copied += 1
    return copied


def prune(inits: BpfMap, proc: Path = Path("/proc")) -> None:
    """Remove inits that have ended while they were being copied.

    Nobody else would, and such an entry hides the next container whose init gets that pid.
    """
    for key in tuple(inits.keys()):
        if not is_alive(_U32.unpack(key)[0], proc):
            inits.delete(key)


def is_alive(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether a process is there and no zombie: the probes have seen a zombie's end already."""
    try:
        stat = (proc / str(pid) / "stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :][:1] not in (b"Z", b"X", b"")
