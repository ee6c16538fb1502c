"""What control planes' records say of pods and workloads, indexed by uid and by name.

Every table is bounded; the oldest entries go first, and what went is counted.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from sensor.model.control_plane import ActorKind

if TYPE_CHECKING:
    from sensor.model.control_plane import ControlRecord, Owner, Request

OBJECTS_LIMIT = 20_000
"""Pods, and workloads, that are remembered: four times what a large cluster starts in an hour."""
WRITES_LIMIT = 128
"""Writes that are remembered of one workload."""

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A table of the latest entries; ``forgotten`` counts what went for want of room."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[K, V] = OrderedDict()
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return an entry."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        """Add an entry, or make it the latest."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)
            self.forgotten += 1

    def values(self) -> list[V]:
        """Return the entries, oldest first."""
        return list(self._entries.values())


@dataclass(slots=True)
class Trigger:
    """A record that may have caused pods of one owner."""

    record: ControlRecord
    time: int
    capacity: int | None
    """How many pods it can have caused; None where that is unknown."""
    used: int = 0
    pod: str | None = None
    """The pod that the record ended, by its name; None for writes of workloads."""
    pod_uid: str | None = None

    @property
    def request(self) -> Request:
        """The record's request."""
        return self.record.request

    @property
    def ours(self) -> bool:
        """Whether a component of the control plane made the request."""
        actor = self.request.actor
        return actor is not None and actor.kind is ActorKind.CONTROL_PLANE

    @property
    def spent(self) -> bool:
        """Whether all that it can have caused is accounted for."""
        return self.capacity is not None and self.used >= self.capacity


@dataclass(slots=True)
class Thing:
    """A workload: a Deployment, a ReplicaSet, a Job, a CronJob, a DaemonSet, a StatefulSet."""

    kind: str
    namespace: str | None
    name: str
    uid: str | None = None
    cluster: str | None = None
    owner: Owner | None = None
    created: ControlRecord | None = None
    writes: deque[Trigger] = field(default_factory=lambda: deque(maxlen=WRITES_LIMIT))
    """Writes that may start pods, in the order of their times."""
    children: deque[Thing] = field(default_factory=lambda: deque(maxlen=WRITES_LIMIT))
    """ReplicaSets of a Deployment, in the order of their creation."""
    grown: int | None = None
    """When its controller last gave a ReplicaSet more replicas."""
    grown_by: ControlRecord | None = None

    def note(self, trigger: Trigger) -> None:
        """Keep a write in the order of time: logs of several API servers interleave."""
        self.writes.append(trigger)
        if len(self.writes) > 1 and self.writes[-2].time > trigger.time:
            ordered = sorted(self.writes, key=lambda one: one.time)
            self.writes.clear()
            self.writes.extend(ordered)


@dataclass(slots=True)
class Pod:
    """A pod: its creation, its binding, and what was added to it later."""

    namespace: str | None
    name: str | None
    uid: str | None
    created: ControlRecord
    node_uid: str | None = None
    cluster: str | None = None
    waiting: bool = False
    """It waits to be explained."""
    bound: ControlRecord | None = None
    additions: deque[ControlRecord] = field(default_factory=lambda: deque(maxlen=WRITES_LIMIT))
    """Debug containers, image patches and resizes."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Its uids as they are compared: a static pod's has dashes or has none."""
        return tuple(uid_key(uid) for uid in (self.uid, self.node_uid) if uid is not None)

    @property
    def node(self) -> str | None:
        """The node that the scheduler gave it."""
        workload = None if self.bound is None else self.bound.request.workload
        return None if workload is None else workload.node

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
