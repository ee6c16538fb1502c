"""What the kernel probes report: starts, ends and commands of processes, cgroups, and losses."""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.process import CgroupPaths, Namespaces, ProcessFacts, ProcessKey
from sensor.model.vocabulary import Lineage, Role


@quick
@dataclass(frozen=True, slots=True)
class InitExec:
    """An execve by a process that the probes take for a container's init."""

    time: int
    sequence: int
    process: ProcessFacts
    argv: tuple[str, ...]
    argv_truncated: bool
    lineage: Lineage
    root: ProcessKey | None
    """The runtime, supervisor or cgroup maker that the process descends from."""
    causes_lost: bool = False
    """Some commands, connects or requests of the seconds before were held back or dropped."""
    namespaces: Namespaces | None = None
    """As of its execve; None in older captures."""


@quick
@dataclass(frozen=True, slots=True)
class InitExit:
    """A container's init ended; with ``started`` false it never got to its first execve."""

    time: int
    sequence: int
    process: ProcessKey
    status: int
    """As wait(2) gives it: low 7 bits the signal, next 8 the exit code."""
    started: bool
    root: ProcessKey | None
    cgroup: CgroupPaths
    oom_killed: bool = False


@quick
@dataclass(frozen=True, slots=True)
class CommandExec:
    """An execve of a watched program."""

    time: int
    sequence: int
    role: Role
    program: str
    """The watched name that matched: the base name of the file."""
    process: ProcessFacts
    argv: tuple[str, ...]
    argv_truncated: bool
    cwd: str | None = None
    again: bool = False
    """An earlier agent read it and handled what followed: background for later records."""


@quick
@dataclass(frozen=True, slots=True)
class CommandExit:
    """A watched runtime's or client's own process ended."""

    time: int
    sequence: int
    process: ProcessKey
    status: int
    again: bool = False


@quick
@dataclass(frozen=True, slots=True)
class CgroupBirth:
    """A cgroup was made by a process of a runtime's, supervisor's or other maker's lineage."""

    time: int
    sequence: int
    path: str
    maker: ProcessFacts
    argv: tuple[str, ...]
    argv_truncated: bool
    again: bool = False


@dataclass(frozen=True, slots=True)
class CgroupFrozen:
    """A cgroup of the v2 hierarchy was frozen or thawed. The v1 freezer has no tracepoint."""

    time: int
    ref: str
    path: str
    """Absolute from the hierarchy's root."""
    frozen: bool
    settled: bool
    """The kernel says that all of its tasks are; else a process asked for it."""
    process: ProcessKey | None
    """Who asked; of a settled one a task of the cgroup, or who asked."""


@dataclass(frozen=True, slots=True)
class KernelLoss:
    """Records that the kernel could not hand over since the last such observation."""

    time: int
    since: int
    ring: str
    """``lifecycle`` or ``commands``."""
    kind: str
    """The record kind, as in ``record.h``."""
    dropped: int
    """Lost because the ring was full."""
    limited: int
    """Held back by the rate limit."""
    malformed: int = 0
    """Handed over, and not understood: probes of another version wrote them."""
