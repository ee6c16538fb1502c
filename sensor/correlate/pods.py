"""Which pod a start belongs to: what its annotations claim, against what the kernel shows.

Rules:

1. The container's cgroup path, which kubelet makes and the kernel reports, holds the pod's uid. A
   claim of another uid, or of a pod where the cgroup is not a pod's, is dropped with the reason.
2. A claim of a known sandbox of another pod, or of what is not a sandbox, is dropped likewise.
3. Without a claim the cgroup's uid names the pod, and other containers of that uid give its name.
   Where the pod is known to have had one container only, it is taken to be that one again.
4. An init in the pid namespace of another container of the pod is an ephemeral container's.
5. A container that ended with 0 before the next of its pod started was an init container,
   inferred (:mod:`sensor.correlate.pod_order`).
6. A container that joins a pod whose sandbox runs for longer than LATE_AFTER is late, unless it is
   a further attempt of a container that the pod had before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate.host_namespaces import HostNamespaces
from sensor.correlate.pod_order import place_in_order
from sensor.dataclass import dataclass
from sensor.model.container import KUBERNETES, Description, Orchestrator
from sensor.model.events import Evidence
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    ContainerType,
    Engine,
    EvidenceKind,
    PodSource,
    Witness,
)
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.containers import ContainerState
    from sensor.model.container import CgroupIdentity
    from sensor.model.process import Namespaces

LATE_AFTER = 600_000_000_000
"""Nanoseconds after its sandbox's start after which a container is late in its pod. Init containers
and slow pulls of images may take minutes."""

PODS_MAX = 4096
"""Pods that are remembered by their uid; the one that was looked at longest ago is forgotten."""

_MARKING = frozenset({Engine.DOCKER, Engine.PODMAN})
"""Engines whose record of a container has all its labels, those of a kubelet among them."""


@dataclass(frozen=True, slots=True)
class Review:
    """A description whose pod is settled, and how sure that is."""

    description: Description | None
    confidence: Confidence = Confidence.NONE
    evidence: tuple[Evidence, ...] = ()


@dataclass(slots=True)
class _Pod:
    """What is known of a pod by its containers."""

    named: Orchestrator | None = None


class Pods:
    """The pods of the node, as far as their containers show them."""

    def __init__(self, table: ContainerTable) -> None:
        self.namespaces = HostNamespaces()
        self._table = table
        self._pods: SharedTable[tuple[str | None, str], _Pod] = SharedTable(PODS_MAX)
        """By whose its containers are, and its uid: anyone may write any uid."""

    def review(
        self,
        state: ContainerState,
        identity: CgroupIdentity | None,
        time: int,
        namespaces: Namespaces | None = None,
    ) -> Review:
        """Settle which pod the container of a start at ``time`` belongs to.

        ``namespaces`` are its init's, of a start where the kernel reported them.
        """
        if namespaces is not None:
            state.pid_ns = namespaces.pid
        description = state.description
        claim = description.orchestrator if description is not None else None
        uid = identity.pod_uid if identity is not None else None
        if description is None or claim is None:
            return self._by_cgroup(state, uid, time)
        if claim.type != KUBERNETES:
            return Review(description, Confidence.EXACT)
        contradiction = self._contradiction(description, claim, uid, identity)
        if contradiction is not None:
            evidence = Evidence(Witness.KUBERNETES, EvidenceKind.POD, contradiction, time)
            honest = replace(description, orchestrator=None, sandbox=False, sandbox_id=None)
            return Review(honest, Confidence.NONE, (evidence,))
        late = self._is_late(state, description, claim, time)
        named = self._named(state, claim.pod_uid)
        claim = replace(
            claim,
            late=late,
            owner=claim.owner or (named.owner if named is not None else None),
            source=claim.source or _source(claim.pod_uid),
            container_type=claim.container_type or self._type_of(state, description, claim),
        )
        known = Confidence.EXACT if uid is not None and _is_kernels(state) else Confidence.INFERRED
        followed = self._order(state, description, claim, time)
        return Review(replace(description, orchestrator=claim), known, followed)

    def learn(self, state: ContainerState) -> None:
        """Remember the pod that a container runs in."""
        pod = state.description.orchestrator if state.description is not None else None
        if pod is None or pod.pod_uid is None:
            return
        owner = state.owner
        key = (owner.domain if owner is not None else None), pod.pod_uid
        known = self._pods.get(key) or _Pod()
        self._pods.put(key, known, owner.share if owner is not None else None)
        if pod.pod is not None:
            above = pod.owner or (known.named.owner if known.named is not None else None)
            known.named = replace(
                pod, container=None, attempt=None, late=None, container_type=None, owner=above
            )

    def _named(self, state: ContainerState, uid: str | None) -> Orchestrator | None:
        """Return what is known of a pod by other containers of the same owner's."""
        if uid is None:
            return None
        owner = state.owner
        known = self._pods.get(((owner.domain if owner is not None else None), uid))
        return known.named if known is not None else None

    def _by_cgroup(self, state: ContainerState, uid: str | None, time: int) -> Review:
        """Name the pod by its cgroup alone: the container's files are gone, or were not read."""
        if uid is None or _is_of_no_pod(state.description):
            return Review(state.description)
        pod = self._named(state, uid) or Orchestrator(KUBERNETES, pod_uid=uid, source=_source(uid))
        names = self._table.pod_containers(state, uid)
        if len(names) == 1:
            pod = replace(pod, container=next(iter(names)))
        certain = len(names) != 1 and _is_kernels(state)
        known_as = Confidence.EXACT if certain else Confidence.INFERRED
        evidence = Evidence(
            Witness.KERNEL, EvidenceKind.CGROUP, "the pod's uid in the cgroup's path", time
        )
        description = state.description or Description(state.key.id)
        return Review(replace(description, orchestrator=pod), known_as, (evidence,))

    def _contradiction(
        self,
        description: Description,
        claim: Orchestrator,
        uid: str | None,
        identity: CgroupIdentity | None,
    ) -> str | None:
        """Return why the pod that the annotations claim is not believed, None if it is."""
        if uid is not None and claim.pod_uid is not None and claim.pod_uid != uid:
            return "annotations name another pod than the cgroup: not believed"
        if identity is not None and uid is None:
            return "annotations name a pod, but the cgroup is in none: not believed"
        sandbox = description.sandbox_id
        if sandbox is None or description.sandbox:
            return None
        state = self._table.named(ContainerId(sandbox))
        if state is not None and state.pod_uid is not None and state.pod_uid != claim.pod_uid:
            return "annotations name a sandbox of another pod: not believed"
        return None

    def _order(
        self, state: ContainerState, description: Description, claim: Orchestrator, time: int
    ) -> tuple[Evidence, ...]:
        """Return the evidence that the container before it was an init container."""
        if claim.pod_uid is None or description.sandbox:
            return ()
        members = self._table.members_of(state, claim.pod_uid)
        before = place_in_order(state, claim, description.sandbox_id, members)
        if before is None:
            return ()
        what = f"{before.pod_container} ended with 0 before it: an init container"
        return (Evidence(Witness.KERNEL, EvidenceKind.POD, what, time),)

    def _type_of(
        self, state: ContainerState, description: Description, claim: Orchestrator
    ) -> ContainerType | None:
        """Return ephemeral for an init in the pid namespace of another container of its pod.

        Kubelet asks the runtime for that for ephemeral containers with a target alone (CRI,
        NamespaceMode TARGET). A pod that shares its processes has them in the sandbox's namespace.
        """
        if state.pid_ns is None or description.sandbox_id is None or claim.pod_uid is None:
            return None
        sandbox = self._table.named(ContainerId(description.sandbox_id))
        if sandbox is None or sandbox.pid_ns in (None, state.pid_ns):
            return None
        within = any(
            other is not state and other.alive and other.pid_ns == state.pid_ns
            for other in self._table.members_of(state, claim.pod_uid)
        )
        return ContainerType.EPHEMERAL if within else None

    def _is_late(
        self, state: ContainerState, description: Description, claim: Orchestrator, time: int
    ) -> bool | None:
        if description.sandbox or description.sandbox_id is None or claim.pod_uid is None:
            return None
        sandbox = self._table.named(ContainerId(description.sandbox_id))
        if sandbox is None or sandbox.started is None:
            return None
        again = bool(claim.attempt) or (
            self._table.predecessor(state, claim.pod_uid, claim.container) is not None
        )
        return not again and time - sandbox.started > LATE_AFTER


def _is_kernels(state: ContainerState) -> bool:
    """Whether the path of its cgroup is more than a text: a user names those in the own slice."""
    return state.owner is None or state.owner.slice_uid is None


def _is_of_no_pod(description: Description | None) -> bool:
    """Whether an engine that marks the containers of pods has a record of it without a mark.

    A user of Docker or Podman may put a container's cgroup below a pod's.
    """
    return description is not None and description.engine in _MARKING


def _source(uid: str | None) -> PodSource | None:
    """Return where kubelet has a pod from: a static one's uid is a hash without dashes."""
    if uid is None:
        return None
    return PodSource.API if "-" in uid else PodSource.FILE
