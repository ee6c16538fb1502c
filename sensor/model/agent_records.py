"""What the agent reports of its node and of itself: clocks, probes, outputs, losses."""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.model.log_head import LogHead
from sensor.model.process import Namespaces


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The node. First observation of every run and capture."""

    name: str
    boot_id: str
    machine_id: str | None
    kernel: str
    node: str | None
    """Kubernetes node name, where known."""
    lsm: tuple[str, ...] | None = None
    """Security modules that the kernel has active, in their order; None where it does not report
    them."""
    namespaces: Namespaces | None = None
    """The host's own, those of its first process; None in older captures."""


@dataclass(frozen=True, slots=True)
class ClockSynced:
    """CLOCK_REALTIME - CLOCK_BOOTTIME in ns, which makes wall times of kernel times."""

    time: int
    realtime_offset: int


@dataclass(frozen=True, slots=True)
class AccountsRead:
    """The node's accounts, from its passwd file: uid and name."""

    time: int
    names: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class OutputLoss:
    """Events that an output dropped because its reader was too slow."""

    time: int
    since: int
    output: str
    lost: int


@dataclass(frozen=True, slots=True)
class StoreLoss:
    """Events that the store could not keep, or keeps no more."""

    time: int
    since: int
    reason: str
    lost: int | None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """It is time for a sign of life. ``log`` is where the log's chain stands."""

    time: int
    log: LogHead | None = None


@dataclass(frozen=True, slots=True)
class ProbesAttached:
    """The probes report from ``time`` on; ``surviving`` when an earlier agent loaded them."""

    time: int
    surviving: bool


@dataclass(frozen=True, slots=True)
class ProbesLost:
    """Something that the probes need was taken away: until ``ProbesRestored`` they may be blind."""

    time: int
    since: int
    """When all of it was seen last."""
    programs: tuple[str, ...]
    """Programs that are detached, whose pins are gone, or that others replaced."""
    reason: str
    blind: bool = True
    """False when they went on recording: only what the next agent needs was gone."""


@dataclass(frozen=True, slots=True)
class ProbesRestored:
    """The probes report again from ``time`` on."""

    time: int
    since: int
    """When they were lost, at the earliest."""
    programs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgentStalled:
    """The agent did not run between ``since`` and ``time``: stopped by a signal, or starved."""

    time: int
    since: int


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock was set: by ``step`` ns, forward or (negative) back."""

    time: int
    step: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What another part of the agent did or refused, for a ``sensor`` event."""

    time: int
    action: str
    """``policy_loaded``, ``change_added``, …: the event's ``sensor.action``."""
    detail: str | None = None
    by: str | None = None
    """Login or account of who did it, by the kernel's word."""
    log: LogHead | None = None
    """Where the log's chain stands, if the note is about that."""
