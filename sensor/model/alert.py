"""What an alert says: which finding, how grave, about which start, and what differed."""

from __future__ import annotations

from enum import StrEnum, unique

from sensor.dataclass import dataclass
from sensor.model.vocabulary import Finding


@unique
class AlertClass(StrEnum):
    """What an alert is for: an intruder's doing, or a node that does not work well."""

    SECURITY = "security"
    OPERATIONAL = "operational"


@unique
class AlertSeverity(StrEnum):
    """How grave it is, the least first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@unique
class AlertState(StrEnum):
    """What became of an alert with this event."""

    NEW = "new"
    UPDATE = "update"
    """It was seen again: ``count`` says how often by now."""
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    SUPPRESSED = "suppressed"


@unique
class Strength(StrEnum):
    """How much one fact weighs: one strong fact or two weak ones make an alert."""

    STRONG = "strong"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that differed."""

    feature: str
    """What was compared: ``initiator``, ``privilege``, ``repository``."""
    expected: str
    seen: str
    level: str | None
    """Whose past it was compared with: ``workload``, ``image`` or ``node``; None for no past."""
    strength: Strength

    @property
    def sentence(self) -> str:
        """The fact as a sentence."""
        return f"{self.feature}: expected {self.expected}, seen {self.seen}"


@dataclass(frozen=True, slots=True)
class Alert:
    """The block ``alert`` of an event. ``first``, ``last`` and ``until`` are wall-clock ns."""

    id: str
    """The same in every event about this alert; the event's id names the event."""
    finding: Finding
    title: str
    class_: AlertClass
    severity: AlertSeverity
    state: AlertState
    group: str
    """Equal on all hosts for the same finding and the same novel value."""
    start: str | None
    """Id of the start that it is about."""
    workload: str | None
    count: int
    first: int
    last: int
    facts: tuple[Fact, ...] = ()
    attack: tuple[str, ...] = ()
    by: str | None = None
    """Who acknowledged or suppressed it, by the kernel's word."""
    reason: str | None = None
    until: int | None = None
    """Of a suppression: when it ends."""
