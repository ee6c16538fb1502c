"""What the socket gives at most. Beyond each limit something is said to the client and counted."""

from __future__ import annotations

from sensor.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server; tests make them small."""

    clients: int = 128
    """Connections at once; one more is answered with 503, those beyond twice as many are closed."""
    followers: int = 64
    """Connections that follow events; one more is answered with 503."""
    queue_lines: int = 1024
    """Events that wait for one follower; beyond it the follower is cut."""
    queue_bytes: int = 8 * 1024 * 1024
    """Bytes of them."""
    heartbeat_seconds: float = 15.0
    """Silence on a stream after which a heartbeat line is sent."""
    follow_seconds: float = 24 * 3600.0
    """How long one client may follow; then it asks again from its cursor."""
    query_seconds: float = 20.0
    """How long a query may read the log; then the answer ends with the cursor to go on from."""
    page_rows: int = 128
    """Events read from the log at a time."""
    rows_default: int = 1000
    rows_max: int = 100_000
    """``limit`` and ``tail`` of a query."""


LIMITS = Limits()
