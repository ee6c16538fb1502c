"""What runs or ran on the node: descriptions, what procfs shows, what an earlier agent knew."""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.container import Description
from sensor.model.process import CgroupPaths, ProcessKey
from sensor.model.vocabulary import ContainerId, LastEnd


@quick
@dataclass(frozen=True, slots=True)
class ContainerDescribed:
    """The identity worker's answer to a :class:`DescribeRequest`."""

    time: int
    id: ContainerId
    description: Description
    scope: str | None = None
    """The request's; None in captures that are older than it."""


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container that runs now, found in procfs."""

    id: ContainerId
    scope: str | None
    """The runtime root that a name (an id other than 64 hex digits) belongs to, where known."""
    init: ProcessKey
    cgroup: CgroupPaths
    parents: tuple[ContainerId, ...]
    argv: tuple[str, ...]
    description: Description | None
    supervisor_uid: int | None = None
    """Effective user, as the host numbers it, of the process that supervises the container; None
    where none was found."""


@dataclass(frozen=True, slots=True)
class InventoryTaken:
    """Everything that runs on the node, taken once the probes are attached and drained."""

    time: int
    containers: tuple[FoundContainer, ...]


@quick
@dataclass(frozen=True, slots=True)
class KnownContainer:
    """What is remembered of a container across agents and boots."""

    id: ContainerId
    scope: str | None
    boot_id: str
    init: ProcessKey | None
    running: bool
    starts: int
    started_wall: int | None
    stopped_wall: int | None
    exit_code: int | None
    signal: int | None
    pod_uid: str | None
    pod_container: str | None
    oom_killed: bool | None = None
    """Whether the kernel ended the last run for want of memory; None where that is not known."""
    sandbox: ContainerId | None = None
    """The sandbox that the last run shared its namespaces with."""


@dataclass(frozen=True, slots=True)
class KnowledgeRestored:
    """What the last agent on this host knew when it ended; ``seen`` is the last time it saw."""

    time: int
    boot_id: str
    seen: int
    containers: tuple[KnownContainer, ...]
    seen_wall: int | None = None
    """``seen`` as wall-clock ns."""
    ended: LastEnd | None = None
    """How that agent ended; None where it left no record of it."""
