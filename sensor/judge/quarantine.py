"""What raised an alert is not learnt: it is held back until it is not new any more.

A value is released when it was seen on ``release_days`` days after the first, each of which was
reported, or when a person acknowledges the alert as expected.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sensor.judge.feature import Feature
from sensor.judge.lesson import TermKey
from sensor.judge.tuning import RELEASE_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.judge.ledger import Row, RowKey

HELD_MAX = 4096
"""Values that are held back; the one that was seen last longest ago goes first, unlearnt."""
HELD_ROW = "held"
SECONDS_PER_DAY = 86_400


class Quarantine:
    """Bounded; times are wall-clock seconds."""

    def __init__(self, *, keeping: bool = True, rows: list[Row] | None = None) -> None:
        """Without ``keeping`` no rows are left.

        ``rows`` is the list to leave them in.
        """
        self._keeping = keeping
        self._held: dict[TermKey, tuple[int, int]] = {}
        """Days on which each was seen, and the last of them as a day's number."""
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
        self._held = {term: (days, last) for last, days, _, term in sorted(found, key=_order)}
        return unreadable

    def holds(self, term: TermKey) -> bool:
        """Whether a value is held back."""
        return term in self._held

    def hold(self, terms: Iterable[TermKey], at: int) -> tuple[TermKey, ...]:
        """Note that values were seen in an alert; returns those that may be learnt now."""
        released = []
        day = at // SECONDS_PER_DAY
        for term in terms:
            days, last = self._held.pop(term, (0, -1))
            days += day > last
            if days > self.release_days:
                released.append(term)
                self._write(term, None)
                continue
            self._held[term] = days, max(day, last)
            self._write(term, self._held[term])
            if len(self._held) > HELD_MAX:
                gone = next(iter(self._held))
                del self._held[gone]
                self._write(gone, None)
        return tuple(released)

    def release(self, terms: Iterable[TermKey]) -> None:
        """Hold these back no more."""
        for term in terms:
            if self._held.pop(term, None) is not None:
                self._write(term, None)

    def items(self) -> tuple[tuple[TermKey, int], ...]:
        """Return what is held back, with the days on which it was seen."""
        return tuple((term, days) for term, (days, _) in self._held.items())

    def _write(self, term: TermKey, value: tuple[int, int] | None) -> None:
        if self._keeping:
            key = json.dumps([term.profile, term.feature, term.value])
            row = None if value is None else json.dumps(value).encode()
            self.rows.append((HELD_ROW, key, row))


def _order(one: tuple[int, int, str, TermKey]) -> tuple[int, str]:
    return one[0], one[2]
