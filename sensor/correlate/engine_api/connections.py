"""The connections to engines on a node that are open now, with a share for each user."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from sensor.correlate.engine_api.connection import Connection
from sensor.dataclass import dataclass
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from sensor.correlate.engine_api.calls import CallAnswer, EngineCall, Segment

CONNECTIONS_MAX = 4096
"""Connections of root's that are followed, and of all others together; beyond it the oldest of the
user with the most is forgotten."""

SHARE_MAX = 512
"""Connections of one other user; beyond it, that user's oldest one is forgotten."""

EARLY_MAX = 64
"""Answers to root's that are kept until the first request of their connection comes, and to all
others."""

EARLY_SHARE = 16
"""Answers to one other user."""

EARLY_WITHIN = 1_000_000_000
"""Nanoseconds by which an answer may be seen before its request."""


@dataclass(frozen=True, slots=True)
class Known:
    """Whose a connection is, as its connect showed it."""

    share: str | None


_UNKNOWN = "unknown"
"""Share of connections whose connect was not seen."""


class EngineCalls:
    """Reads calls and answers from the segments of all connections."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._early: SharedTable[int, Segment] = SharedTable(EARLY_MAX, EARLY_SHARE)
        self._connections: SharedTable[int, Connection] = SharedTable(CONNECTIONS_MAX, SHARE_MAX)

    @property
    def forgotten(self) -> int:
        """Connections that were forgotten to make room."""
        return self._connections.forgotten

    def sent(
        self, connection: int | None, share: str | None, segment: Segment
    ) -> tuple[EngineCall, ...]:
        """Take what a client of that share wrote. Without a connection it is read alone."""
        if connection is None:
            return Connection(None, self._numbers).sent(segment)
        return self._find(connection, share).sent(segment)

    def answered(
        self, connection: int, segment: Segment, whose: Known | None = None
    ) -> tuple[CallAnswer, ...]:
        """Take what an engine wrote on a connection; ``whose`` where the connect was seen."""
        known = self._connections.get(connection)
        if known is None:
            self._early.put(connection, segment, whose.share if whose is not None else _UNKNOWN)
            return ()
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
        self._connections.pop(connection)

    def _find(self, connection: int, share: str | None) -> Connection:
        known = self._connections.get(connection)
        if known is None:
            known = Connection(connection, self._numbers)
            self._connections.put(connection, known, share)
        else:
            # A socket that was handed to another process stays one connection.
            self._connections.renew(connection)
        return known
