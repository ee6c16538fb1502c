"""The node and what runs on it, from procfs: host facts, and the inventory of containers."""

from __future__ import annotations

import os
import platform
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.model import (
    NS_PER_TICK,
    CgroupIdentity,
    CgroupParser,
    CgroupPaths,
    Description,
    FoundContainer,
    HostFacts,
    ProcessKey,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROCESSES_MAX = 100_000
"""Processes looked at in one inventory."""

STATUS_MAX = 64 * 1024
ARGV_MAX = 4096

_NODE_VARIABLE = "NODE_NAME"


def host_facts(proc: Path = Path("/proc"), etc: Path = Path("/etc")) -> HostFacts:
    """Name, boot id, machine id and kernel of this node."""
    boot_id = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    try:
        machine_id = (etc / "machine-id").read_text(encoding="ascii").strip() or None
    except OSError:
        machine_id = None
    return HostFacts(
        name=socket.gethostname(),
        boot_id=boot_id,
        machine_id=machine_id,
        kernel=platform.release(),
        node=os.environ.get(_NODE_VARIABLE) or None,
    )


@dataclass(frozen=True, slots=True)
class _Process:
    key: ProcessKey
    parent: int
    comm: str
    cgroup: CgroupPaths
    identity: CgroupIdentity
    innermost_pid: int


def _read(path: Path, limit: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError:
        return None


def cgroup_paths(text: str) -> CgroupPaths:
    """Read /proc/PID/cgroup (cgroups(7)): ``hierarchy:controllers:path`` a line.

    The v1 path is that of the pids controller, else of memory. Root paths are None.
    """
    v1 = v2 = memory = None
    for line in text.splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        value = path if path not in ("", "/") else None
        if hierarchy == "0" and not controllers:
            v2 = value
        elif "pids" in controllers.split(","):
            v1 = value
        elif "memory" in controllers.split(","):
            memory = value
    return CgroupPaths(v1 or memory, v2)


def _processes(proc: Path, parse: CgroupParser) -> Iterator[_Process]:
    """Every process that sits in a container's cgroup."""
    pids = sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    for pid in pids[:PROCESSES_MAX]:
        raw = _read(proc / str(pid) / "cgroup", STATUS_MAX)
        if not raw:
            continue
        cgroup = cgroup_paths(raw.decode("utf-8", "surrogateescape"))
        identity = None
        for path in (cgroup.v1, cgroup.v2):
            if path is not None and identity is None:
                identity = parse(path)
        if identity is None or not identity.exact:
            continue
        stat = _read(proc / str(pid) / "stat", STATUS_MAX)
        status = _read(proc / str(pid) / "status", STATUS_MAX)
        if not stat or not status:
            continue
        text = stat.decode("utf-8", "surrogateescape")
        after = text[text.rindex(")") + 2 :].split()
        match = re.search(rb"^NSpid:\s+(.+)$", status, re.MULTILINE)
        yield _Process(
            key=ProcessKey(pid, int(after[19]) * NS_PER_TICK),
            parent=int(after[1]),
            comm=text[text.index("(") + 1 : text.rindex(")")],
            cgroup=cgroup,
            identity=identity,
            innermost_pid=int(match.group(1).split()[-1]) if match else pid,
        )


def _init_of(members: list[_Process]) -> _Process:
    """Pick the init among a container's processes.

    Pid 1 of its namespace where there is one; otherwise (a shared pid namespace) the oldest
    process whose parent is outside.
    """
    inside = {member.key.pid for member in members}
    first = [member for member in members if member.innermost_pid == 1]
    outside = [member for member in members if member.parent not in inside]
    candidates = first or outside or members
    return min(candidates, key=lambda member: (member.key.start_time, member.key.pid))


def running_containers(
    parse: CgroupParser,
    describe: Callable[[CgroupIdentity, ProcessKey, CgroupPaths], Description | None],
    proc: Path = Path("/proc"),
) -> tuple[FoundContainer, ...]:
    """Every container that runs now; ``describe`` reads its identity from disk.

    One whose init still waits for the runtime's start (its comm is a runtime's stage name) is not
    running yet: the probes will report it.
    """
    members: dict[str, list[_Process]] = {}
    for process in _processes(proc, parse):
        members.setdefault(process.identity.id, []).append(process)
    found: list[FoundContainer] = []
    for group in members.values():
        init = _init_of(group)
        if ":[" in init.comm:
            continue
        argv = _read(proc / str(init.key.pid) / "cmdline", ARGV_MAX) or b""
        words = argv.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
        found.append(
            FoundContainer(
                id=init.identity.id,
                scope=None,
                init=init.key,
                cgroup=init.cgroup,
                parents=init.identity.parents,
                argv=tuple(words) if argv else (),
                description=describe(init.identity, init.key, init.cgroup),
            )
        )
    return tuple(found)
