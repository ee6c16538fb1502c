"""A log of known entries, and what a query finds in it."""

from __future__ import annotations

from sensor.store.log import Store
from sensor.store.reader import LogReader, Query
from sensor.store.time_range import NodeClock
from tests.store.entries import numbers

START, STOP = "container.start", "container.stop"
STARTS, STOPS = frozenset({START}), frozenset({STOP})


def found(store: Store, query: Query, clock: NodeClock | None = None) -> list[int]:
    page = LogReader(store.path, clock).read(query)
    assert page.damaged == 0
    return numbers(tuple(one.entry for one in page.entries))
