"""The containers that the core knows: what each is doing and how its last run went.

State of one container, and what moves it:

    (unknown) ──create──▶ CREATED ──init's first exec──▶ RUNNING ──init's exit──▶ STOPPED
                             │                             │  ▲                      │
                             └─never ran──▶ STOPPED   pause▼  │resume                │
                                                        PAUSED                       │
                             ▲────────────────────create again──────────────────────┘
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto, unique
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.correlate.runtime_command import RuntimeCommand, Verb
    from sensor.model.container import Description
    from sensor.model.observations import CommandExit, InitExec, InitExit
    from sensor.model.process import CgroupPaths, ProcessFacts, ProcessKey
    from sensor.model.vocabulary import ContainerId

CONTAINERS_MAX = 16_384
"""Containers remembered; beyond it the longest-stopped is forgotten, then the oldest of all."""

HEX_ID_LEN = 64
_UNIQUE_ID = re.compile(rf"[0-9a-f]{{{HEX_ID_LEN}}}")


@unique
class Phase(Enum):
    """Where in its life a container is."""

    UNKNOWN = auto()
    CREATED = auto()
    RUNNING = auto()
    PAUSED = auto()
    STOPPED = auto()


@dataclass(frozen=True, slots=True)
class ContainerKey:
    """A container's identity within the node.

    Ids of 64 hex digits are unique. Others are names that each runtime root (``--root``, one per
    containerd namespace) gives out on its own, so ``scope`` holds that root.
    """

    id: ContainerId
    scope: str | None


def container_key(id_: ContainerId, root: str | None) -> ContainerKey:
    """Make the key of ``id_``, seen under the runtime root ``root``."""
    unique_id = _UNIQUE_ID.fullmatch(id_) is not None
    return ContainerKey(id_, None if unique_id else root)


@dataclass(frozen=True, slots=True)
class Creation:
    """A runtime command that makes a container's init, and who ran it."""

    time: int
    sequence: int
    command: RuntimeCommand
    program: str
    process: ProcessFacts
    argv: tuple[str, ...] = ()
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a container: wall times in ns, None where unseen."""

    id: ContainerId
    started_wall: int | None
    stopped_wall: int | None
    exit_code: int | None
    signal: int | None


@dataclass(slots=True)
class Pending:
    """A start that waits for its description until ``deadline`` (ns since boot).

    ``later`` keeps what came about the container meanwhile, in order.
    """

    exec: InitExec
    deadline: int
    asked_again: bool = False
    later: list[InitExit | tuple[Verb, CommandExit]] = field(default_factory=list)


@dataclass(slots=True)
class ContainerState:
    """What is known of one container."""

    key: ContainerKey
    phase: Phase = Phase.UNKNOWN
    creation: Creation | None = None
    asked: int | None = None
    """When its description was last asked for; None when there is no request under way."""
    description: Description | None = None
    init: ProcessKey | None = None
    cgroup: CgroupPaths | None = None
    parents: tuple[ContainerId, ...] = ()
    started: int | None = None
    """Start of the current or last run, in ns since boot; None for a run of an earlier boot."""
    requested: int = 0
    """When the runtime was told to create that run; 0 when unknown. An engine calls a container
    started before its init's execve, so that somebody may ask to restart it before that."""
    starts: int = 0
    last_run: Run | None = None
    image_hint: str | None = None
    """The image by a client's command line, where nothing on disk tells it."""
    pod_uid: str | None = None
    pod_container: str | None = None
    pending: Pending | None = None
    failed: bool = False
    """This creation was reported as failed."""

    @property
    def alive(self) -> bool:
        """Whether its init runs."""
        return self.phase in (Phase.RUNNING, Phase.PAUSED)

    @property
    def unstarted(self) -> bool:
        """Whether it was created and its init has not been seen to execute anything."""
        return self.phase is Phase.CREATED and self.pending is None


