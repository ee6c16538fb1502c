"""A script language for the core: boxes that live a container's life, and a core that listens.

    core = Core()
    core >> web.create(at=0) >> web.described(at=1) >> web.execs(at=5) >> web.exits(at=9)
    assert core.types() == ["container.start", "container.stop"]

Times are milliseconds since the script began. ``>>`` feeds one observation, or one batch when it is
a list, at the time of its last observation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sensor.bpf import watched
from sensor.correlate.container_table import ContainerTable
from sensor.correlate.core import Correlator, Parsers
from sensor.identity import cgroup
from sensor.model.agent_records import ClockSynced, HostFacts, ProbesAttached
from sensor.model.api_calls import ApiConnect, ApiRequest, Caller
from sensor.model.container import Description, EngineRecord, Image, Orchestrator
from sensor.model.events import Event, Start
from sensor.model.inventory import (
    ContainerDescribed,
    FoundContainer,
    InventoryTaken,
    KnowledgeRestored,
    KnownContainer,
)
from sensor.model.kernel_records import CgroupBirth, CommandExec, CommandExit, InitExec, InitExit
from sensor.model.observations import Observation
from sensor.model.process import Ancestor, CgroupPaths, ProcessFacts, ProcessKey
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import ContainerId, Engine, EventType, Lineage, Role, Witness
from sensor.model.witness_records import AuditExec, EngineEvent, SourceChanged

MS = 1_000_000
SECOND = 1_000_000_000
BEGAN = 1000 * SECOND
"""Nanoseconds since boot at which every script begins."""
OFFSET = 1_700_000_000 * SECOND

ROLES = watched.Roles(watched.read(Path(__file__).parents[2] / "probes" / "watched.toml"))
HOST = HostFacts("node-7", "6f9c6d70-6c4b-4f6e-9d7c-1b7a4f0e2d11", None, "6.1.0", None)
HOST_CGROUP = CgroupPaths(None, "/system.slice/containerd.service")

_sequence = iter(range(1, 1 << 62))


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


@dataclass(frozen=True, slots=True)
class Box:
    """A container and the processes of one of its runs; :meth:`again` makes those of the next."""

    name: str
    id: ContainerId
    pid: int = 100
    """The creating runtime's pid; the init's is one more."""
    root: str | None = "/run/runc"
    path: str | None = None
    """The init's cgroup; Docker's naming of the id when not given."""
    program: str = "runc"
    run: int = 0
    uid: int = 0
    """The user who runs the runtime, and where."""
    place: CgroupPaths = HOST_CGROUP

    @property
    def born(self) -> float:
        """When the processes of this run began."""
        return -100 + self.run * 40

    @property
    def runtime(self) -> ProcessFacts:
        return facts(
            self.pid,
            self.born,
            comm=self.program[:15],
            exe=self.program,
            cgroup=self.place,
            uid=self.uid,
        )

    @property
    def cgroup(self) -> CgroupPaths:
        return CgroupPaths(None, self.path or f"/docker/{self.id}")

    @property
    def init(self) -> ProcessKey:
        return ProcessKey(self.pid + 1, ns(self.born + 10))

    def again(self) -> Box:
        """The same container's next run: other processes."""
        return replace(self, run=self.run + 1, pid=self.pid + 10)

    def in_pod(self, uid: str) -> Box:
        """The same container in a pod's cgroup, as kubelet makes it."""
        return replace(self, path=f"/kubepods/besteffort/pod{uid}/{self.id}")

    def argv(self, verb: str = "create") -> tuple[str, ...]:
        options = ("--root", self.root) if self.root is not None else ()
        return (self.program, *options, verb, "--bundle", f"/bundles/{self.name}", self.id)

    # ------------------------------------------------------------- what the kernel reports

    def create(self, at: float, verb: str = "create") -> CommandExec:
        return command(at, self.argv(verb), process=self.runtime, program=self.program)

    def created(self, at: float, status: int = 0) -> CommandExit:
        """The creating command ended."""
        return CommandExit(ns(at), next(_sequence), self.runtime.key, status)

    def other(self, at: float, verb: str) -> CommandExec:
        """A runtime command that makes no container."""
        options = ("--root", self.root) if self.root is not None else ()
        argv = (self.program, *options, verb, self.id)
        return command(at, argv, process=self.other_process(verb), program=self.program)

    def other_done(self, at: float, verb: str, status: int = 0) -> CommandExit:
        return CommandExit(ns(at), next(_sequence), self.other_process(verb).key, status)

    def other_process(self, verb: str) -> ProcessFacts:
        pid = self.pid + 5000 + sum(map(ord, verb))
        return facts(pid, self.born, cgroup=self.place, uid=self.uid)

    def birth(self, at: float) -> CgroupBirth:
        path = self.cgroup.v1 or self.cgroup.v2 or "/"
        return CgroupBirth(
            time=ns(at),
            sequence=next(_sequence),
            path=path,
            maker=self.runtime,
            argv=self.argv(),
            argv_truncated=False,
        )

    def execs(
        self,
        at: float,
        *,
        lineage: Lineage = Lineage.RUNTIME,
        argv: tuple[str, ...] = ("sleep", "1"),
        cgroup: CgroupPaths | None = None,
    ) -> InitExec:
        process = replace(
            facts(self.pid + 1, self.born + 10, comm="sleep", exe="busybox"),
            cgroup=cgroup or self.cgroup,
        )
        root = self.runtime.key if lineage is not Lineage.CGROUP else None
        return InitExec(
            time=ns(at),
            sequence=next(_sequence),
            process=process,
            argv=argv,
            argv_truncated=False,
            lineage=lineage,
            root=root,
        )

    def exits(self, at: float, code: int = 0, *, signal: int = 0, started: bool = True) -> InitExit:
        return InitExit(
            time=ns(at),
            sequence=next(_sequence),
            process=self.init,
            status=code << 8 | signal,
            started=started,
            root=None if started else self.runtime.key,
            cgroup=self.cgroup,
        )

    # ------------------------------------------------------------- what is read and remembered

    def described(
        self,
        at: float,
        *,
        record: EngineRecord | None = None,
        pod: Orchestrator | None = None,
        build_step: bool = False,
    ) -> ContainerDescribed:
        description = Description(
            id=self.id,
            engine=Engine.DOCKER,
            name=self.name,
            orchestrator=pod,
            record=record,
            build_step=build_step,
        )
        return ContainerDescribed(ns(at), self.id, description)

    def found(
        self, born: float, description: Description | None = None, scope: str | None = None
    ) -> FoundContainer:
        """What an inventory sees of it. procfs counts in clock ticks."""
        tick = ns(born) // (10 * MS) * (10 * MS)
        init = ProcessKey(self.init.pid, tick)
        return FoundContainer(self.id, scope, init, self.cgroup, (), ("sleep",), description)

    def known(
        self,
        *,
        running: bool = False,
        born: float = 0,
        started: float | None = None,
        stopped: float | None = None,
        scope: str | None = None,
    ) -> KnownContainer:
        return KnownContainer(
            id=self.id,
            scope=scope,
            boot_id=HOST.boot_id,
            init=ProcessKey(self.init.pid, ns(born)) if running else None,
            running=running,
            starts=1,
            started_wall=wall(started) if started is not None else None,
            stopped_wall=wall(stopped) if stopped is not None else None,
            exit_code=0 if stopped is not None else None,
            signal=None,
            pod_uid=None,
            pod_container=None,
        )

    def life(self, at: float, code: int = 0) -> list[Observation]:
        """One whole run, ten milliseconds long."""
        return [
            self.create(at),
            self.described(at + 1),
            self.created(at + 2),
            self.execs(at + 5),
            self.exits(at + 10, code),
        ]


