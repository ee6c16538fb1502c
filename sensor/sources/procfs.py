"""The node and what runs on it, from procfs: host facts, and the inventory of containers."""

from __future__ import annotations

import os
import socket
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.correlate.authority import login_slice_of
from sensor.dataclass import dataclass
from sensor.linux.process import awaits_execve, stat_of, status_of
from sensor.model.agent_records import HostFacts
from sensor.model.container import CgroupIdentity
from sensor.model.inventory import FoundContainer
from sensor.model.process import CgroupPaths, ProcessKey
from sensor.model.vocabulary import ContainerId, Engine
from sensor.sources.node_identity import host_namespaces, node_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.model.container import CgroupParser, Description

PROCESSES_MAX = 100_000
"""Processes looked at in one inventory."""

NAMED_MAX = 4096
"""Containers with names for ids that an inventory takes."""

RUNTIME_ROOTS = (Path("/run/runc"), Path("/run/crun"), Path("/run/youki"))
"""Where runtimes keep the state of the containers that they run, when no --root says otherwise."""

STATUS_MAX = 64 * 1024
ARGV_MAX = 4096
MONITOR_ARGV_MAX = 32 * 1024
"""Bytes of a monitor's command line; conmon's has about 2,000."""
CHILDREN_MAX = 16
"""Children of a monitor that are looked at: the init, and the runtime while it starts."""

LSM = Path("/sys/kernel/security/lsm")
"""Active security modules, separated by commas (Documentation/admin-guide/LSM/index.rst)."""
LSM_MAX = 1024


def security_modules(path: Path = LSM) -> tuple[str, ...] | None:
    """Return the active security modules; None where securityfs is not mounted or not readable."""
    text = _read(path, LSM_MAX)
    if text is None:
        return None
    return tuple(name for name in text.decode("ascii", "replace").strip().split(",") if name)


def host_facts(
    proc: Path = Path("/proc"),
    etc: Path = Path("/etc"),
    lsm: Path = LSM,
    node: str | None = None,
) -> HostFacts:
    """Name, boot id, machine id, kernel, security modules and namespaces of this node.

    ``node`` is its name in Kubernetes as configured.
    """
    boot_id = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    try:
        machine_id = (etc / "machine-id").read_text(encoding="ascii").strip() or None
    except OSError:
        machine_id = None
    return HostFacts(
        name=socket.gethostname(),
        boot_id=boot_id,
        machine_id=machine_id,
        kernel=os.uname().release,
        node=node_name(node, proc),
        lsm=security_modules(lsm),
        namespaces=host_namespaces(proc),
    )


@dataclass(frozen=True, slots=True)
class _Process:
    key: ProcessKey
    parent: int
    pending: bool
    """It has executed nothing since its runtime forked it."""
    cgroup: CgroupPaths
    identity: CgroupIdentity
    innermost_pid: int
    scope: str | None = None


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


def _named_containers(proc: Path, pids: list[int]) -> dict[str, str | None]:
    """Ids other than hex digits of containers that exist, with the runtime root they belong to.

    A cgroup's name alone (``/default/web``) may be anything. It is a container's when a shim was
    started for it (containerd keeps runc's state in ``/run/containerd/runc/<namespace>``) or when a
    runtime run by hand keeps its state in its default root (runc(8), crun(1)).
    """
    found: dict[str, str | None] = {}
    for root in RUNTIME_ROOTS:
        try:
            found.update(dict.fromkeys(sorted(os.listdir(root))[:NAMED_MAX], None))  # noqa: PTH208 - names
        except OSError:
            continue
    for pid in pids:
        comm = _read(proc / str(pid) / "comm", STATUS_MAX)
        if comm is None or not comm.startswith(b"containerd-shim"):
            continue
        raw = _read(proc / str(pid) / "cmdline", ARGV_MAX) or b""
        words = raw.decode("utf-8", "surrogateescape").split("\0")
        options = dict(pairwise(words))
        id_, namespace = options.get("-id"), options.get("-namespace")
        if id_ and namespace and len(found) < NAMED_MAX:
            found[id_] = f"/run/containerd/runc/{namespace}"
    return found


def _member(proc: Path, pid: int, parse: CgroupParser) -> tuple[CgroupPaths, CgroupIdentity] | None:
    """Read which container's cgroup a process is in."""
    raw = _read(proc / str(pid) / "cgroup", STATUS_MAX)
    if not raw:
        return None
    cgroup = cgroup_paths(raw.decode("utf-8", "surrogateescape"))
    for path in (cgroup.v1, cgroup.v2):
        identity = parse(path) if path is not None else None
        if identity is not None:
            return cgroup, identity
    return None


def _processes(proc: Path, parse: CgroupParser) -> Iterator[_Process]:
    """Every process that sits in a container's cgroup."""
    pids = sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    pids = pids[:PROCESSES_MAX]
    named: dict[str, str | None] | None = None
    for pid in pids:
        member = _member(proc, pid, parse)
        if member is None:
            continue
        cgroup, identity = member
        if not identity.exact:
            if named is None:
                named = _named_containers(proc, pids)
            if identity.id not in named:
                continue
        scope = named.get(identity.id) if named is not None and not identity.exact else None
        process = _process(proc, pid, cgroup, identity, scope)
        if process is not None:
            yield process


