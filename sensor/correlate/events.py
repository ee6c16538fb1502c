"""Build events from what the core concluded."""

from __future__ import annotations

import hashlib
from dataclasses import field, replace
from typing import TYPE_CHECKING

from sensor.correlate.engine_reach import account_of
from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.agent_records import HostFacts
from sensor.model.container import CgroupIdentity, Description, Image
from sensor.model.events import (
    Certainty,
    Container,
    Event,
    Evidence,
    Gap,
    Initiator,
    SensorNote,
    Start,
    Stop,
    Verdict,
    kernel_reference,
)
from sensor.model.process import NS_PER_TICK, ProcessKey
from sensor.model.vocabulary import ContainerId, Engine, EventType, EvidenceKind, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.containers import ContainerState, Creation
    from sensor.model.requests import DescribeRequest
    from sensor.model.witness_records import EngineEvent

    Output = Event | DescribeRequest

ID_DIGITS = 32

_UNKNOWN_HOST = HostFacts(name="", boot_id="", machine_id=None, kernel="", node=None)


@dataclass(slots=True)
class Clock:
    """The core's notion of now, and how kernel time maps to wall time. Set by observations only."""

    now: int = 0
    realtime_offset: int = 0
    host: HostFacts = _UNKNOWN_HOST

    def wall(self, time: int) -> int:
        """Wall-clock ns of a time since boot."""
        return time + self.realtime_offset


@quick
@dataclass(frozen=True, slots=True)
class Sighting:
    """A container at the moment of an event, as all sources together describe it."""

    id: ContainerId
    creation: Creation | None
    description: Description | None
    identity: CgroupIdentity | None
    parents: tuple[ContainerId, ...]
    pid: int | None
    cgroup: str | None
    argv: tuple[str, ...] | None
    image_hint: str | None = None
    """The image by a client's command line, where nothing on disk names it."""
    name_hint: str | None = None
    """The name, likewise."""
    unnamed: bool = False
    """``id`` is made up: the container's own is not known."""
    owner: str | None = None
    """The account whose it is; None for root of the host."""


@dataclass(slots=True)
class EventFactory:
    """Makes events of this host."""

    clock: Clock
    redact: Callable[[tuple[str, ...]], tuple[str, ...]]
    _made: int = field(default=0)

    def _id(self, *parts: object) -> str:
        text = "|".join([self.clock.host.boot_id, *map(str, parts)])
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:ID_DIGITS]

    def of_container(
        self,
        type_: EventType,
        sighting: Sighting,
        time: int,
        about: ProcessKey | None,
        confidence: Certainty,
        evidence: tuple[Evidence, ...],
        *,
        start: Start | None = None,
        stop: Stop | None = None,
        initiator: Initiator | None = None,
        candidates: tuple[Initiator, ...] = (),
    ) -> Event:
        """Make an event about a container. ``about`` is the process that makes its id stable."""
        moment = about.start_time // NS_PER_TICK if about is not None else time
        description = sighting.description
        return Event(
            type=type_,
            id=self._id(type_, sighting.id, moment, time if type_ in _REPEATABLE else ""),
            time=time,
            observed=self.clock.now,
            realtime_offset=self.clock.realtime_offset,
            host=self.clock.host,
            container=self._container(sighting),
            start=start,
            stop=stop,
            initiator=initiator,
            candidates=candidates,
            orchestrator=description.orchestrator if description is not None else None,
            verdict=Verdict(expected=None) if type_ is EventType.START else None,
            confidence=confidence,
            evidence=evidence,
            owner=sighting.owner,
        )

    def _container(self, sighting: Sighting) -> Container:
        description = sighting.description
        creation = sighting.creation
        oci_runtime = creation.program if creation is not None else None
        id_ = None if sighting.unnamed else sighting.id
        if description is None:
            return Container(
                id=id_,
                name=sighting.name_hint or _name_by_id(sighting),
                runtime=engine_of(sighting),
                oci_runtime=oci_runtime,
                oci_runtime_path=_runtime_path(creation, None),
                image=Image(name=sighting.image_hint) if sighting.image_hint else None,
                pid=sighting.pid,
                cgroup=sighting.cgroup,
                command=self._command(sighting),
                parents=sighting.parents,
                sandbox=sighting.identity.sandbox if sighting.identity is not None else False,
            )
        image = description.image
        if image is None and sighting.image_hint:
            image = Image(name=sighting.image_hint)
        return Container(
            id=id_,
            name=description.name or sighting.name_hint or _name_by_id(sighting),
            runtime=engine_of(sighting),
            oci_runtime=oci_runtime,
            image=image,
            labels=description.labels,
            created_wall=description.created_wall,
            pid=sighting.pid,
            cgroup=sighting.cgroup,
            command=description.command or self._command(sighting),
            user=description.user,
            parents=sighting.parents,
            sandbox=description.sandbox,
            security=description.security,
            namespace=description.namespace,
            restart_policy=description.record.restart_policy
            if description.record is not None
            else None,
            oci_runtime_path=_runtime_path(creation, description),
            cwd=description.cwd,
        )

    def _command(self, sighting: Sighting) -> tuple[str, ...] | None:
        return self.redact(sighting.argv) if sighting.argv else None

    def gap(self, gap: Gap) -> Event:
        """Something may have gone unseen."""
        return Event(
            type=EventType.GAP,
            id=self._id(EventType.GAP, gap.source, gap.reason, gap.since, gap.until),
            time=gap.until,
            observed=self.clock.now,
            realtime_offset=self.clock.realtime_offset,
            host=self.clock.host,
            gap=gap,
        )

    def engine_gap(self, gap: Gap, report: EngineEvent) -> Event:
        """A start that only an engine reported."""
        what = f"{report.witness} event: {report.action}"
        at = str(report.engine_wall) if report.engine_wall is not None else None
        return replace(
            self.gap(gap),
            id=self._id(EventType.GAP, gap.source, report.id, report.engine_wall or report.time),
            container=Container(
                id=report.id,
                name=report.name,
                runtime=_TOLD_BY.get(report.witness),
                image=Image(name=report.image) if report.image else None,
            ),
            evidence=(Evidence(report.witness, EvidenceKind.ENGINE_EVENT, what, report.time, at),),
        )

    def container_gap(self, gap: Gap, sighting: Sighting, evidence: tuple[Evidence, ...]) -> Event:
        """A run of a known container that went unseen."""
        return replace(
            self.gap(gap),
            id=self._id(EventType.GAP, gap.source, sighting.id, gap.since, gap.until),
            container=self._container(sighting),
            evidence=evidence,
        )

    def sensor(self, time: int, note: SensorNote) -> Event:
        """Something about the sensor itself."""
        return Event(
            type=EventType.SENSOR,
            id=self._id(EventType.SENSOR, note.action, time, *filter(None, (note.detail,))),
            time=time,
            observed=self.clock.now,
            realtime_offset=self.clock.realtime_offset,
            host=self.clock.host,
            sensor=note,
        )