WEB = Box("web", ContainerId("4f2d" * 16))
DB = Box("db", ContainerId("9a7b" * 16), pid=400)
PLAIN = Box("plain", ContainerId("plain"), pid=700, path="/default/plain")
"""A container whose id is a name, as ``ctr`` gives them."""


def numbered(number: int) -> Box:
    """One of many containers."""
    return Box(f"n{number}", ContainerId(f"{number:064x}"), pid=10_000 + 100 * number)


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
        sequence=next(_sequence),
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


# ------------------------------------------------------------------ who asked

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
    return CommandExit(ns(at), next(_sequence), exec_.process.key, status)


def supervised(at: float, box: Box, program: str, *argv: str, above: Ancestor) -> CommandExec:
    """The exec of a container's shim or monitor below another process."""
    role = ROLES.of_name(program)
    assert role is not None
    process = replace(facts(box.pid + 7, at, comm=program[:15], exe=program), ancestors=(above,))
    return command(at, (program, *argv), role=role, program=program, process=process)


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


def reported(
    at: float, box: Box, action: str = "start", witness: Witness = Witness.DOCKER
) -> EngineEvent:
    """What an engine's own stream says."""
    return EngineEvent(ns(at), wall(at), witness, action, box.id, box.name, "nginx")


def heard(at: float, source: str = "docker", *, available: bool = True) -> SourceChanged:
    """A source can be heard from now on, or no longer."""
    return SourceChanged(ns(at), source, available, None)


