"""What control planes' records say of pods and workloads: the entries of the chain's tables."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.correlate.chain_rollout import Rollout
from sensor.dataclass import dataclass
from sensor.model.control_plane import ActorKind, Touch

if TYPE_CHECKING:
    from sensor.model.control_plane import (
        ControlRecord,
        Owner,
        Request,
        RequestedBy,
        Workload,
    )

OBJECTS_LIMIT = 20_000
"""Pods, and workloads, that are remembered: four times what a large cluster starts in an hour."""
SECOND = 1_000_000_000
BURST = 1 * SECOND
"""A controller makes the pods that one write asks for within 0.3 s of each other (measured)."""
SKEW = SECOND // 20
"""How much a record may be out of its order within one API server's log."""
_PLACED = frozenset({"DaemonSet", "StatefulSet"})
"""What has one pod for each place: a node, or a name."""
_COUNTED = frozenset({"ReplicaSet", "ReplicationController"})
"""What makes a new pod only where it has too few: others replace pods for a new template."""


@dataclass(slots=True, eq=False)
class TriggerRecord:
    """A record that may have caused pods of one owner."""

    record: ControlRecord
    time: int
    capacity: int | None
    """How many pods it can have caused; None where that is unknown."""
    used: int = 0
    pod: str | None = None
    """The pod that the record ended, by its name; None for writes of workloads."""
    pod_uid: str | None = None
    asked: bool = True
    """Whether a request led to it; the scheduler, for one, ends pods by itself."""

    @property
    def request(self) -> Request:
        """The record's request."""
        return self.record.request

    @property
    def touches(self) -> tuple[Touch, ...]:
        """What the record changed."""
        return () if self.record.write is None else self.record.write.touches

    @property
    def ours(self) -> bool:
        """Whether a component of the control plane made the request."""
        actor = self.request.actor
        return actor is not None and actor.kind is ActorKind.CONTROL_PLANE

    @property
    def spent(self) -> bool:
        """Whether all that it can have caused is accounted for."""
        return self.capacity is not None and self.used >= self.capacity


@dataclass(slots=True, eq=False)
class Burst:
    """Pods that a controller made one close upon the other, after a write of their owner."""

    root: ControlRecord
    before: int | None
    """``spec.replicas`` before the write, where the record before it is known."""
    latest: int
    count: int = 0


@dataclass(slots=True, eq=False)
class Thing:
    """A workload: a Deployment, a ReplicaSet, a Job, a CronJob, a DaemonSet, a StatefulSet."""

    kind: str
    namespace: str | None
    name: str
    uid: str | None = None
    cluster: str | None = None
    owner: Owner | None = None
    created: ControlRecord | None = None
    writes: list[TriggerRecord] = field(default_factory=list)
    """Writes that may start pods, in the order of their times."""
    children: list[Thing] = field(default_factory=list)
    """ReplicaSets of a Deployment, in the order of their creation."""
    changes: list[ControlRecord] = field(default_factory=list)
    """All writes that a record shows of it, its controller's too, as they came."""
    grown: int | None = None
    """When its controller last gave a ReplicaSet more replicas."""
    grown_by: ControlRecord | None = None
    burst: Burst | None = None
    """The pods that its controller is making."""
    began: int | None = None
    """When its first pod that a record shows was made."""
    rollout: Rollout | None = None
    """Revisions of a DaemonSet's or StatefulSet's pods."""
    forgotten: bool = False
    """A table had no room for one of its keys."""
    acted: tuple[int, int] | None = None
    """Of a CronJob: the version that its controller acted on, and when that was seen."""
    parent: Thing | None = None
    """What owned it when it was made: the name may be another one's later."""
    missing: int | None = None
    """Of a ReplicaSet: how many pods its latest write still asks for; None where unknown."""

    def changed(self, record: ControlRecord) -> None:
        """Take a write of it: what its controller makes next may be an answer to it."""
        earlier = self.changes[-1].write if self.changes else None
        before = None if earlier is None else earlier.replicas
        self.burst = Burst(record, before, record.request.requested or 0)
        write = record.write
        if self.kind == "StatefulSet" and self.rollout and write is not None:
            self.rollout.shrank(write.replicas)
        if self.kind in _COUNTED and write is not None:
            had = [one for one in (before, write.old_replicas) if one is not None]
            known = Touch.CREATE in write.touches or had
            # Its status is late: of two numbers of the pods that it had, the lower one counts.
            less = min(had, default=0)
            asked = write.replicas if known else None
            self.missing = None if asked is None else max(0, asked - less)

    def made(self, pod: Pod) -> None:
        """Take a pod that its controller made."""
        if self.began is None or pod.time < self.began:
            self.began = pod.time
        burst = self.burst
        if burst is None or not -SKEW <= pod.time - burst.latest <= BURST:
            self.burst = None
        else:
            burst.latest = max(burst.latest, pod.time)
            burst.count += 1
            pod.burst, pod.place = burst, burst.count
        pod.of, pod.after = self, self.changes[-1] if self.changes else None
        if self.missing is not None:
            pod.surplus = self.missing == 0
            self.missing -= self.missing > 0
        write = pod.created.write
        slot = pod.name if self.kind == "StatefulSet" or write is None else write.slot
        if self.kind in _PLACED and write is not None and slot is not None:
            self.rollout = self.rollout or Rollout()
            before = self.rollout.took(slot, write.revision or "", pod.time)
            pod.revision, pod.again = write.revision, before is not None
            if write.revision is not None and before:
                pod.updated, pod.surplus = before != write.revision, before == write.revision


