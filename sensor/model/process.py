"""A process as the kernel describes it."""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.frozen import quick


@dataclass(frozen=True, slots=True)
class ProcessKey:
    """A process of this boot: a pid alone is reused, a pid with its start time is not.

    ``start_time`` is ``task->start_boottime`` in ns. procfs only has clock ticks (10 ms), so
    keys from there are rounded down; compare with :meth:`same`.
    """

    pid: int
    start_time: int

    def same(self, other: ProcessKey) -> bool:
        """Return whether both name one process, allowing for the 10 ms granularity of procfs."""
        return (
            self.pid == other.pid
            and self.start_time // NS_PER_TICK == other.start_time // NS_PER_TICK
        )

    @property
    def tick(self) -> tuple[int, int]:
        """Pid and start in clock ticks, as both procfs and the kernel know the process."""
        return self.pid, self.start_time // NS_PER_TICK


NS_PER_TICK = 10_000_000
"""Nanoseconds per USER_HZ tick, the unit of ``starttime`` in /proc/PID/stat (proc(5))."""


@quick
@dataclass(frozen=True, slots=True)
class Ancestor:
    """One process of the chain above another: parent first."""

    pid: int
    start_time: int
    comm: str
    exe: str | None


@dataclass(frozen=True, slots=True)
class CgroupPaths:
    """A process's cgroup in the v1 hierarchy that containers use (pids, else memory) and in v2.

    Absolute from the hierarchy's root, as the kernel names it: never relative to a cgroup
    namespace. ``None`` for the hierarchy's root, and where the hierarchy does not exist.
    """

    v1: str | None
    v2: str | None


@quick
@dataclass(frozen=True, slots=True)
class Namespaces:
    """Inode numbers of a process's namespaces, as in /proc/PID/ns; None where unknown.

    One that is equal to the host's is shared with the host.
    """

    mnt: int | None
    pid: int | None
    net: int | None
    ipc: int | None
    uts: int | None
    user: int | None
    cgroup: int | None


@quick
@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What the kernel says of a process at the moment of a record."""

    key: ProcessKey
    uid: int
    gid: int
    loginuid: int | None
    session: int | None
    comm: str
    exe: str | None
    tty: str | None
    ns_pids: tuple[int, ...]
    """Its pid in each pid namespace, outermost first."""
    pid_ns: int
    mnt_ns: int
    cgroup_ns: int
    cgroup: CgroupPaths
    ancestors: tuple[Ancestor, ...]
    euid: int | None = None
    """Effective uid, as the first user namespace numbers it; None in older captures."""
    user_ns: int | None = None
    """Inode number of its user namespace."""


def tick_key(pid: int, start_time: int) -> tuple[int, int]:
    """Name a process as both procfs and the kernel know it: its pid, and its start in ticks."""
    return pid, start_time // NS_PER_TICK