_TOLD_BY = {
    Witness.DOCKER: Engine.DOCKER,
    Witness.CONTAINERD: Engine.CONTAINERD,
    Witness.PODMAN: Engine.PODMAN,
}

_REPEATABLE = frozenset({EventType.PAUSE, EventType.UNPAUSE, EventType.START_FAILED})


def _name_by_id(sighting: Sighting) -> str | None:
    """Return the name of a container whose manager has no other id than its name."""
    return sighting.id if engine_of(sighting) in _NAMED_BY_ID else None


_NAMED_BY_ID = frozenset({Engine.LXC, Engine.NSPAWN})


def _runtime_path(creation: Creation | None, description: Description | None) -> str | None:
    """Return the runtime's file: as the probes saw it, else as procfs had it a moment later."""
    exe = creation.process.exe if creation is not None else None
    if exe is not None and exe.startswith("/"):
        return exe
    return description.oci_runtime_path if description is not None else None


def engine_of(sighting: Sighting) -> Engine | None:
    """Return the engine by the best source: the description on disk, else the cgroup's naming."""
    if sighting.description is not None and sighting.description.engine is not None:
        return sighting.description.engine
    identity = sighting.identity
    return identity.engine if identity is not None and identity.exact else None


def sighting_of(
    state: ContainerState,
    identity: CgroupIdentity | None,
    argv: tuple[str, ...] | None,
    init: ProcessKey | None = None,
) -> Sighting:
    """Describe a container as its state has it; ``init`` when it is not there yet."""
    cgroup = state.cgroup
    known = init or state.init
    return Sighting(
        id=state.key.id,
        creation=state.creation,
        description=state.description,
        identity=identity,
        parents=state.parents,
        pid=known.pid if known is not None else None,
        cgroup=(cgroup.v1 or cgroup.v2) if cgroup is not None else None,
        argv=argv,
        image_hint=state.image_hint,
        unnamed=state.unnamed,
        owner=account_of(state),
    )


def kernel(kind: EvidenceKind, what: str, time: int, sequence: int) -> Evidence:
    """Evidence of the kernel: what it saw, when, and in which record."""
    return Evidence(Witness.KERNEL, kind, what, time, kernel_reference(sequence))