def described(
    at: float,
    box: Box,
    *,
    engine: Engine | None = Engine.DOCKER,
    image: str | None = None,
    image_id: str | None = None,
    labels: tuple[tuple[str, str], ...] = (),
    record: EngineRecord | None = None,
    pod: Orchestrator | None = None,
) -> ContainerDescribed:
    """What is read of a container that another engine than Docker made, or that has more to it."""
    reported_image = Image(image, image_id) if image or image_id else None
    description = Description(
        box.id,
        engine=engine,
        name=box.name,
        image=reported_image,
        labels=labels,
        record=record,
        orchestrator=pod,
    )
    return ContainerDescribed(ns(at), box.id, description)


def attached(at: float, *, surviving: bool = False) -> ProbesAttached:
    return ProbesAttached(ns(at), surviving)


def inventory(at: float, *found: FoundContainer) -> InventoryTaken:
    return InventoryTaken(ns(at), found)


def knowledge(
    seen: float, *known: KnownContainer, boot_id: str = HOST.boot_id
) -> KnowledgeRestored:
    return KnowledgeRestored(ns(seen), boot_id, ns(seen), known)


class Core:
    """A core and everything that it said."""

    def __init__(self, limit: int | None = None) -> None:
        self.core = Correlator(Parsers(cgroup.parse, lambda argv: argv, ROLES.of_name))
        if limit is not None:
            self._shrink(limit)
        self.events: list[Event] = []
        self.requests: list[DescribeRequest] = []
        self.now = BEGAN - SECOND
        self.feed([HOST, ClockSynced(self.now, OFFSET)])

    def _shrink(self, limit: int) -> None:
        self.core.table._limit = limit

    @property
    def table(self) -> ContainerTable:
        return self.core.table

    @property
    def ignored(self) -> dict[str, int]:
        return dict(self.core.ignored())

    def feed(self, batch: Iterable[Observation]) -> list[Event]:
        observations = list(batch)
        times = [self.now, *(o.time for o in observations if not isinstance(o, HostFacts))]
        self.now = max(times)
        outcome = self.core.feed(self.now, observations)
        self.events += outcome.events
        self.requests += outcome.requests
        return list(outcome.events)

    def __rshift__(self, what: Observation | list[Observation]) -> Core:
        self.feed(what if isinstance(what, list) else [what])
        return self

    def wait(self, until: float) -> Core:
        """Let time pass with nothing arriving."""
        self.now = ns(until)
        return self >> []

    def types(self) -> list[str]:
        """The types of all events about containers, in order."""
        return [event.type for event in self.events if event.container is not None]

    def of(self, type_: EventType) -> list[Event]:
        return [event for event in self.events if event.type is type_]

    @property
    def starts(self) -> list[Event]:
        return self.of(EventType.START)

    @property
    def start(self) -> Event:
        """The only start so far."""
        (only,) = self.starts
        return only

    def last_start(self) -> Start:
        """How the latest start came about."""
        start = self.starts[-1].start
        assert start is not None
        return start
