"""Who is connected to the engines already when the agent begins: kubelet connects once and stays.

A connection that was made before the probes watch is not among what they report. sock_diag names
the two sockets of each connection, and procfs whose they are: one is an engine's, the other one's
process is its client. Only processes of root that may be a kubelet are returned: for them one
connection explains every pod, while any other client is seen when it asks.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.linux import unix_peers
from sensor.linux.process import stat_of
from sensor.model.api_calls import ApiConnect, Caller
from sensor.model.vocabulary import Witness
from sensor.sources.engines.processes import COMM_BYTES, comm_in, pids
from sensor.sources.procfs import cgroup_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sensor.sources.engines.listeners import EngineSocket

PROCESSES_MAX = 100_000
DESCRIPTORS_MAX = 16_384
"""Descriptors of one process that are looked at."""

CMDLINE_MAX = 64 * 1024
CGROUP_MAX = 64 * 1024

_SOCKET_LINK = re.compile(r"socket:\[([0-9]{1,20})\]")


def connected_orchestrators(
    sockets: Iterable[EngineSocket],
    time: int,
    programs: frozenset[str],
    proc: Path = Path("/proc"),
    peers: Callable[[], dict[int, int]] = unix_peers.peers,
) -> list[ApiConnect]:
    """Return a connect for each kubelet that is connected to an engine now, at ``time``.

    ``programs`` are names that say where to look: what counts is the connection to the engine's own
    socket. About 5 microseconds for each process of the node; for a thread of its own.
    """
    served = {socket.pid: socket for socket in sockets if socket.pid is not None}
    candidates = list(_candidates(proc, programs))
    if not served or not candidates:
        return []
    try:
        connected = peers()
    except OSError:
        return []
    engine_of: dict[int, EngineSocket] = {}
    for pid, socket in served.items():
        for inode in _sockets_of(proc / str(pid)):
            if inode in connected:
                engine_of[connected[inode]] = socket
    found: list[ApiConnect] = []
    for process in candidates:
        reached = {engine_of[inode] for inode in _sockets_of(process) if inode in engine_of}
        caller = _caller(process) if reached else None
        if caller is not None:
            found += [
                ApiConnect(time, Witness.PROCFS, f"pid {caller.pid}", caller, socket.path)
                for socket in sorted(reached, key=lambda one: one.path)
            ]
    return found


def _candidates(proc: Path, programs: frozenset[str]) -> Iterator[Path]:
    names = {program.encode()[:COMM_BYTES] for program in programs}
    try:
        processes = pids(proc)[:PROCESSES_MAX]
    except OSError:
        return
    for pid in processes:
        try:
            if comm_in(f"{proc}/{pid}") in names and (proc / str(pid)).stat().st_uid == 0:
                yield proc / str(pid)
        except OSError:
            continue


def _sockets_of(process: Path) -> Iterator[int]:
    try:
        with os.scandir(process / "fd") as entries:
            for count, entry in enumerate(entries):
                if count >= DESCRIPTORS_MAX:
                    return
                try:
                    match = _SOCKET_LINK.fullmatch(str(Path(entry.path).readlink()))
                except OSError:
                    continue
                if match is not None:
                    yield int(match[1])
    except OSError:
        return


def _caller(process: Path) -> Caller | None:
    try:
        with (process / "cmdline").open("rb") as file:
            words = file.read(CMDLINE_MAX).decode("utf-8", "surrogateescape").split("\0")
        comm = (process / "comm").read_text(encoding="utf-8", errors="surrogateescape").rstrip("\n")
        exe = str((process / "exe").readlink())
        with (process / "cgroup").open("rb") as file:
            cgroup = cgroup_paths(file.read(CGROUP_MAX).decode("utf-8", "surrogateescape"))
        user_ns = (process / "ns/user").stat().st_ino
    except OSError:
        return None
    stat = stat_of(int(process.name), process.parent)
    if stat is None:
        return None
    return Caller(
        pid=int(process.name),
        start_time=stat.start_time,
        uid=0,
        loginuid=None,
        session=None,
        comm=comm,
        exe=exe,
        argv=tuple(words[:-1] if words[-1] == "" else words),
        cgroup=cgroup,
        euid=0,
        user_ns=user_ns,
    )
