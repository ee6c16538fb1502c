"""The connections to engines on a node that are open now, with a share per owner."""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.correlate.engine_api.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sensor.correlate.engine_api.calls import CallAnswer, EngineCall, Segment

CONNECTIONS_MAX = 4096
"""Connections that are followed; beyond it, the owner with the most loses its oldest one."""

SHARE_MAX = 512
"""Connections of one owner; beyond it, that owner's oldest one is forgotten."""


EARLY_MAX = 64
"""Answers that are kept until the first request of their connection comes."""

EARLY_WITHIN = 1_000_000_000
"""Nanoseconds by which an answer may be seen before its request."""


class EngineCalls:
    """Reads calls and answers from the segments of all connections."""

    def __init__(self) -> None:
        self.forgotten = 0
        """Connections that were forgotten to make room."""
        self._numbers = count(1)
        self._early: Bounded[int, Segment] = Bounded(EARLY_MAX)
        self._owner_of: dict[int, Hashable] = {}
        self._of_owner: dict[Hashable, OrderedDict[int, Connection]] = {}

    def sent(
        self, connection: int | None, owner: Hashable, segment: Segment
    ) -> tuple[EngineCall, ...]:
        """Take what a client wrote. Without a connection the segment is read alone."""
        if connection is None:
            return Connection(None, self._numbers).sent(segment)
        return self._find(connection, owner).sent(segment)

    def answered(self, connection: int, segment: Segment) -> tuple[CallAnswer, ...]:
        """Take what an engine wrote on a connection."""
        if connection not in self._owner_of:
            self._early.put(connection, segment)
            return ()
        known = self._of_owner[self._owner_of[connection]][connection]
        return known.answered(segment)

    def early(self, connection: int, request: Segment) -> Segment | None:
        """Take out what the engine wrote before the connection's first request was seen.

        Of a send to a port its end is seen: the engine may have answered by then.
        """
        segment = self._early.pop(connection)
        if segment is None or request.offset != 0 or segment.offset != 0:
            return None
        return segment if segment.time >= request.time - EARLY_WITHIN else None

    def closed(self, connection: int) -> None:
        """Forget a connection: its number may be used again."""
        if connection in self._owner_of:
            self._drop(self._owner_of.pop(connection), connection)

    def _find(self, connection: int, owner: Hashable) -> Connection:
        # A socket that was handed to another process stays one connection.
        owner = self._owner_of.get(connection, owner)
        mine = self._of_owner.setdefault(owner, OrderedDict())
        known = mine.get(connection)
        if known is None:
            known = mine[connection] = Connection(connection, self._numbers)
            self._owner_of[connection] = owner
            self._make_room(owner)
        mine.move_to_end(connection)
        return known

    def _make_room(self, owner: Hashable) -> None:
        if len(self._of_owner[owner]) > SHARE_MAX:
            self._forget_oldest(owner)
        elif len(self._owner_of) > CONNECTIONS_MAX:
            self._forget_oldest(max(self._of_owner, key=lambda one: len(self._of_owner[one])))

    def _forget_oldest(self, owner: Hashable) -> None:
        oldest = next(iter(self._of_owner[owner]))
        del self._owner_of[oldest]
        self._drop(owner, oldest)
        self.forgotten += 1

    def _drop(self, owner: Hashable, connection: int) -> None:
        mine = self._of_owner[owner]
        del mine[connection]
        if not mine:
            del self._of_owner[owner]
