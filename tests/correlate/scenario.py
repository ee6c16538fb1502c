"""A script language for the core: boxes that live a container's life, and a core that listens.

    core = Core()
    core >> web.create(at=0) >> web.described(at=1) >> web.execs(at=5) >> web.exits(at=9)
    assert core.types() == ["container.start", "container.stop"]

Times are milliseconds since the script began. ``>>`` feeds one observation, or one batch when it is
a list, at the time of its last observation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sensor.correlate.container_table import ContainerTable
from sensor.correlate.core import Correlator, Parsers
from sensor.identity import cgroup
from sensor.model.agent_records import ClockSynced, HostFacts
from sensor.model.container import Description, EngineRecord, Image, Orchestrator
from sensor.model.events import Event, Start
from sensor.model.inventory import ContainerDescribed, FoundContainer, KnownContainer
from sensor.model.kernel_records import CgroupBirth, CommandExec, CommandExit, InitExec, InitExit
from sensor.model.observations import Observation
from sensor.model.process import Ancestor, CgroupPaths, ProcessFacts, ProcessKey
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import ContainerId, Engine, EventType, Lineage, Witness
from sensor.model.witness_records import EngineEvent
from tests.correlate.observations import (
    BEGAN,
    HOST,
    HOST_CGROUP,
    MS,
    OFFSET,
    ROLES,
    SECOND,
    SEQUENCES,
    command,
    facts,
    ns,
    wall,
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
        return CommandExit(ns(at), next(SEQUENCES), self.runtime.key, status)

    def other(self, at: float, verb: str) -> CommandExec:
        """A runtime command that makes no container."""
        options = ("--root", self.root) if self.root is not None else ()
        argv = (self.program, *options, verb, self.id)
        return command(at, argv, process=self.other_process(verb), program=self.program)

    def other_done(self, at: float, verb: str, status: int = 0) -> CommandExit:
        return CommandExit(ns(at), next(SEQUENCES), self.other_process(verb).key, status)

    def other_process(self, verb: str) -> ProcessFacts:
        pid = self.pid + 5000 + sum(map(ord, verb))
        return facts(pid, self.born, cgroup=self.place, uid=self.uid)

    def birth(self, at: float) -> CgroupBirth:
        path = self.cgroup.v1 or self.cgroup.v2 or "/"
        return CgroupBirth(
            time=ns(at),
            sequence=next(SEQUENCES),
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
            sequence=next(SEQUENCES),
            process=process,
            argv=argv,
            argv_truncated=False,
            lineage=lineage,
            root=root,
        )

    def exits(self, at: float, code: int = 0, *, signal: int = 0, started: bool = True) -> InitExit:
        return InitExit(
            time=ns(at),
            sequence=next(SEQUENCES),
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


def supervised(at: float, box: Box, program: str, *argv: str, above: Ancestor) -> CommandExec:
    """The exec of a container's shim or monitor below another process."""
    role = ROLES.of_name(program)
    assert role is not None
    process = replace(facts(box.pid + 7, at, comm=program[:15], exe=program), ancestors=(above,))
    return command(at, (program, *argv), role=role, program=program, process=process)


def reported(
    at: float, box: Box, action: str = "start", witness: Witness = Witness.DOCKER
) -> EngineEvent:
    """What an engine's own stream says."""
    return EngineEvent(ns(at), wall(at), witness, action, box.id, box.name, "nginx")


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
