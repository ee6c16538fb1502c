"""Observations as a script says them: commands, connections, requests, reports.

Times are milliseconds since the script began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sensor.bpf import watched
from sensor.model.agent_records import HostFacts, ProbesAttached
from sensor.model.api_calls import ApiConnect, ApiRequest, Caller
from sensor.model.inventory import FoundContainer, InventoryTaken, KnowledgeRestored, KnownContainer
from sensor.model.kernel_records import CommandExec, CommandExit
from sensor.model.observations import Observation
from sensor.model.process import Ancestor, CgroupPaths, ProcessFacts, ProcessKey
from sensor.model.vocabulary import Role, Witness
from sensor.model.witness_records import AuditExec, SourceChanged

MS = 1_000_000
SECOND = 1_000_000_000
BEGAN = 1000 * SECOND
"""Nanoseconds since boot at which every script begins."""
OFFSET = 1_700_000_000 * SECOND

ROLES = watched.Roles(watched.read(Path(__file__).parents[2] / "probes" / "watched.toml"))
HOST = HostFacts("node-7", "6f9c6d70-6c4b-4f6e-9d7c-1b7a4f0e2d11", None, "6.1.0", None)
HOST_CGROUP = CgroupPaths(None, "/system.slice/containerd.service")

SEQUENCES = iter(range(1, 1 << 62))


def ns(at: float) -> int:
    """Nanoseconds since boot of a script's millisecond."""
    return BEGAN + round(at * MS)


def wall(at: float) -> int:
    """Nanoseconds since the epoch of a script's millisecond."""
    return ns(at) + OFFSET


def facts(
    pid: int,
    born: float,
    *,
    comm: str = "runc",
    exe: str | None = "runc",
    cgroup: CgroupPaths = HOST_CGROUP,
    mnt_ns: int = 4026531841,
    uid: int = 0,
) -> ProcessFacts:
    return ProcessFacts(
        key=ProcessKey(pid, ns(born)),
        uid=uid,
        gid=0,
        loginuid=None,
        session=None,
        comm=comm,
        exe=exe,
        tty=None,
        ns_pids=(pid,),
        pid_ns=4026531836,
        mnt_ns=mnt_ns,
        cgroup_ns=4026531835,
        cgroup=cgroup,
        ancestors=(),
    )


def command(
    at: float,
    argv: Sequence[str],
    *,
    role: Role = Role.RUNTIME,
    program: str | None = None,
    process: ProcessFacts | None = None,
) -> CommandExec:
    return CommandExec(
        time=ns(at),
        sequence=next(SEQUENCES),
        role=role,
        program=program or argv[0],
        process=process or facts(3, at, comm=argv[0][:15], exe=argv[0]),
        argv=tuple(argv),
        argv_truncated=False,
    )


def client(at: float, line: str) -> CommandExec:
    """A client's command as typed."""
    return command(at, line.split(), role=Role.CLIENT)


def engine_boots(at: float, program: str = "dockerd") -> CommandExec:
    return command(at, (program,), role=Role.ENGINE)


SESSION = CgroupPaths(None, "/user.slice/user-1000.slice/session-3.scope")
DOCKER_SOCKET = "/run/docker.sock"


def ancestor(comm: str, pid: int = 1, born: float = -5000, exe: str | None = None) -> Ancestor:
    """One process above another."""
    return Ancestor(pid, ns(born), comm[:15], exe if exe is not None else comm)


SHIM = ancestor("containerd-shim-runc-v2", 60)


def below(exec_: CommandExec, *ancestors: Ancestor) -> CommandExec:
    """The same command, run by a process with these above it, parent first."""
    return replace(exec_, process=replace(exec_.process, ancestors=ancestors))


