"""The containers that the core knows: what each is doing and how its last run went.

``LIFE`` is the table of a container's states; docs/architecture.md has it drawn.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto, unique
from typing import TYPE_CHECKING

from sensor.correlate.authority import HOST_ROOT
from sensor.correlate.naming import HEX_ID_LEN, KnownIds
from sensor.model.transitions import Machine

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.correlate.naming import FormerName
    from sensor.correlate.runtime_command import RuntimeCommand, Verb
    from sensor.correlate.title import Title
    from sensor.model.container import Description
    from sensor.model.kernel_records import CommandExit, InitExec, InitExit
    from sensor.model.process import CgroupPaths, ProcessFacts, ProcessKey
    from sensor.model.vocabulary import ContainerId

CONTAINERS_MAX = 16_384
"""Containers remembered. Beyond it the longest-stopped of other users is forgotten, then the
longest-stopped of root, then the oldest of all."""

SHARE_MAX = 1024
"""Containers of one user other than root of the host; beyond it that user's own are forgotten."""

_UNIQUE_ID = re.compile(rf"[0-9a-f]{{{HEX_ID_LEN}}}")


@unique
class Phase(Enum):
    """Where in its life a container is."""

    UNKNOWN = auto()
    CREATED = auto()
    RUNNING = auto()
    PAUSED = auto()
    STOPPED = auto()


@unique
class Step(Enum):
    """What moves a container from one phase to another."""

    CREATE = "the runtime's create command"
    RUN = "first execve of an init"
    END = "exit of the init"
    REST = "never ran, or is known as stopped"
    PAUSE = "pause"
    RESUME = "resume"


LIFE = Machine(
    "container",
    (Phase.UNKNOWN,),
    {
        (Phase.UNKNOWN, Step.CREATE): Phase.CREATED,
        (Phase.UNKNOWN, Step.RUN): Phase.RUNNING,
        (Phase.UNKNOWN, Step.REST): Phase.STOPPED,
        (Phase.CREATED, Step.CREATE): Phase.CREATED,
        (Phase.CREATED, Step.RUN): Phase.RUNNING,
        (Phase.CREATED, Step.REST): Phase.STOPPED,
        (Phase.RUNNING, Step.PAUSE): Phase.PAUSED,
        (Phase.RUNNING, Step.END): Phase.STOPPED,
        (Phase.PAUSED, Step.RESUME): Phase.RUNNING,
        (Phase.PAUSED, Step.END): Phase.STOPPED,
        (Phase.STOPPED, Step.CREATE): Phase.CREATED,
        (Phase.STOPPED, Step.RUN): Phase.RUNNING,
        (Phase.STOPPED, Step.REST): Phase.STOPPED,
    },
)


@dataclass(frozen=True, slots=True)
class ContainerKey:
    """A container's identity within the node.

    Ids of 64 hex digits are unique. Others are names that each runtime root (``--root``, one per
    containerd namespace) gives out on its own, so ``scope`` holds that root. What others than root
    of the host make is theirs alone: ``scope`` begins with their domain (``authority.Origin``).
    """

    id: ContainerId
    scope: str | None


def is_unique(id_: ContainerId) -> bool:
    """Whether an id is not a name: 64 hex digits, as engines draw them."""
    return _UNIQUE_ID.fullmatch(id_) is not None


