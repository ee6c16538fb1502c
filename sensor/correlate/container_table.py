"""All known containers, bounded, with the look-ups that the core needs."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from sensor.correlate.authority import login_slice_of
from sensor.correlate.containers import ContainerKey, ContainerState, ContainerStep, Run, is_unique
from sensor.correlate.naming import KnownIds

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.model.process import CgroupPaths, ProcessKey
    from sensor.model.vocabulary import ContainerId

CONTAINERS_MAX = 16_384
"""Containers remembered. Beyond it the longest-stopped of other users is forgotten, then the
longest-stopped of root, then the oldest of all."""

SHARE_MAX = 1024
"""Containers of one user other than root of the host; beyond it that user's own are forgotten."""


class ContainerTable:
    """All known containers, bounded, with the look-ups that the core needs."""

    def __init__(self, limit: int = CONTAINERS_MAX) -> None:
        self._limit = limit
        self._states: OrderedDict[ContainerKey, ContainerState] = OrderedDict()
        self._scoped: dict[ContainerId, OrderedDict[ContainerKey, ContainerState]] = {}
        """Those of a runtime root's own, by their name: the one whose state changed last at the
        end."""
        self._by_init: dict[int, ContainerState] = {}
        self._pods: dict[tuple[str | None, str, str | None], ContainerState] = {}
        """The latest of each name in a pod, by whose they are: anyone may write a pod's uid."""
        self.ids = KnownIds()
        self.forgotten = 0
        self.running = 0
        self.dirty: set[ContainerKey] = set()
        """Containers that changed since the last :meth:`changes`."""
        self._by_cgroup: dict[str, ContainerState] = {}
        """Running containers by the paths of their cgroups."""
        self._others: dict[str, OrderedDict[ContainerKey, None]] = {}
        """Those of others than root of the host, by account."""

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: ContainerKey) -> ContainerState | None:
        """Return the container of that key, if known."""
        return self._states.get(key)

    def obtain(self, key: ContainerKey, owner: Origin | None = None) -> ContainerState:
        """Return the container of that key, made when unknown, with its owner."""
        state = self._states.get(key)
        if state is None:
            account = owner.account if owner is not None else None
            if account is not None and len(self._others.get(account, ())) >= SHARE_MAX:
                self._forget_one(self._others[account])
            elif len(self._states) >= self._limit:
                self._forget_one()
            state = self._states[key] = ContainerState(key, owner)
            if is_unique(key.id):
                self.ids.add(key.id)
            if key.scope is not None:
                self._scoped.setdefault(key.id, OrderedDict())[key] = state
            if account is not None:
                self._others.setdefault(account, OrderedDict())[key] = None
        elif state.owner is None:
            state.owner = owner
        return state

    def all_named(self, id_: ContainerId) -> tuple[ContainerState, ...]:
        """Return the containers of that id, of whatever root and owner."""
        plain = self._states.get(ContainerKey(id_, None))
        scoped = self._scoped.get(id_)
        others = tuple(scoped.values()) if scoped else ()
        return (plain, *others) if plain is not None else others

    def discard(self, state: ContainerState) -> None:
        """Forget a container that turned out to be none."""
        if state.key in self._states and not state.alive:
            self._drop(state)

    def _touch(self, key: ContainerKey) -> None:
        """Note that its state changed last of all."""
        self._states.move_to_end(key)
        if key.scope is not None:
            self._scoped[key.id].move_to_end(key)

    def known(
        self, ids: tuple[ContainerId, ...], cgroup: CgroupPaths | None
    ) -> tuple[ContainerId, ...]:
        """Return those that a process in the cgroup is in: cgroups may have any name."""
        return tuple(id_ for id_ in ids if self.named(id_) is not None and self.holds(id_, cgroup))

    def holds(self, id_: ContainerId, cgroup: CgroupPaths | None) -> bool:
        """Whether a cgroup below one that is called like a container may be that container's.

        That is where the container's own cgroup is, if it is known. In a user's slice it is not
        root's, if not, and not one that nothing else has shown.
        """
        in_slice = login_slice_of(cgroup) is not None
        states = self.all_named(id_)
        if not states:
            return not in_slice
        return any(
            _begins_alike(state.cgroup, cgroup, id_)
            if state.cgroup is not None
            else not in_slice or (state.owner is not None and not state.owner.privileged)
            for state in states
        )

    def named(self, id_: ContainerId) -> ContainerState | None:
        """Return the container of that id under whatever root; for ids that come without one."""
        state = self._states.get(ContainerKey(id_, None))
        if state is not None:
            return state
        scoped = self._scoped.get(id_)
        return next(reversed(scoped.values())) if scoped else None

    def of_init(self, process: ProcessKey) -> ContainerState | None:
        """Return the container whose current init is ``process``."""
        state = self._by_init.get(process.pid)
        if state is None or state.init is None or not state.init.same(process):
            return None
        return state

    def of_cgroup(self, path: str) -> ContainerState | None:
        """Return the running container whose cgroup has that path, in whatever hierarchy."""
        return self._by_cgroup.get(path)

    def predecessor(
        self, state: ContainerState, pod_uid: str, container: str | None
    ) -> ContainerState | None:
        """Return the last container of the same owner that had that name in that pod."""
        return self._pods.get((_domain(state), pod_uid, container))

    def begin_run(self, state: ContainerState, init: ProcessKey, started: int) -> None:
        """Its init ran."""
        if state.alive:
            # The end of its last init went unseen.
            state.move(ContainerStep.END)
            self.running -= 1
        self.running += 1
        self._release_init(state)
        state.move(ContainerStep.RUN)
        state.init = init
        state.started = started
        state.requested = state.creation.time if state.creation is not None else started
        state.starts += 1
        state.failed = False
        state.frozen = None
        self._by_init[init.pid] = state
        for path in _paths(state):
            self._by_cgroup[path] = state
        self._touch(state.key)
        self.dirty.add(state.key)

    def end_run(self, state: ContainerState, run: Run | None) -> None:
        """Its init ended; ``run`` says how, None when nothing is known of the run."""
        if state.alive:
            self.running -= 1
            state.move(ContainerStep.END)
        else:
            state.move(ContainerStep.REST)
        self._release_init(state)
        if run is not None:
            state.last_run = run
        state.creation = state.starter = None
        state.description = None
        if state.key in self._states:
            self._touch(state.key)
        self.dirty.add(state.key)

    def pod_containers(self, state: ContainerState, pod_uid: str) -> frozenset[str]:
        """Return the names of the containers that a pod of its owner is known to have had."""
        whose = _domain(state)
        return frozenset(
            name
            for owner, uid, name in self._pods
            if uid == pod_uid and owner == whose and name is not None
        )

    def members_of(self, state: ContainerState, pod_uid: str) -> tuple[ContainerState, ...]:
        """Return the latest container of each name that a pod of its owner is known to have had."""
        whose = _domain(state)
        return tuple(
            one for (owner, uid, _), one in self._pods.items() if uid == pod_uid and owner == whose
        )

    def join_pod(self, state: ContainerState, pod_uid: str, container: str | None) -> None:
        """Record that it is the latest container of that name in that pod."""
        state.pod_uid = pod_uid
        state.pod_container = container
        self._pods[_domain(state), pod_uid, container] = state
        self.dirty.add(state.key)

    def remember(self, state: ContainerState) -> None:
        """Note that it changed, for what is persisted."""
        self.dirty.add(state.key)

    def all(self) -> tuple[ContainerState, ...]:
        """Every known container, the one whose state changed last at the end."""
        return tuple(self._states.values())

    def _release_init(self, state: ContainerState) -> None:
        if state.init is not None and self._by_init.get(state.init.pid) is state:
            del self._by_init[state.init.pid]
        for path in _paths(state):
            if self._by_cgroup.get(path) is state:
                del self._by_cgroup[path]

    def _forget_one(self, among: OrderedDict[ContainerKey, None] | None = None) -> None:
        """Forget the longest stopped, of others than root of the host first.

        A start that waits for its description is about to be reported and stays.
        """
        if among is None and self._others:
            among = max(self._others.values(), key=len)
        if among is not None:
            states = [self._states[key] for key in among]
            victim = next((s for s in states if not s.alive and s.pending is None), states[0])
        else:
            every = self._states.values()
            found = next((s for s in every if not s.alive and s.pending is None), None)
            found = found or next((s for s in every if s.pending is None), None)
            if found is None:
                return
            victim = found
        self._drop(victim)
        self.forgotten += 1
        self.dirty.add(victim.key)

    def _drop(self, victim: ContainerState) -> None:
        if victim.alive:
            self.running -= 1
        self._release_init(victim)
        del self._states[victim.key]
        if victim.key.scope is not None:
            scoped = self._scoped[victim.key.id]
            del scoped[victim.key]
            if not scoped:
                del self._scoped[victim.key.id]
        if not self.all_named(victim.key.id):
            self.ids.discard(victim.key.id)
        account = victim.owner.account if victim.owner is not None else None
        if account is not None and account in self._others:
            self._others[account].pop(victim.key, None)
            if not self._others[account]:
                del self._others[account]
        if victim.pod_uid is not None:
            pod = (_domain(victim), victim.pod_uid, victim.pod_container)
            if self._pods.get(pod) is victim:
                del self._pods[pod]


def _paths(state: ContainerState) -> tuple[str, ...]:
    cgroup = state.cgroup
    return tuple(path for path in (cgroup.v1, cgroup.v2) if path) if cgroup is not None else ()


def _domain(state: ContainerState) -> str | None:
    return state.owner.domain if state.owner is not None else None


def _begins_alike(own: CgroupPaths, other: CgroupPaths | None, id_: ContainerId) -> bool:
    """Whether two cgroups lie below the same one that is called like the container ``id_``."""
    if other is None:
        return False
    pairs = ((own.v1, other.v1), (own.v2, other.v2))
    named = [(a, b) for a, b in pairs if a and b and id_ in a and id_ in b]
    return any(_up_to(a, id_) == _up_to(b, id_) for a, b in named)


def _up_to(path: str, id_: ContainerId) -> str:
    """Return a cgroup's path up to the segment that bears an id."""
    before, _, after = path.partition(id_)
    return before + id_ + after.partition("/")[0]
