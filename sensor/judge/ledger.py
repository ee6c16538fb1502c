"""The changes that are known, what became of each, and what has to be reported of them.

Rules:

1. Changes come from files (all of them anew at each reload) and from the socket (one by one).
2. A file that was moved holds the same change. One that was rewritten holds another: that is
   reported, it keeps its count of starts, and it goes on again if its new bounds allow it.
3. An id may be used again once its change from the socket is over.
4. A start uses every change that the verdict names. One that is read again after a kill uses none
   twice, and is covered by the same ones, though one of them is over by then.
5. The end of a change is reported once: used up, expired, expired without ever having been used,
   ended by hand, or gone with its file.
6. A change from the socket covers no start of before it was added. It may acknowledge their alerts
   (:mod:`sensor.judge.late_change`), which counts as use.
7. ``CHANGES_MAX`` are kept. For another one the change that ended longest ago goes; where all of
   them go on, the new one is refused. What a file would bring back does not go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.judge.change import SOCKET, Change, ChangeState, Usage, state_of
from sensor.judge.change_text import (
    change_of_row,
    change_row,
    usage_of_row,
    usage_row,
)
from sensor.judge.findings.wide_change import HOURS as WIDE_HOURS
from sensor.judge.rule_index import RuleIndex

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from sensor.judge.case import Facts

CHANGES_MAX = 2000
REFUSED_MAX = 16
"""Refused changes of files that are named one by one."""
SEEN_MAX = 64
"""Ids of the last starts that a change was used by."""
COVERED_MAX = 4096
"""Last starts whose changes are known by the start's event."""
CHANGE_ROW, USAGE_ROW = "change", "usage"
_OVER = frozenset({ChangeState.USED_UP, ChangeState.EXPIRED, ChangeState.ENDED})

RowKey = tuple[str, str]
Row = tuple[str, str, bytes | None]
"""Kind, key and value of what the store keeps; None removes it."""


@dataclass(frozen=True, slots=True)
class Note:
    """What has to be reported as a ``sensor`` event."""

    action: str
    detail: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeEntry:
    """A change with what became of it."""

    change: Change
    usage: Usage
    state: ChangeState
    wide: str | None = None
    """Why it explains more than a change should."""