def container_key(id_: ContainerId, root: str | None, domain: str | None = None) -> ContainerKey:
    """Make the key of ``id_``, seen under the runtime root ``root``, of the owner ``domain``."""
    scope = None if is_unique(id_) else root
    if domain is not None:
        scope = f"{domain}: {scope}" if scope is not None else f"{domain}:"
    return ContainerKey(id_, scope)


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
    origin: Origin = HOST_ROOT
    by_cgroup: bool = False
    """Known by the cgroup that it made: its program is not known for a runtime."""
    named: bool = True
    """The runtime is known for one, or its cgroup bears the container's id."""
    understood: bool = True
    """The command line names the container, and its author may speak of that container."""

    @property
    def what(self) -> str:
        """What was seen, for evidence."""
        if not self.understood:
            return f"{self.program} command"
        return f"{self.program} {self.command.verb}"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a container: wall times in ns, None where unseen."""

    id: ContainerId
    started_wall: int | None
    stopped_wall: int | None
    exit_code: int | None
    signal: int | None
    oom_killed: bool | None = None
    sandbox: ContainerId | None = None
    """The sandbox that it shared its namespaces with."""


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
    owner: Origin | None = None
    """Whose it is: the origin of its first creation; None when nothing has shown it."""
    unnamed: bool = False
    """Its id is not known: ``key.id`` is made up and leaves the core nowhere."""
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
    """When the runtime began to create that run; 0 when unknown. An engine calls a container
    started before its init's execve, so that a restart may be asked for before that."""
    starts: int = 0
    last_run: Run | None = None
    title: Title | None = None
    """As its last start was reported; the description ends with the run."""
    image_hint: str | None = None
    """The image by a client's command line, where nothing on disk has it."""
    former_names: tuple[FormerName, ...] = ()
    renamed: str | None = None
    """The name that the last of its renames gave it."""
    """Names that it had before it was renamed, oldest first."""
    pod_uid: str | None = None
    pod_container: str | None = None
    pending: Pending | None = None
    failed: bool = False
    """This creation was reported as failed."""
    proven: bool = False
    """Something but a command line shows that this creation is one: a cgroup, an init."""
    asked_to_start: bool = False
    """The runtime's ``start`` came: what its init did after that is for the init to show."""
    held: InitExec | None = None
    """The first process of a sandbox that the runtime itself provides, as gVisor's: the workload
    begins with the runtime's ``start``."""
    frozen: bool | None = None
    """The kernel's state of its cgroup; None when nothing reports it."""
    depth: int = 0
    """Pid namespaces that its init is in; 0 when unknown."""
    pid_ns: int | None = None
    """Inode of the innermost of these; None when unknown."""

    def move(self, step: Step) -> None:
        """Go to the next phase. Raises ``InvalidTransition`` where the step does not fit."""
        self.phase = LIFE.after(self.phase, step)

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
        self.ids = KnownIds()
        self.forgotten = 0
        self.running = 0
        self.dirty: set[ContainerKey] = set()
        """Containers that changed since the last :meth:`changes`."""
        self._by_cgroup: dict[str, ContainerState] = {}
        """Running containers by the paths of their cgroups."""
        self._others: dict[str, OrderedDict[ContainerKey, None]] = {}
        """Those of others than root of the host, by domain."""

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: ContainerKey) -> ContainerState | None:
        """Return the container of that key, if known."""
        return self._states.get(key)

    def obtain(self, key: ContainerKey, owner: Origin | None = None) -> ContainerState:
        """Return the container of that key, made when unknown, with its owner."""
        state = self._states.get(key)
        if state is None:
            domain = owner.domain if owner is not None else None
            if domain is not None and len(self._others.get(domain, ())) >= SHARE_MAX:
                self._forget_one(self._others[domain])
            elif len(self._states) >= self._limit:
                self._forget_one()
            state = self._states[key] = ContainerState(key, owner)
            if is_unique(key.id):
                self.ids.add(key.id)
            if key.scope is not None:
                self._scoped.setdefault(key.id, OrderedDict())[key] = state
            if domain is not None:
                self._others.setdefault(domain, OrderedDict())[key] = None
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

    def known(self, ids: tuple[ContainerId, ...]) -> tuple[ContainerId, ...]:
        """Return those that are containers: who starts one may put its cgroup below any name."""
        return tuple(id_ for id_ in ids if self.named(id_) is not None)

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

    def predecessor(self, pod_uid: str, container: str | None) -> ContainerState | None:
        """Return the last container that had that name in that pod."""
        return self._pods.get((pod_uid, container))

    def begin_run(self, state: ContainerState, init: ProcessKey, started: int) -> None:
        """Its init ran."""
        if state.alive:
            # The end of its last init went unseen.
            state.move(Step.END)
            self.running -= 1
        self.running += 1
        self._release_init(state)
        state.move(Step.RUN)
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
            state.move(Step.END)
        else:
            state.move(Step.REST)
        self._release_init(state)
        if run is not None:
            state.last_run = run
        state.creation = None
        state.description = None
        if state.key in self._states:
            self._touch(state.key)
        self.dirty.add(state.key)

    def pod_containers(self, pod_uid: str) -> frozenset[str]:
        """Return the names of the containers that a pod is known to have had."""
        return frozenset(name for uid, name in self._pods if uid == pod_uid and name is not None)

    def members_of(self, pod_uid: str) -> tuple[ContainerState, ...]:
        """Return the latest container of each name that a pod is known to have had."""
        return tuple(state for (uid, _), state in self._pods.items() if uid == pod_uid)

    def join_pod(self, state: ContainerState, pod_uid: str, container: str | None) -> None:
        """Record that it is the latest container of that name in that pod."""
        state.pod_uid = pod_uid
        state.pod_container = container
        self._pods[pod_uid, container] = state
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
        domain = victim.owner.domain if victim.owner is not None else None
        if domain is not None and domain in self._others:
            self._others[domain].pop(victim.key, None)
            if not self._others[domain]:
                del self._others[domain]
        if victim.pod_uid is not None:
            pod = (victim.pod_uid, victim.pod_container)
            if self._pods.get(pod) is victim:
                del self._pods[pod]


def _paths(state: ContainerState) -> tuple[str, ...]:
    cgroup = state.cgroup
    return tuple(path for path in (cgroup.v1, cgroup.v2) if path) if cgroup is not None else ()
