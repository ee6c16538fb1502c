"""Ends of pods that their owners answer with new pods: deletions, evictions, lost nodes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.correlate.chain_index import SECOND, Pod, TriggerRecord
from sensor.dataclass import dataclass
from sensor.model.control_plane import ActorKind, ControlRecord, Owner, Request, Touch

if TYPE_CHECKING:
    from sensor.correlate.chain_index import Thing
    from sensor.correlate.namespace_shares import Home
    from sensor.model.control_plane import Actor

WINDOW = 600 * SECOND
"""How long after an end, or a write of unknown size, its pods may come."""
JOINING = 60 * SECOND
"""How long after a node joined the pods of DaemonSets come there."""
PROMPT = 5 * SECOND
"""A controller answers a change within 30 ms (measured)."""
_CHANGES = frozenset({Touch.NODE, Touch.TAINT})
COLLECTION_WINDOW = 60 * SECOND
"""How long after the deletion of a collection, whose record does not name its pods."""
AHEAD = 2 * SECOND
"""How much later than its effect a record's own time may be: API servers' clocks differ."""
CLOSE = 5 * SECOND
"""Two writes so near to each other may both have done it."""
NODES_LIMIT = 4096
"""Nodes that joined, left or were tainted."""
CHANGES_LIMIT = 1024
"""Changes of nodes: components of a cluster write many, and those of the last seconds count."""
ENDS_LIMIT = 64
"""Ends of pods that are remembered of one owner, and deletions of collections of a namespace."""
NODE_LOSS = frozenset(
    {
        "cluster-autoscaler",
        "node-controller",
        "node-manager",
        "pod-garbage-collector",
        "taint-eviction-controller",
    }
)
"""Components that end pods because their node goes; ``eks:node-manager`` drains groups of nodes."""
_BY_ITSELF = frozenset({"pod-garbage-collector", "kube-scheduler"})
"""Whose deletions have no request: of pods without a node, and of pods that others displace."""
OWNERS_LIMIT = 2000
"""Owners whose pods ended, and namespaces with deleted collections, that are remembered."""
Key = tuple[str | None, str | None, str]
"""Cluster, namespace, the owner's uid or kind and name."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A pod that a record ends, and its owner."""

    owner: Owner
    name: str | None
    uid: str | None
    node: str | None


