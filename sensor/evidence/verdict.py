"""What a verification found."""

from __future__ import annotations

from dataclasses import field

from sensor.dataclass import dataclass

FINDINGS_MAX = 1000
"""Findings that are listed; more are counted."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something wrong at a place, as a sentence. Numbers are those of the log's chain.

    ``explained`` is the reason that the node wrote down at the time; None for none.
    """

    where: str
    what: str
    first: int | None = None
    last: int | None = None
    explained: str | None = None


@dataclass(slots=True)
class Findings:
    """Findings in their order, bounded, and how many there were."""

    listed: list[Discrepancy] = field(default_factory=list)
    count: int = 0
    unexplained: int = 0

    def add(self, finding: Discrepancy) -> None:
        """Take one more."""
        self.count += 1
        self.unexplained += finding.explained is None
        if len(self.listed) < FINDINGS_MAX:
            self.listed.append(finding)


@dataclass(frozen=True, slots=True)
class LogChecked:
    """The chain of a node's log. ``first`` and ``last`` are numbers; None for an empty log."""

    path: str
    log_id: str
    events: int
    first: int | None
    last: int | None
    digest: str | None
    """The chain's digest at ``last``, as the log has it."""
    outside: int
    """Events from before the chain, which no digest covers."""
    begins: str | None
    """What the chain rests on: begun, upgraded, retention; None where the middle was checked."""


@dataclass(frozen=True, slots=True)
class ShippedChecked:
    """Events that were shipped: a file, or a directory of them."""

    path: str
    events: int
    """Events with a place in some log."""
    logs: tuple[str, ...]
    """The logs that they are of."""
    without_place: int
    """Lines that carry no place: events from before the chain, or of other formats."""
    chained: int
    """Events whose digests were computed from the file alone."""


@dataclass(frozen=True, slots=True)
class Verification:
    """All of a verification."""

    log: LogChecked | None
    shipped: tuple[ShippedChecked, ...]
    compared: int
    """Shipped events that the node's log still has."""
    heads: int
    """Shipped heads of the chain that were compared with the log."""
    findings: Findings

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong that the node did not explain itself."""
        return self.findings.unexplained == 0
