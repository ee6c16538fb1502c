"""Which revision of its template each pod of a DaemonSet or a StatefulSet has.

Their controllers replace pods one after the other and wait for each, so that a rollout may take
hours. A pod whose place had another revision before belongs to the rollout, however late it comes.
"""

from __future__ import annotations

from sensor.bounded import Bounded

REVISIONS_LIMIT = 16
"""Revisions of one workload that are remembered, the latest."""
SLOTS_LIMIT = 8192
"""Nodes of a DaemonSet, or names of a StatefulSet's pods, whose revision is remembered."""


class Rollout:
    """The revisions of one workload's pods. Times are wall-clock ns."""

    __slots__ = ("_latest", "_revisions", "_slots")

    def __init__(self) -> None:
        self._revisions: Bounded[str, int] = Bounded(REVISIONS_LIMIT)
        self._slots: Bounded[str, str] = Bounded(SLOTS_LIMIT)
        self._latest: str | None = None
        """The revision that pods are given now."""

    def took(self, slot: str, revision: str, time: int) -> str | None:
        """Take a pod of a slot; return the revision that the slot had before."""
        before = self._slots.get(slot)
        returns = before not in (None, revision) and revision != self._latest
        if returns or self._revisions.get(revision) is None:
            # A rollback gives an old revision again.
            self._revisions.put(revision, time)
            self._latest = revision
        self._slots.put(slot, revision)
        return before

    def shrank(self, replicas: int | None) -> None:
        """Forget the slots that a StatefulSet has no longer: a pod there is no replacement."""
        if replicas is None:
            return
        for slot in [one for one in self._slots if _ordinal(one) >= replicas]:
            self._slots.pop(slot)

    def began(self, revision: str) -> int | None:
        """Return when the first pod of a revision was made, since the pods had another one."""
        return self._revisions.get(revision)

    def first_since(self, time: int) -> str | None:
        """Return the revision that began first at or after a time."""
        later = [(began, one) for one, began in self._revisions.items() if began >= time]
        return min(later)[1] if later else None


def _ordinal(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < _DIGITS else 0


_DIGITS = 10
