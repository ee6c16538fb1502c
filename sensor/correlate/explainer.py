"""Ties the starts of this node to the requests that control planes recorded: who asked for each.

A start is never delayed. It waits here, and when its pod's chain is found, an event
``container.start_explained`` names its id: at once where the records prove the requester, else
after ``SETTLE``. What is not found within ``PATIENCE`` is not explained:
the audit policy has a hole, the records come too late, or no request exists. A container that
kubelet restarted by itself (attempt above 0) has no request.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.correlate.chain import CausalChain
from sensor.correlate.chain_ends import AHEAD, cluster_of
from sensor.correlate.record_order import RecordOrder
from sensor.correlate.request_events import SETTLE
from sensor.correlate.seen_records import SeenRecords
from sensor.correlate.start_explanation import start_explanation
from sensor.correlate.task_starts import TaskStarts
from sensor.dataclass import dataclass
from sensor.model.container import KUBERNETES
from sensor.model.control_plane import Effect
from sensor.model.vocabulary import ContainerType, EventType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.chain_index import Pod
    from sensor.model.control_plane import ControlRecord, RequestedBy
    from sensor.model.events import Event

PATIENCE = 600 * 1_000_000_000
"""How long a start waits for the records of its request: they come within seconds."""
CLUSTERS_LIMIT = 16
"""Clusters whose records come to one node, the latest."""
STARTS_LIMIT = 10_000
"""Starts that wait; the oldest go first and stay unexplained."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: Event
    since: int


class StartExplainer:
    """Takes starts and records, gives explanations. Times are wall-clock ns."""

    def __init__(self) -> None:
        self.chain = CausalChain()
        self.tasks = TaskStarts()
        self._explained = 0
        self._unexplained = 0
        self._starts: deque[_Waiting] = deque()
        self._seen = SeenRecords()
        self._records = RecordOrder(SETTLE)
        self._clusters: Bounded[str, None] = Bounded(CLUSTERS_LIMIT)
        """Clusters that records name; a log of this node's own server names none."""

    def __len__(self) -> int:
        return len(self._starts) + len(self.tasks)

    @property
    def explained(self) -> int:
        """Starts whose requester was found."""
        return self._explained + self.tasks.explained

    @property
    def unexplained(self) -> int:
        """Starts whose requester was not found in time."""
        return self._unexplained + self.tasks.unexplained

    def started(self, event: Event) -> None:
        """Take a start of this node, if a control plane can have asked for it."""
        self.tasks.started(event)
        pod = event.orchestrator
        if event.type is not EventType.START or event.start is None or pod is None:
            return
        if pod.type != KUBERNETES or pod.pod_uid is None:
            return
        self._starts.append(_Waiting(event, event.time + event.realtime_offset))
        if len(self._starts) > STARTS_LIMIT:
            self._starts.popleft()
            self._unexplained += 1

    def add(self, record: ControlRecord, now: int, log: str | None = None) -> None:
        """Take a record of a control plane that was read at ``now``.

        ``log`` names the growing log of one server that it comes from.
        """
        if record.write is None and record.ecs is None:
            return
        new = self._seen.take(record)
        self.tasks.add(record, new=new)
        if new and record.write is not None:
            self._records.add(record, now, log)
            self._chained()

    def _chained(self) -> None:
        for record in self._records.ready():
            cluster = cluster_of(record.request)
            if cluster is not None and cluster not in self._clusters:
                self._clusters.put(cluster, None)
            self.chain.add(record)

    def settle(self, now: int) -> Iterator[Event]:
        """Yield the explanations that are known at ``now``, when all that is there was read."""
        self._records.quiet(now)
        self._chained()
        waiting, self._starts = self._starts, deque()
        for one in waiting:
            pod = self._pod(one.event)
            # The API server's clock may be hours ahead of this node's.
            settled = pod is not None and min(pod.time, one.since) + SETTLE <= now
            if pod is not None and (settled or self._certain(pod)):
                requested = self._requested(one.event, pod)
                if requested is not None:
                    self._explained += 1
                    yield _explanation(one.event, pod, requested, now)
                    continue
                if pod.time + 2 * SETTLE <= now and not _may_come(one.event):
                    self._unexplained += 1
                    continue
            if now - one.since > PATIENCE:
                self._unexplained += 1
            else:
                self._starts.append(one)
        yield from self.tasks.settle(now)

    def _pod(self, event: Event) -> Pod | None:
        orchestrator = event.orchestrator
        if orchestrator is None:
            return None
        uid = orchestrator.pod_uid
        pod = self.chain.pod(orchestrator.namespace, orchestrator.pod, uid)
        for cluster in self._clusters if pod is None and uid is not None else ():
            # A uid is of one cluster; a name alone says nothing of which this node is in.
            pod = pod or self.chain.pod(None, None, uid, cluster)
        if pod is not None and pod.uid is None and pod.node_uid is None:
            # Found by its name only, which an earlier pod may have had.
            since = event.time + event.realtime_offset - pod.time
            return pod if -AHEAD <= since <= PATIENCE else None
        return pod

    def _certain(self, pod: Pod) -> bool:
        return pod.placed and self.chain.certain(pod) is not None

    def _requested(self, event: Event, pod: Pod) -> RequestedBy | None:
        orchestrator, container = event.orchestrator, event.container
        sandbox = container is not None and container.sandbox
        name = None if orchestrator is None or sandbox else orchestrator.container
        started, attempt = event.time + event.realtime_offset, _attempt(event)
        if name is not None and container is not None and container.id is not None:
            # Kubelet counts: a second container of one name and attempt is not its own.
            first = pod.begun.setdefault((name, attempt or 0), container.id)
            if first != container.id:
                return None
        return self.chain.requester(pod, name, attempt, started)


def _attempt(event: Event) -> int | None:
    if event.start is not None and event.start.attempt is not None:
        return event.start.attempt
    return None if event.orchestrator is None else event.orchestrator.attempt


def _may_come(event: Event) -> bool:
    """Return whether records that are still on their way may explain a start."""
    return not _attempt(event)


def _with_author(requested: RequestedBy, known: RequestedBy | None) -> RequestedBy:
    """Return the requester; of a static pod the author of its manifest, where audit named one.

    The mirror pod is then the evidence that the API server knows of it.
    """
    if requested.effect is not Effect.STATIC_POD or known is None:
        return requested
    return replace(known, chain=(*requested.chain, *known.chain))


def _explanation(event: Event, pod: Pod, requested: RequestedBy, now: int) -> Event:
    place = event.orchestrator
    if place is not None:
        place = replace(
            place,
            requested_by=_with_author(requested, place.requested_by),
            owner=place.owner or pod.owner,
            container_type=place.container_type or _type_of(event, pod),
        )
    return start_explanation(event, place, now)


def _type_of(event: Event, pod: Pod) -> ContainerType | None:
    """Return what a container is within its pod, by the pod's own record or an addition to it."""
    orchestrator, container = event.orchestrator, event.container
    if orchestrator is None or container is None or container.sandbox:
        return None
    for record in (pod.created, *pod.additions):
        for one in record.request.containers:
            if one.name is not None and one.name == orchestrator.container:
                return ContainerType(one.role) if one.role is not None else ContainerType.MAIN
    return None