class Ledger:
    """Holds the changes. Everything is asked with the wall clock in ns."""

    def __init__(self, rows: list[Row] | None = None) -> None:
        """``rows`` is the list to leave rows in for the store."""
        self.wide_hours = WIDE_HOURS.default
        self._changes: dict[str, Change] = {}
        self._usages: dict[str, Usage] = {}
        self._covered: dict[str, tuple[str, ...]] = {}
        """Ids of the changes that a start used, by its event."""
        self._index: RuleIndex[Change] | None = None
        self._next_end: int | None = None
        self.rows: list[Row] = [] if rows is None else rows
        """What the store has to write, in order."""
        self.notes: list[Note] = []
        self.fresh: list[str] = []
        """Ids of changes that files added or rewrote and that nothing has looked back for."""

    def restore(self, rows: Mapping[RowKey, bytes]) -> list[RowKey]:
        """Take over what the store kept; returns which rows made no sense."""
        unreadable: list[RowKey] = []
        for (kind, key), row in rows.items():
            try:
                if kind == CHANGE_ROW:
                    change = change_of_row(row)
                    self._changes[change.id] = change
                elif kind == USAGE_ROW:
                    self._usages[key] = usage_of_row(row)
            except ValueError:
                unreadable.append((kind, key))
        for id_, usage in sorted(self._usages.items(), key=lambda one: one[1].last or 0):
            for event_id in usage.seen:
                self._note_covered(event_id, id_)
        self._reindex()
        return unreadable

    def entries(self, wall: int) -> tuple[ChangeEntry, ...]:
        """Return all changes, those that end last first."""
        found = [self._entry(change, wall) for change in self._changes.values()]
        return tuple(sorted(found, key=lambda one: (-one.change.not_after, one.change.id)))

    def get(self, id_: str, wall: int) -> ChangeEntry | None:
        """Return one change."""
        change = self._changes.get(id_)
        if change is None:
            return None
        return self._entry(change, wall)

    # ----------------------------------------------------------------- adding and ending

    def add(self, change: Change, wall: int) -> None:
        """Record a change from the socket. Raises :class:`ConfigError`."""
        earlier = self._changes.get(change.id)
        if earlier is not None and (earlier.origin != SOCKET or not self._is_over(earlier, wall)):
            raise ConfigError(
                f"change {change.id} exists already",
                "Choose another id, or end that one first."
                if earlier.origin == SOCKET
                else f"Choose another id: that one is of {earlier.origin}.",
            )
        if change.not_after <= wall:
            raise ConfigError(f"change {change.id} ends in the past", "Give a later end.")
        if earlier is not None:
            self._forget(earlier, wall)
        if not self._make_room(1, (), wall):
            raise ConfigError(
                f"change {change.id}: {CHANGES_MAX} changes go on already",
                "End some of them, or select more with one.",
            )
        self._take(change)
        self._reindex()

    def set_files(self, changes: Iterable[Change], wall: int) -> tuple[str, ...]:
        """Replace the changes that came from files; returns why some were refused."""
        wanted, refused = self._wanted(changes, wall)
        for change in list(self._changes.values()):
            if change.origin != SOCKET and change.id not in wanted:
                self._gone(change, wall)
        fresh: list[Change] = []
        for change in wanted.values():
            known = self._changes.get(change.id)
            if known is not None and known.origin != SOCKET:
                self._renew(known, change, wall)
                continue
            if known is not None:
                self._forget(known, wall)
            fresh.append(change)
        fitting = self._make_room(len(fresh), wanted, wall)
        for change in fresh[:fitting]:
            self._take(change)
            self.fresh.append(change.id)
        refused += [
            f"change {change.id}: {CHANGES_MAX} changes go on already" for change in fresh[fitting:]
        ]
        for id_ in self._usages.keys() - self._changes.keys():
            del self._usages[id_]
            self.rows.append((USAGE_ROW, id_, None))
        self._reindex()
        if len(refused) > REFUSED_MAX:
            more = len(refused) - REFUSED_MAX
            refused[REFUSED_MAX:] = [f"{more} more changes are refused for reasons like these"]
        return tuple(refused)

    def end(self, id_: str, wall: int, by: str | None) -> bool:
        """End a change by hand; False if it does not go on."""
        change = self._changes.get(id_)
        if change is None or state_of(change, self._usage(change), wall) in _OVER:
            return False
        usage = self._usage(change)
        self._set(change, replace(usage, ended=wall, ended_by=by, reported=ChangeState.ENDED))
        self.notes.append(Note("change_ended", f"{change.id}: {_used(usage)}", by))
        self._reindex()
        return True

    # ----------------------------------------------------------------- covering starts

    def covering(self, facts: Facts, wall: int) -> tuple[Change, ...]:
        """Return the changes that go on now and select a start, whatever its privileges."""
        again = self._covered.get(facts.event.id)
        if not self._index and again is None:
            return ()
        active = tuple(
            change
            for change in (self._index.matching(facts) if self._index is not None else ())
            if state_of(change, self._usage(change), wall) is ChangeState.ACTIVE
            and (wall >= change.added or change.origin != SOCKET)
            and change.selector.is_meant(facts)
        )
        if again is None:
            return active
        used = tuple(
            self._changes[id_]
            for id_ in again
            if id_ in self._changes and facts.event.id in self._usages.get(id_, _UNUSED).seen
        )
        return (*used, *(one for one in active if one not in used))

    def use(self, change: Change, event_id: str, wall: int) -> None:
        """Count a start that a change covered."""
        usage = self._usage(change)
        if event_id in usage.seen:
            return
        used = replace(
            usage,
            starts=usage.starts + 1,
            first=wall if usage.first is None else usage.first,
            last=wall,
            seen=(*usage.seen, event_id)[-SEEN_MAX:],
        )
        self._set(change, used)
        self._note_covered(event_id, change.id)
        if change.max_starts is not None and used.total >= change.max_starts:
            self._over(change, ChangeState.USED_UP)

    def acknowledged(self, change: Change, starts: int) -> None:
        """Count an alert of so many starts that a change acknowledged after the fact."""
        usage = self._usage(change)
        used = replace(
            usage,
            late_starts=usage.late_starts + starts,
            late_alerts=usage.late_alerts + 1,
        )
        self._set(change, used)
        if change.max_starts is not None and used.total >= change.max_starts:
            self._over(change, ChangeState.USED_UP)

    def take_fresh(self) -> tuple[str, ...]:
        """Return the changes that files brought since the last call."""
        fresh = tuple(self.fresh)
        self.fresh.clear()
        return fresh

    def tick(self, wall: int) -> None:
        """Report the changes that have expired by now."""
        if self._next_end is None or wall < self._next_end:
            return
        for change in list(self._changes.values()):
            usage = self._usage(change)
            if usage.reported is None and state_of(change, usage, wall) is ChangeState.EXPIRED:
                self._over(change, ChangeState.EXPIRED)
        self._reindex()

    # ----------------------------------------------------------------- inside

    def _note_covered(self, event_id: str, id_: str) -> None:
        self._covered[event_id] = (*self._covered.get(event_id, ()), id_)
        if len(self._covered) > COVERED_MAX:
            del self._covered[next(iter(self._covered))]

    def _usage(self, change: Change) -> Usage:
        return self._usages.get(change.id) or _UNUSED

    def _entry(self, change: Change, wall: int) -> ChangeEntry:
        usage = self._usage(change)
        wide = change.wide(self.wide_hours)
        return ChangeEntry(change, usage, state_of(change, usage, wall), wide)

    def _set(self, change: Change, usage: Usage) -> None:
        self._usages[change.id] = usage
        self.rows.append((USAGE_ROW, change.id, usage_row(usage)))

    def _wanted(self, changes: Iterable[Change], wall: int) -> tuple[dict[str, Change], list[str]]:
        """Return the changes of files by id, and why others of them cannot be had."""
        wanted: dict[str, Change] = {}
        refused: list[str] = []
        for change in changes:
            earlier = wanted.get(change.id)
            known = self._changes.get(change.id)
            if known is not None and known.origin == SOCKET and not self._is_over(known, wall):
                earlier = known
            if earlier is None:
                wanted[change.id] = change
            else:
                refused.append(f"change {change.id} of {change.origin} exists in {earlier.origin}")
        return wanted, refused

    def _is_over(self, change: Change, wall: int) -> bool:
        return state_of(change, self._usage(change), wall) in _OVER

    def _take(self, change: Change) -> None:
        self._keep(change)
        self._usages.setdefault(change.id, _UNUSED)
        self._note_added(change, f"approved by {change.by}")

    def _keep(self, change: Change) -> None:
        self._changes[change.id] = change
        self.rows.append((CHANGE_ROW, change.id, change_row(change)))

    def _note_added(self, change: Change, how: str) -> None:
        reason = change.wide(self.wide_hours)
        wide = f", wide: {reason}" if reason else ""
        self.notes.append(Note("change_added", f"{change.id}: {how}{wide}", change.added_by))

    def _renew(self, known: Change, read: Change, wall: int) -> None:
        """Take over what a file says now of a change that it, or another file, had before."""
        change = replace(read, added=known.added)
        if change == known:
            return
        self._keep(change)
        if replace(change, origin=known.origin) == known:
            return
        self._note_added(change, f"rewritten in {change.origin}, approved by {change.by}")
        self.fresh.append(change.id)
        usage = replace(self._usage(change), reported=None)
        state = state_of(change, usage, wall)
        if state not in _OVER:
            self._set(change, usage)
        elif state is ChangeState.USED_UP and self._usage(change).reported is None:
            self._over(change, state)

    def _make_room(self, count: int, kept: Container[str], wall: int) -> int:
        """Forget what ended longest ago, until ``count`` fit or all go on; return how many fit.

        A file's change may go when its time is over: the file would bring it back before.
        """
        missing = count - (CHANGES_MAX - len(self._changes))
        if missing > 0:
            over = sorted(
                (self._ended_at(change), change.id)
                for change in self._changes.values()
                if change.id not in kept
                and self._is_over(change, wall)
                and (change.origin == SOCKET or wall >= change.not_after)
            )
            for _, id_ in over[:missing]:
                self._forget(self._changes[id_], wall)
        return max(0, CHANGES_MAX - len(self._changes))

    def _ended_at(self, change: Change) -> int:
        usage = self._usage(change)
        used_up = change.max_starts is not None and usage.total >= change.max_starts
        early = usage.last if used_up and usage.ended is None else usage.ended
        return change.not_after if early is None else min(early, change.not_after)

    def _gone(self, change: Change, wall: int) -> None:
        usage = self._usage(change)
        if usage.reported is None and state_of(change, usage, wall) not in _OVER:
            detail = f"{change.id}: gone from {change.origin}, {_used(usage)}"
            self.notes.append(Note("change_ended", detail))
        self._forget(change, wall)

    def _forget(self, change: Change, wall: int) -> None:
        usage = self._usage(change)
        if usage.reported is None and state_of(change, usage, wall) is ChangeState.EXPIRED:
            self._over(change, ChangeState.EXPIRED)
        self._changes.pop(change.id, None)
        self._usages.pop(change.id, None)
        self.rows += [(CHANGE_ROW, change.id, None), (USAGE_ROW, change.id, None)]

    def _over(self, change: Change, state: ChangeState) -> None:
        usage = self._usage(change)
        self._set(change, replace(usage, reported=state))
        if state is ChangeState.USED_UP:
            action = "change_used_up"
        else:
            action = "change_expired" if usage.total else "change_never_used"
        self.notes.append(Note(action, f"{change.id}: {_used(usage)}", change.added_by))

    def _reindex(self) -> None:
        going_on = [
            change for change in self._changes.values() if self._usage(change).reported is None
        ]
        self._index = RuleIndex(going_on)
        self._next_end = min((change.not_after for change in going_on), default=None)


_UNUSED = Usage()


def _used(usage: Usage) -> str:
    used = f"{usage.starts} {'start' if usage.starts == 1 else 'starts'} used it"
    return f"{used}, {usage.late_starts} were acknowledged" if usage.late_starts else used
