"""What raised an alert is not learnt: it is held back until it is not new any more.

A value is released when it was seen on ``release_days`` days after the first, each of which was
reported, or when a person acknowledges the alert as expected.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sensor.judge.baseline import OWNER
from sensor.judge.feature import Feature
from sensor.judge.lesson import TermKey
from sensor.judge.tuning import RELEASE_DAYS
from sensor.model.account import share_in
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.judge.ledger import Row, RowKey

HELD_MAX = 4096
"""Values that are held back of root's, an eighth of that for each other account. The one that was
seen last longest ago goes first, unlearnt."""
HELD_ROW = "held"
SECONDS_PER_DAY = 86_400


class Quarantine:
    """Bounded; times are wall-clock seconds."""

    def __init__(self, *, keeping: bool = True, rows: list[Row] | None = None) -> None:
        """Without ``keeping`` no rows are left.

        ``rows`` is the list to leave them in.
        """
        self._keeping = keeping
        self._held: SharedTable[TermKey, tuple[TermKey, int, int]] = SharedTable(HELD_MAX)
        """Each with the days on which it was seen, and the last of them as a day's number."""
        self.release_days = RELEASE_DAYS.default
        self.rows: list[Row] = [] if rows is None else rows

    def __len__(self) -> int:
        return len(self._held)

    def restore(self, rows: Mapping[RowKey, bytes]) -> list[RowKey]:
        """Take over what the store kept; returns which rows made no sense."""
        unreadable: list[RowKey] = []
        found: list[tuple[int, int, str, TermKey]] = []
        for (kind, key), row in rows.items():
            if kind != HELD_ROW:
                continue
            try:
                profile, feature, value = json.loads(key)
                days, last = json.loads(row)
                term = TermKey(profile, Feature(feature), str(value))
                found.append((int(last), int(days), key, term))
            except (ValueError, TypeError):
                unreadable.append((kind, key))
        for last, days, _, term in sorted(found, key=_order):
            self._put(term, days, last)
        return unreadable

    def holds(self, term: TermKey) -> bool:
        """Whether a value is held back."""
        return term in self._held

    def hold(self, terms: Iterable[TermKey], at: int) -> tuple[TermKey, ...]:
        """Note that values were seen in an alert; returns those that may be learnt now."""
        released = []
        day = at // SECONDS_PER_DAY
        for term in terms:
            _, days, last = self._held.get(term) or (term, 0, -1)
            is_new_day = day > last
            days += is_new_day
            if days > self.release_days:
                released.append(term)
                self._held.pop(term)
                self._write(term, None)
            elif is_new_day:
                self._write(term, (days, day))
                self._put(term, days, day)
            else:
                # The day was counted: its row stays as it is.
                self._held.renew(term)
        return tuple(released)

    def release(self, terms: Iterable[TermKey]) -> None:
        """Hold these back no more."""
        for term in terms:
            if self._held.pop(term) is not None:
                self._write(term, None)

    def items(self) -> tuple[tuple[TermKey, int], ...]:
        """Return what is held back, with the days on which it was seen."""
        return tuple((term, days) for term, days, _ in self._held.values())

    def _put(self, term: TermKey, days: int, last: int) -> None:
        gone = self._held.put(term, (term, days, last), _share(term))
        if gone is not None:
            self._write(gone[0], None)

    def _write(self, term: TermKey, value: tuple[int, int] | None) -> None:
        if self._keeping:
            key = json.dumps([term.profile, term.feature, term.value])
            row = None if value is None else json.dumps(value).encode()
            self.rows.append((HELD_ROW, key, row))


def _share(term: TermKey) -> str | None:
    """Return whose a value is: of a profile whose that is, of the node whose the value is."""
    if term.profile is None:
        return share_in(term.value)
    return share_in(term.profile, OWNER)


def _order(one: tuple[int, int, str, TermKey]) -> tuple[int, str]:
    return one[0], one[2]