def _process(
    proc: Path, pid: int, cgroup: CgroupPaths, identity: CgroupIdentity, scope: str | None
) -> _Process | None:
    """Read what distinguishes an init from other processes; None for one that is gone."""
    stat, status = stat_of(pid, proc), status_of(pid, proc)
    if stat is None or status is None:
        return None
    return _Process(
        key=ProcessKey(pid, stat.start_time),
        parent=stat.parent,
        pending=awaits_execve(pid, stat, proc),
        cgroup=cgroup,
        identity=identity,
        innermost_pid=status.pids[-1] if status.pids else pid,
        scope=scope,
    )


def _supervised(proc: Path, parse: CgroupParser) -> Iterator[tuple[_Process, ContainerId]]:
    """Every container whose monitor names it though its cgroup does not.

    Podman puts containers into no cgroup of their own without a manager for them: rootless on
    cgroup v1, or with ``--cgroups=disabled``. Its monitor runs as long as they do: ``conmon -c ID
    -n NAME -b BUNDLE``, and the init is its child in a mount namespace of its own.
    """
    pids = [entry.name for entry in proc.iterdir() if entry.name.isdigit()]
    for name in pids[:PROCESSES_MAX]:
        if _read(proc / name / "comm", STATUS_MAX) != b"conmon\n":
            continue
        raw = _read(proc / name / "cmdline", MONITOR_ARGV_MAX) or b""
        words = raw.decode("utf-8", "surrogateescape").split("\0")
        id_ = dict(pairwise(words)).get("-c")
        if not id_ or "--exec-process-spec" in words:
            continue
        children = (_read(proc / name / "task" / name / "children", STATUS_MAX) or b"").split()
        for child in children[:CHILDREN_MAX]:
            if _mount_namespace(proc / name) == _mount_namespace(proc / child.decode()):
                continue
            cgroup = cgroup_paths(
                (_read(proc / child.decode() / "cgroup", STATUS_MAX) or b"").decode(
                    "utf-8", "surrogateescape"
                )
            )
            outer = next((o for p in (cgroup.v1, cgroup.v2) if p and (o := parse(p))), None)
            identity = CgroupIdentity(
                ContainerId(id_),
                Engine.PODMAN,
                (*outer.parents, outer.id) if outer is not None and outer.exact else (),
            )
            process = _process(proc, int(child), cgroup, identity, None)
            if process is not None:
                yield process, identity.id
                break


def _mount_namespace(process: Path) -> str | None:
    try:
        return str((process / "ns/mnt").readlink())
    except OSError:
        return None


def _real_uid(process: Path) -> int | None:
    """Return the real uid of a process: a program with the setuid bit runs for its caller."""
    status = status_of(int(process.name), process.parent)
    return status.real_uid if status is not None else None


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

    One whose init has executed nothing is not running yet: the probes will report its start. Users
    make cgroups and monitors with any id in their own slices: what is there is not of a container
    of the same id elsewhere.
    """
    members: dict[tuple[str, int | None], list[_Process]] = {}
    for process in _processes(proc, parse):
        where = process.identity.id, login_slice_of(process.cgroup)
        members.setdefault(where, []).append(process)
    for process, id_ in _supervised(proc, parse):
        if (id_, None) not in members:
            members.setdefault((id_, login_slice_of(process.cgroup)), [process])
    found: list[FoundContainer] = []
    for group in members.values():
        init = _init_of(group)
        if init.pending:
            continue
        argv = _read(proc / str(init.key.pid) / "cmdline", ARGV_MAX) or b""
        words = argv.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
        found.append(
            FoundContainer(
                id=init.identity.id,
                scope=init.scope,
                init=init.key,
                cgroup=init.cgroup,
                parents=init.identity.parents,
                argv=tuple(words) if argv else (),
                description=describe(init.identity, init.key, init.cgroup),
                supervisor_uid=_real_uid(proc / str(init.parent)),
            )
        )
    return tuple(found)


def found_again(
    id_: ContainerId,
    scope: str | None,
    init: ProcessKey,
    parents: tuple[ContainerId, ...],
    proc: Path = Path("/proc"),
) -> FoundContainer | None:
    """Find a container that is known to run by its init; None when that has ended.

    For those whose cgroup does not name their id: :func:`running_containers` cannot see them.
    """
    base = proc / str(init.pid)
    stat = stat_of(init.pid, proc)
    cgroup = _read(base / "cgroup", STATUS_MAX)
    if stat is None or cgroup is None:
        return None
    if not init.same(ProcessKey(init.pid, stat.start_time)):
        return None
    return FoundContainer(
        id=id_,
        scope=scope,
        init=init,
        cgroup=cgroup_paths(cgroup.decode("utf-8", "surrogateescape")),
        parents=parents,
        argv=(),
        description=None,
    )