class ContainerTable:
    """All known containers, bounded, with the look-ups that the core needs."""

    def __init__(self, limit: int = CONTAINERS_MAX) -> None:
        self._limit = limit
        self._states: OrderedDict[ContainerKey, ContainerState] = OrderedDict()
        self._scoped: dict[ContainerId, OrderedDict[ContainerKey, ContainerState]] = {}
        """Those of a runtime root's own, by their name: the one whose state changed last at the
        end."""
        self._by_init: dict[int, ContainerState] = {}
        self._pods: dict[tuple[str, str | None], ContainerState] = {}
        self.forgotten = 0
        self.running = 0
        self.dirty: set[ContainerKey] = set()
        """Containers that changed since the last :meth:`changes`."""

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: ContainerKey) -> ContainerState | None:
        """Return the container of that key, if known."""
        return self._states.get(key)

    def obtain(self, key: ContainerKey) -> ContainerState:
        """Return the container of that key, made when unknown."""
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= self._limit:
                self._forget_one()
            state = self._states[key] = ContainerState(key)
            if key.scope is not None:
                self._scoped.setdefault(key.id, OrderedDict())[key] = state
        return state

    def _touch(self, key: ContainerKey) -> None:
        """Note that its state changed last of all."""
        self._states.move_to_end(key)
        if key.scope is not None:
            self._scoped[key.id].move_to_end(key)

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

    def predecessor(self, pod_uid: str, container: str | None) -> ContainerState | None:
        """Return the last container that had that name in that pod."""
        return self._pods.get((pod_uid, container))

    def begin_run(self, state: ContainerState, init: ProcessKey, started: int) -> None:
        """Its init ran."""
        if not state.alive:
            self.running += 1
        self._release_init(state)
        state.phase = Phase.RUNNING
        state.init = init
        state.started = started
        state.requested = state.creation.time if state.creation is not None else started
        state.starts += 1
        state.failed = False
        self._by_init[init.pid] = state
        self._touch(state.key)
        self.dirty.add(state.key)

    def end_run(self, state: ContainerState, run: Run | None) -> None:
        """Its init ended; ``run`` says how, None when nothing is known of the run."""
        if state.alive:
            self.running -= 1
        self._release_init(state)
        state.phase = Phase.STOPPED
        if run is not None:
            state.last_run = run
        state.creation = None
        state.description = None
        if state.key in self._states:
            self._touch(state.key)
        self.dirty.add(state.key)

    def join_pod(self, state: ContainerState, pod_uid: str, container: str | None) -> None:
        """Record that it is the latest container of that name in that pod."""
        state.pod_uid = pod_uid
        state.pod_container = container
        self._pods[pod_uid, container] = state
        self.dirty.add(state.key)

    def remember(self, state: ContainerState) -> None:
        """Note that it changed, for whoever keeps knowledge."""
        self.dirty.add(state.key)

    def all(self) -> tuple[ContainerState, ...]:
        """Every known container, the one whose state changed last at the end."""
        return tuple(self._states.values())

    def _release_init(self, state: ContainerState) -> None:
        if state.init is not None and self._by_init.get(state.init.pid) is state:
            del self._by_init[state.init.pid]

    def _forget_one(self) -> None:
        # A start that waits for its description is about to be reported and stays.
        states = self._states.values()
        victim = next((s for s in states if not s.alive and s.pending is None), None)
        if victim is None:
            victim = next((s for s in states if s.pending is None), None)
            if victim is None:
                return
            self.running -= 1
        self._release_init(victim)
        del self._states[victim.key]
        if victim.key.scope is not None:
            scoped = self._scoped[victim.key.id]
            del scoped[victim.key]
            if not scoped:
                del self._scoped[victim.key.id]
        if victim.pod_uid is not None:
            pod = (victim.pod_uid, victim.pod_container)
            if self._pods.get(pod) is victim:
                del self._pods[pod]
        self.forgotten += 1
        self.dirty.add(victim.key)
