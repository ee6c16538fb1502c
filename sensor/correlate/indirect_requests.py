"""Requests that start containers which they do not name: builds, services, pods, plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.clients import CLIENT_WINDOW
from sensor.correlate.engine_api.calls import CallOutcome
from sensor.dataclass import dataclass
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.clients import ClientTable
    from sensor.correlate.engine_requests import Asked, EngineConnection

INDIRECT_MAX = 256
UNSEEN_END_WINDOW = 60_000_000_000
"""Nanoseconds for which such a request may go on where no program sees the end of a connection."""

_STREAMED = frozenset({"POST /build", "POST /kube/play", "POST /play/kube"})
"""Requests whose answer begins before what they ask for is done."""


@dataclass(frozen=True, slots=True)
class _Sent:
    asked: Asked
    connection: EngineConnection | None


class IndirectRequests:
    """The latest of them, with a share for each user."""

    def __init__(self, clients: ClientTable) -> None:
        self.ends_seen = False
        """A program of this host reports the end of connections."""
        self._clients = clients
        self._number = 0
        self._sent: SharedTable[int, _Sent] = SharedTable(INDIRECT_MAX)

    def add(self, asked: Asked, connection: EngineConnection | None) -> None:
        """Record one, and the connection that it was sent over."""
        self._number += 1
        self._sent.put(self._number, _Sent(asked, connection), asked.origin.share)

    def asked(self, since: int, until: int) -> Iterator[Asked]:
        """Those of a stretch of time that were not refused, latest first."""
        for sent in self._between(since, until):
            yield sent.asked

    def at_work(self, until: int) -> Iterator[Asked]:
        """Those that the engine still worked on at a time, as far as is known."""
        window = CLIENT_WINDOW if self.ends_seen else UNSEEN_END_WINDOW
        for sent in self._between(until - window, until):
            asked = sent.asked
            closed = sent.connection.closed if sent.connection is not None else asked.closed
            client = self._clients.of(asked.caller.pid, asked.caller.start_time, asked.time)
            ended = client is not None and not client.runs_at(until)
            if ended or (closed is not None and closed < until):
                continue
            # A build is answered at once, and its output follows while it goes on.
            done = asked.answered is not None and asked.answered < until
            if asked.watched and not (done and asked.call.method not in _STREAMED):
                yield asked

    def _between(self, since: int, until: int) -> Iterator[_Sent]:
        for sent in self._sent.latest_first():
            time, outcome = sent.asked.time, sent.asked.outcome
            if since <= time <= until and outcome is not CallOutcome.REFUSED:
                yield sent