def typed(
    at: float,
    line: str | Sequence[str],
    pid: int = 3,
    *,
    login: int | None = 1000,
    uid: int = 1000,
    cgroup: CgroupPaths = SESSION,
    cwd: str | None = "/home/ann",
    above: tuple[Ancestor, ...] = (),
) -> CommandExec:
    """A client's command that a person typed at a terminal."""
    argv = tuple(line.split()) if isinstance(line, str) else tuple(line)
    process = replace(
        facts(pid, at, comm=argv[0][:15], exe=argv[0], cgroup=cgroup),
        uid=uid,
        loginuid=login,
        session=3 if login is not None else None,
        tty="pts/1",
        ancestors=above,
    )
    return replace(command(at, argv, role=Role.CLIENT, process=process), cwd=cwd)


DOCKER_START = typed(0, "docker start web", 50)
"""The command that the logs of clients begin with."""


def talks(exec_: CommandExec, socket: str = DOCKER_SOCKET) -> ApiConnect:
    """The connection of a client's process to an engine, right after its execve."""
    process = exec_.process
    who = Caller(
        pid=process.key.pid,
        start_time=process.key.start_time,
        uid=process.uid,
        loginuid=process.loginuid,
        session=process.session,
        comm=process.comm,
        exe=process.exe,
        tty=process.tty,
        argv=exec_.argv,
        cwd=exec_.cwd,
        cgroup=process.cgroup,
        ancestors=process.ancestors,
    )
    return ApiConnect(exec_.time + 1, Witness.KERNEL, f"ref:{exec_.time}", who, socket)


def asks(
    at: float,
    line: str | Sequence[str],
    pid: int = 3,
    *,
    socket: str = DOCKER_SOCKET,
    **who: Any,
) -> list[Observation]:
    """A client's command that was typed, and that is connected to an engine."""
    exec_ = typed(at, line, pid, **who)
    return [exec_, talks(exec_, socket)]


def ended(at: float, exec_: CommandExec, status: int = 0) -> CommandExit:
    """The process of that command ended."""
    return CommandExit(ns(at), next(SEQUENCES), exec_.process.key, status)


def caller(
    pid: int,
    born: float | None = -500,
    *,
    login: int | None = 1000,
    comm: str = "python3",
    exe: str | None = "/usr/bin/python3",
    cgroup: CgroupPaths | None = SESSION,
    uid: int = 1000,
    above: tuple[Ancestor, ...] = (),
) -> Caller:
    """A process that talks to an engine; audit, which has no start time, has None for born."""
    return Caller(
        pid=pid,
        start_time=ns(born) if born is not None else None,
        uid=uid,
        loginuid=login,
        session=3,
        comm=comm,
        exe=exe,
        argv=(comm,),
        cgroup=cgroup,
        ancestors=above,
    )


def connects(
    at: float, who: Caller, socket: str = DOCKER_SOCKET, witness: Witness = Witness.KERNEL
) -> ApiConnect:
    return ApiConnect(ns(at), witness, f"ref:{at:g}", who, socket)


def requests(at: float, who: Caller, line: str | bytes, socket: str = DOCKER_SOCKET) -> ApiRequest:
    """A request to an engine: an HTTP method and path, or bytes as they are."""
    text = line if isinstance(line, bytes) else f"{line} HTTP/1.1\r\nHost: docker\r\n".encode()
    return ApiRequest(ns(at), f"ref:{at:g}", who, socket, text)


def audited(at: float, pid: int, exe: str = "/usr/bin/docker") -> AuditExec:
    """What audit says of a client's execve."""
    who = replace(caller(pid, None, exe=exe), cgroup=None)
    return AuditExec(ns(at), f"1700000000.000:{at:g}", "castoff", who, success=True)


def heard(at: float, source: str = "docker", *, available: bool = True) -> SourceChanged:
    """A source can be heard from now on, or no longer."""
    return SourceChanged(ns(at), source, available, None)


def attached(at: float, *, surviving: bool = False) -> ProbesAttached:
    return ProbesAttached(ns(at), surviving)


def inventory(at: float, *found: FoundContainer) -> InventoryTaken:
    return InventoryTaken(ns(at), found)


def knowledge(
    seen: float, *known: KnownContainer, boot_id: str = HOST.boot_id
) -> KnowledgeRestored:
    return KnowledgeRestored(ns(seen), boot_id, ns(seen), known)
