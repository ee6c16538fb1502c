"""From wall-clock times to sequences: where in the log ``since`` and ``until`` lie.

The order of the log is that of its sequences, and within a boot that of boot time: a wall clock may
be set, forwards and backwards. So a wall time is taken for what it is by the clock as it is now:
the latest known difference of wall and boot time of each boot makes a boot time of it, for entries
from before the clock was set, too. ``since 10m`` means ten minutes that have passed; and a node
whose clock was wrong until NTP put it right is asked by the right time.

``time + lag`` of the entries of a boot never falls, so a boot time is found by halving. Entries
that came late (``lag`` beyond ``LATE``, such as a start that was found hours later) are in an index
of their own; all others lie within ``LATE`` of their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.store.entry import INT64, number, string
from sensor.store.schema import LATE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the log: sequences from ``first`` to ``last``, both included.

    Of these the entries count whose ``time``, ns since boot, is in ``since`` to ``until``. With
    ``late`` those entries of ``boot`` count, too, that came late, from ``last`` to ``end``.
    """

    first: int
    last: int
    since: int = -INT64
    until: int = INT64 - 1
    boot: int = 0
    end: int = 0

    @property
    def late(self) -> bool:
        """Whether there may be entries beyond ``last``."""
        return self.end > self.last


@dataclass(frozen=True, slots=True)
class NodeClock:
    """The node's clock now: which boot it is, and how to learn wall time - boot time in ns."""

    boot_id: str
    realtime: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Range:
    """What is asked for: sequences, both included, and wall times in ns, None for no limit."""

    first: int
    last: int
    since: int | None
    until: int | None


def spans(
    connection: sqlite3.Connection, asked: Range, clock: NodeClock | None
) -> tuple[Span, ...]:
    """Return the stretches that answer, in the order of the log.

    Raises ValueError for a damaged file, and what sqlite3 raises.
    """
    if asked.first > asked.last:
        return ()
    if asked.since is None and asked.until is None:
        return (Span(asked.first, asked.last),)
    boots = connection.execute("SELECT number, boot_id, start, realtime FROM boot ORDER BY number")
    rows = [(number(row[0]), string(row[1]), number(row[2]), number(row[3])) for row in boots]
    found = []
    for (key, boot_id, start, realtime), following in zip(rows, [*rows[1:], None], strict=True):
        if clock is not None and clock.boot_id == boot_id:
            realtime = clock.realtime()  # noqa: PLW2901 - now is better than then
        first = max(asked.first, start)
        end = asked.last if following is None else min(asked.last, following[2] - 1)
        since = -INT64 if asked.since is None else _int64(asked.since - realtime)
        until = INT64 - 1 if asked.until is None else _int64(asked.until - realtime)
        if first <= end and since <= until:
            low = _search(connection, first, end, since)
            last = _search(connection, low, end, _int64(until + LATE + 1)) - 1
            span = Span(low, last, since, until, key, end)
            if low <= last or span.late:
                found.append(span)
    return tuple(found)


def _int64(value: int) -> int:
    return max(-INT64, min(INT64 - 1, value))


def _search(connection: sqlite3.Connection, low: int, high: int, wanted: int) -> int:
    """Return the first sequence of low to high at which the boot had come to ``wanted``.

    ``high + 1`` when it had not.
    """
    found = high + 1
    if wanted in {-INT64, INT64 - 1}:
        return low if wanted < 0 else found
    probe = low
    while low <= high:
        row = connection.execute(
            "SELECT sequence, time + lag FROM event WHERE sequence BETWEEN ? AND ?"
            " ORDER BY sequence LIMIT 1",
            (probe, high),
        ).fetchone()
        if row is None:
            high = probe - 1
        elif number(row[1]) >= wanted:
            found, high = number(row[0]), probe - 1
        else:
            low = number(row[0]) + 1
        probe = (low + high) // 2
    return found
