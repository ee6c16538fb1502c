"""What every finding says of itself."""

from __future__ import annotations

from enum import Enum, auto, unique
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.alert import AlertClass, AlertSeverity

if TYPE_CHECKING:
    from sensor.model.vocabulary import Finding

ATTACK_VERSION = "19"
"""Version of ATT&CK that the techniques are of: T1562 is revoked in it, T1685 stands for it."""


@unique
class Rank(Enum):
    """Where a finding comes from, and what may explain it away."""

    STRONG = auto()
    """Holds from the first minute. Neither a change nor an ``expect`` rule explains it away."""
    BASELINE = auto()
    """Something differs from the past. A change, the policy or the lifecycle explains it away."""
    POLICY = auto()
    """A rule of the policy says so."""
    NOTICE = auto()
    """Worth a look; it changes no verdict."""
    OPERATIONAL = auto()
    """The node does not work well; never mixed with security."""


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A whole number that a policy may set: ``[findings.burst] starts = 40``."""

    key: str
    default: int
    least: int
    most: int
    says: str
    """What it is, with its unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """A list of texts that a policy may set, in place of an empty one."""

    key: str
    says: str


@dataclass(frozen=True, slots=True)
class FindingKind:
    """A finding as ``docs/findings`` has it."""

    finding: Finding
    title: str
    severity: AlertSeverity
    techniques: tuple[str, ...]
    """ATT&CK ids, version :data:`ATTACK_VERSION`."""
    rank: Rank
    tunables: tuple[Number | Texts, ...] = ()
    """What a policy may set, beside ``severity`` and ``enabled``."""

    @property
    def class_(self) -> AlertClass:
        """Security or operational."""
        operational = self.rank is Rank.OPERATIONAL
        return AlertClass.OPERATIONAL if operational else AlertClass.SECURITY

    @property
    def can_be_switched_off(self) -> bool:
        """Whether ``enabled = false`` is allowed; a strong one is suppressed with an end."""
        return self.rank is not Rank.STRONG