@dataclass(slots=True, eq=False)
class Pod:
    """A pod: its creation, its binding, and what was added to it later."""

    namespace: str | None
    name: str | None
    uid: str | None
    created: ControlRecord
    node_uid: str | None = None
    cluster: str | None = None
    forgotten: bool = False
    """A table had no room for one of its keys."""
    waiting: bool = False
    """It waits to be explained."""
    explained: bool = False
    """Its requester was reported."""
    bound: ControlRecord | None = None
    """The scheduler's binding, until the pod's requester is known."""
    node: str | None = None
    """The node that the scheduler gave it."""
    placed: bool = False
    """Whether its node is known: by the scheduler's binding, or as it is a static pod's."""
    answer: RequestedBy | None = None
    """Who asked for it, where that was found."""
    unasked: bool = False
    """It is in place of a pod that the control plane ended by itself: no request exists."""
    additions: list[ControlRecord] = field(default_factory=list)
    """Debug containers, image patches and resizes."""
    restarted: dict[tuple[str, str], int | None] = field(default_factory=dict)
    """The start that each of them led to, by its record and the container."""
    begun: dict[tuple[str, int], str] = field(default_factory=dict)
    """The id of the first container that started, by its name and attempt."""
    burst: Burst | None = None
    """The pods that were made with it."""
    place: int = 0
    """Which of them it is, from 1."""
    revision: str | None = None
    again: bool = False
    """Its node, or its name, had a pod of the workload before."""
    updated: bool = False
    """The pod before it on its node, or of its name, had another revision."""
    of: Thing | None = None
    """The workload that owned it when it was made, until its requester is known."""
    after: ControlRecord | None = None
    """The latest write of that workload before it."""
    rivals: tuple[ControlRecord, ...] = ()
    """Creations of other clients that may be this pod's: none of them has a name."""
    surplus: bool = False
    """All pods that this write asked for were there: it is in place of another one."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Its uids as they are compared: a static pod's has dashes or has none."""
        return tuple(uid_key(uid) for uid in (self.uid, self.node_uid) if uid is not None)

    def bind(self, record: ControlRecord, workload: Workload) -> None:
        """Take the scheduler's binding."""
        self.node, self.placed = workload.node, True
        if self.answer is None and not self.explained:
            self.bound = record

    def answered(self, answer: RequestedBy) -> None:
        """Keep who asked for it, and let go of the records that only the walk needs."""
        self.answer = answer
        self._let_go()

    def reported(self) -> None:
        """Note that its requester was reported, and is not asked for again."""
        self.explained, self.answer = True, None
        self._let_go()

    def _let_go(self) -> None:
        self.bound = self.burst = self.of = self.after = None

    @property
    def time(self) -> int:
        """When its creation was asked for."""
        return self.created.request.requested or 0

    @property
    def owner(self) -> Owner | None:
        """The controller that owns it."""
        workload = self.created.request.workload
        return None if workload is None else workload.owner


def uid_key(uid: str) -> str:
    """Return a uid as it is compared."""
    return uid.replace("-", "")
