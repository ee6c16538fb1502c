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

    __slots__ = ("_revisions", "_slots")

    def __init__(self) -> None:
        self._revisions: Bounded[str, int] = Bounded(REVISIONS_LIMIT)
        self._slots: Bounded[str, str] = Bounded(SLOTS_LIMIT)

    def took(self, slot: str, revision: str, time: int) -> bool:
        """Take a pod of a slot; return whether the slot had another revision before."""
        if self._revisions.get(revision) is None:
            self._revisions.put(revision, time)
        before = self._slots.get(slot)
        self._slots.put(slot, revision)
        return before is not None and before != revision

    def began(self, revision: str) -> int | None:
        """Return when the first pod of a revision was made."""
        return self._revisions.get(revision)
