"""One container: what it is doing and how its last run went.

``LIFE`` is the table of a container's states; docs/architecture.md has it drawn.
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import Enum, auto, unique
from typing import TYPE_CHECKING

from sensor.correlate.authority import HOST_ROOT
from sensor.correlate.naming import HEX_ID_LEN
from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.transitions import Machine

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.correlate.naming import FormerName
    from sensor.correlate.runtime_command import RuntimeCommand, Verb
    from sensor.correlate.title import Title
    from sensor.model.container import Description
    from sensor.model.kernel_records import CommandExec, CommandExit, InitExec, InitExit
    from sensor.model.process import CgroupPaths, ProcessFacts, ProcessKey
    from sensor.model.vocabulary import ContainerId, ContainerType


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
class ContainerStep(Enum):
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
        (Phase.UNKNOWN, ContainerStep.CREATE): Phase.CREATED,
        (Phase.UNKNOWN, ContainerStep.RUN): Phase.RUNNING,
        (Phase.UNKNOWN, ContainerStep.REST): Phase.STOPPED,
        (Phase.CREATED, ContainerStep.CREATE): Phase.CREATED,
        (Phase.CREATED, ContainerStep.RUN): Phase.RUNNING,
        (Phase.CREATED, ContainerStep.REST): Phase.STOPPED,
        (Phase.RUNNING, ContainerStep.PAUSE): Phase.PAUSED,
        (Phase.RUNNING, ContainerStep.END): Phase.STOPPED,
        (Phase.PAUSED, ContainerStep.RESUME): Phase.RUNNING,
        (Phase.PAUSED, ContainerStep.END): Phase.STOPPED,
        (Phase.STOPPED, ContainerStep.CREATE): Phase.CREATED,
        (Phase.STOPPED, ContainerStep.RUN): Phase.RUNNING,
        (Phase.STOPPED, ContainerStep.REST): Phase.STOPPED,
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


@quick
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


@quick
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
    earlier_boot: bool = False
    """It was in another boot of the node."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A program and its user."""

    exe: str | None
    uid: int | None


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
    placeless: bool = False
    """Its labels name an orchestrator, and who asked for it was another."""
    asker: Asker | None = None
    """Who certainly asked for its first start that was seen."""
    pod_uid: str | None = None
    pod_container: str | None = None
    pending: Pending | None = None
    failed: bool = False
    """This creation was reported as failed."""
    proven: bool = False
    """Something but a command line shows that this creation is one: a cgroup, an init."""
    asked_to_start: bool = False
    """The runtime's ``start`` came: what its init did after that is for the init to show."""
    starter: CommandExec | None = None
    """That ``start`` command, of which the user may be another than of the creating one."""
    held: InitExec | None = None
    """The first process of a sandbox that the runtime itself provides, as gVisor's: the workload
    begins with the runtime's ``start``."""
    frozen: bool | None = None
    """The kernel's state of its cgroup; None when nothing reports it."""
    depth: int = 0
    """Pid namespaces that its init is in; 0 when unknown."""
    pid_ns: int | None = None
    """Inode of the innermost of these; None when unknown."""
    leads: bool = False
    """When it started, its sandbox had had no other containers than init containers; and none
    started beside it."""
    by_order: ContainerType | None = None
    """What it is within its pod, inferred from what started after it."""

    def move(self, step: ContainerStep) -> None:
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
