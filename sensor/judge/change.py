"""An approved change: what may start, until when, by whose approval.

A change explains a start that its selector selects within its time. It explains privileges only by
name (``allows``), and never a finding that nothing explains away. Root records it; the kernel names
the login that did, and the record cannot claim another one.
"""

from __future__ import annotations

import re
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge.policy import not_allowed

if TYPE_CHECKING:
    from sensor.judge.glob import Glob
    from sensor.judge.selector import Selector

NS_PER_SECOND = 1_000_000_000
LENGTH_MAX = 7 * 86_400 * NS_PER_SECOND
"""Nanoseconds between a change's begin and its end."""
NS_PER_HOUR = 3600 * NS_PER_SECOND
STARTS_MAX = 100_000
SOCKET = "socket"
"""Origin of a change that came over the socket; that of others is their file."""
ID_MAX = 64
ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._/#:-]{{0,{ID_MAX - 1}}}")


@unique
class ChangeState(StrEnum):
    """Where in its life a change is."""

    PENDING = "pending"
    ACTIVE = "active"
    USED_UP = "used_up"
    EXPIRED = "expired"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Change:
    """Times are wall-clock ns. ``origin`` is ``socket`` or the file that it stands in."""

    id: str
    by: str
    selector: Selector
    not_before: int
    not_after: int
    reason: str | None = None
    url: str | None = None
    max_starts: int | None = None
    allows: tuple[Glob, ...] = ()
    origin: str = SOCKET
    added: int = 0
    added_by: str | None = None
    """Login of the process that added it; its account where there is no login; None for a file."""
    added_by_uid: int | None = None

    def wide(self, hours: int) -> str | None:
        """Return why it explains more than a change should; None for an ordinary one."""
        if self.selector.selects_all:
            return "it selects every start"
        if self.not_after - self.not_before > hours * NS_PER_HOUR:
            return f"it lasts for more than {hours} hours"
        return None

    def in_time(self, wall: int) -> bool:
        """Whether a time lies within its window."""
        return self.not_before <= wall < self.not_after

    def lacking(self, atoms: frozenset[str]) -> tuple[str, ...]:
        """Return the strong privilege atoms that it does not name."""
        return not_allowed(self.allows, atoms)


@dataclass(frozen=True, slots=True)
class Usage:
    """What became of a change. ``seen`` are event ids: a start that is read again counts once."""

    starts: int = 0
    first: int | None = None
    last: int | None = None
    ended: int | None = None
    ended_by: str | None = None
    seen: tuple[str, ...] = ()
    reported: ChangeState | None = None
    """The end that an event has reported."""
    late_starts: int = 0
    """Starts of before it was added whose alerts it acknowledged."""
    late_alerts: int = 0

    @property
    def total(self) -> int:
        """Starts that it explained or acknowledged."""
        return self.starts + self.late_starts


def state_of(change: Change, usage: Usage, wall: int) -> ChangeState:
    """Return the state at a wall-clock time."""
    if usage.ended is not None:
        return ChangeState.ENDED
    if change.max_starts is not None and usage.total >= change.max_starts:
        return ChangeState.USED_UP
    if wall >= change.not_after:
        return ChangeState.EXPIRED
    return ChangeState.PENDING if wall < change.not_before else ChangeState.ACTIVE