class PodEnds:
    """Takes ends of pods and changes of nodes; finds which of them a new pod can be in place of."""

    def __init__(self) -> None:
        self._ends: Bounded[Key, list[TriggerRecord]] = Bounded(OWNERS_LIMIT)
        self._collections: Bounded[Home, list[TriggerRecord]] = Bounded(OWNERS_LIMIT)
        """Deletions of collections whose records do not name the pods."""
        self._nodes: deque[ControlRecord] = deque(maxlen=NODES_LIMIT)
        self._changes: deque[ControlRecord] = deque(maxlen=CHANGES_LIMIT)
        """Nodes whose labels or taints may have changed, the latest."""

    @property
    def evicted(self) -> int:
        """How many of them went for want of room."""
        return self._ends.evicted + self._collections.evicted

    def node(self, record: ControlRecord) -> None:
        """Take a node that joined, left or was tainted."""
        (self._changes if Touch.NODE in _touches(record) else self._nodes).append(record)

    def collection(self, record: ControlRecord, home: Home) -> None:
        """Take the deletion of a collection that does not say which pods it took."""
        if not _by_a_client(record.request.actor):
            return
        known = self._collections.get(home) or []
        _keep(known, TriggerRecord(record, record.request.requested or 0, None))
        self._collections.put(home, known)

    def take(self, record: ControlRecord, ended: Ended, home: Home) -> None:
        """Take the end of a pod, for its owner."""
        actor = record.request.actor
        if actor is None or actor.kind is ActorKind.NODE:
            return
        cause, asked = record, True
        if actor.kind is ActorKind.CONTROL_PLANE:
            who = short(actor.name)
            lost = self._node_lost(record, ended.node) if who in NODE_LOSS else None
            if lost is None and who not in NODE_LOSS and who not in _BY_ITSELF:
                return
            asked = lost is not None or who not in _BY_ITSELF
            cause = lost or record
        key = _key(ended.owner, home)
        ends = self._ends.get(key) or []
        if any(one.pod_uid == ended.uid and one.pod == ended.name for one in ends):
            return  # Asked for again: the first deletion counts.
        time = record.request.requested or 0
        _keep(ends, TriggerRecord(cause, time, 1, pod=ended.name, pod_uid=ended.uid, asked=asked))
        self._ends.put(key, ends)

    def before(self, pod: Pod, owner: Owner, thing: Thing) -> list[TriggerRecord]:
        """Return the ends of an owner's pods that a pod can be in place of."""
        home = (thing.cluster, thing.namespace)
        ends = self._ends.get(_key(owner, home)) or ()
        found = [one for one in ends if _makes_room(one, thing, pod)]
        began = thing.began
        if began is not None:
            found += [
                one
                for one in self._collections.get(home) or ()
                if began < one.time <= pod.time + AHEAD and pod.time <= one.time + COLLECTION_WINDOW
            ]
        return found

    def joined(self, cluster: str | None, node: str | None, since: int, until: int) -> bool:
        """Return whether a node joined its cluster between two times.

        ``node``: None where the records do not show it; then any node right before the end.
        """
        for record in reversed(self._nodes):
            time = record.request.requested or 0
            near = node is not None or until - time <= JOINING
            if Touch.CREATE in _touches(record) and near and _is(record, cluster, node):
                return since < time <= until
        return False

    def changed(self, cluster: str | None, node: str | None, until: int) -> list[TriggerRecord]:
        """Return the changes of a node's labels or taints right before a time.

        Those of a node that the records do not show ask for nothing that is known.
        """
        found = []
        for records in (self._changes, self._nodes):
            for record in reversed(records):
                time = record.request.requested or 0
                if until - time > JOINING:
                    break  # They came in about the order of their times.
                if _CHANGES.isdisjoint(_touches(record)) or not _is(record, cluster, node):
                    continue
                if 0 <= until - time <= PROMPT:
                    asked = node is not None and _by_a_client(record.request.actor)
                    found.append(TriggerRecord(record, time, None, asked=asked))
        return found

    def _node_lost(self, record: ControlRecord, node: str | None) -> ControlRecord | None:
        """Return the request that took the node from under a pod: its delete, or a taint."""
        time, cluster = record.request.requested or 0, cluster_of(record.request)
        for lost in reversed(self._nodes):
            write, workload = lost.write, lost.request.workload
            if write is None or workload is None or cluster_of(lost.request) != cluster:
                continue
            if not {Touch.DELETE, Touch.TAINT} & set(write.touches):
                continue
            if node is not None and workload.name not in (None, node):
                continue
            if 0 <= time - (lost.request.requested or 0) <= WINDOW:
                return lost
        return None


def _touches(record: ControlRecord) -> tuple[Touch, ...]:
    return () if record.write is None else record.write.touches


def _is(record: ControlRecord, cluster: str | None, node: str | None) -> bool:
    """Return whether a record is about a node of a cluster; ``node``: None for any."""
    workload = record.request.workload
    if workload is None or cluster_of(record.request) != cluster:
        return False
    return node is None or workload.name == node


def _keep(ends: list[TriggerRecord], end: TriggerRecord) -> None:
    """Append to a list of at most ``ENDS_LIMIT``. An empty deque takes 600 bytes."""
    ends.append(end)
    if len(ends) > ENDS_LIMIT:
        del ends[0]


def _key(owner: Owner, home: Home) -> Key:
    """Return whose ends they are. Another object of the same name has its own."""
    return (*home, owner.uid or f"{owner.kind}/{owner.name}")


def _by_a_client(actor: Actor | None) -> bool:
    return actor is not None and actor.kind not in {ActorKind.NODE, ActorKind.CONTROL_PLANE}


def _makes_room(end: TriggerRecord, thing: Thing, pod: Pod) -> bool:
    """Return whether a pod can be in place of one that ended. A StatefulSet's has its name."""
    if not end.time - AHEAD <= pod.time <= end.time + WINDOW or (
        pod.uid is not None and end.pod_uid == pod.uid
    ):
        return False
    return thing.kind != "StatefulSet" or end.pod == pod.name


def cluster_of(request: Request) -> str | None:
    """Return what a cluster's records have in common; None where they do not name it."""
    cluster = request.cluster
    return None if cluster is None else cluster.id or cluster.name


def short(name: str) -> str:
    """Return the last part of a user's name: that of a service account."""
    return name.rpartition(":")[2]
