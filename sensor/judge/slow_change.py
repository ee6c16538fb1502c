"""Patience: one small novelty at a time, each learnt, by the same initiator.

Weak facts that raised no alert are counted for each initiator over some days. Enough different
ones make an alert that lists them, and each one after them is another fact of that alert: who goes
on is seen to go on. Engines and the kubelet are not counted.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.judge.findings.slow_change import DAYS, FACTS
from sensor.judge.tuning import DEFAULT
from sensor.model.account import share_in
from sensor.model.alert import Fact, Strength
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.judge.ledger import Row, RowKey

SECONDS_PER_DAY = 86_400
KEPT_MAX = 16
INITIATORS_MAX = 512
"""Initiators that are counted of root's, an eighth of that for each other account. The one that
was seen least recently goes first."""
SLOW_ROW = "slow"

_Kept = list[tuple[int, Fact]]
"""Facts of one initiator, each with its second."""


class SlowChange:
    """Bounded; times are wall-clock seconds."""

    def __init__(self, *, keeping: bool = True, rows: list[Row] | None = None) -> None:
        """Without ``keeping`` no rows are left.

        ``rows`` is the list to leave them in.
        """
        self._keeping = keeping
        self._seen: SharedTable[str, tuple[str, _Kept]] = SharedTable(INITIATORS_MAX)
        self.tuning = DEFAULT
        self.rows: list[Row] = [] if rows is None else rows

    def restore(self, rows: Mapping[RowKey, bytes]) -> list[RowKey]:
        """Take over what the store kept; returns which rows made no sense."""
        unreadable: list[RowKey] = []
        found: list[tuple[int, str, _Kept]] = []
        for (kind, who), row in rows.items():
            if kind != SLOW_ROW:
                continue
            try:
                facts = [
                    (int(at), Fact(str(feature), str(expected), str(seen), level, Strength.WEAK))
                    for at, feature, expected, seen, level in json.loads(row)
                ]
            except (ValueError, TypeError):
                unreadable.append((kind, who))
            else:
                found.append((max((at for at, _ in facts), default=0), who, facts))
        for _, who, kept in sorted(found, key=lambda one: one[:2]):
            self._put(who, kept)
        return unreadable

    def add(self, who: str, facts: Iterable[Fact], at: int) -> tuple[Fact, ...]:
        """Count facts; returns all of the window when there are enough, and one of them is new."""
        window = self.tuning.number(DAYS) * SECONDS_PER_DAY
        _, earlier = self._seen.pop(who) or (who, [])
        kept = [one for one in earlier if at - one[0] < window]
        known = {(one.feature, one.seen) for _, one in kept}
        new = [
            (at, replace(fact, strength=Strength.WEAK))
            for fact in dict.fromkeys(facts)
            if (fact.feature, fact.seen) not in known
        ]
        kept = [*kept, *new][-KEPT_MAX:]
        self._write(who, kept)
        self._put(who, kept)
        enough = len(kept) >= self.tuning.number(FACTS)
        return tuple([fact for _, fact in kept]) if new and enough else ()

    def _put(self, who: str, kept: _Kept) -> None:
        gone = self._seen.put(who, (who, kept), share_in(who))
        if gone is not None:
            self._write(gone[0], None)

    def _write(self, who: str, kept: _Kept | None) -> None:
        if not self._keeping:
            return
        values = (
            None
            if kept is None
            else [[at, one.feature, one.expected, one.seen, one.level] for at, one in kept]
        )
        row = None if values is None else json.dumps(values, separators=(",", ":")).encode()
        self.rows.append((SLOW_ROW, who, row))
