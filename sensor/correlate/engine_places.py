"""What connects have shown of the paths where engines listen: which engine, and whose it is.

It counts where the kernel did not report who listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.correlate.authority import HOST_ROOT, ActorStanding, engine_standing
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from sensor.model.api_calls import ApiConnect, Listener
    from sensor.model.vocabulary import Engine

FOREIGN_MAX = 256
LISTENING_MAX = 256


class EnginePlaces:
    """Paths of sockets, by the latest connect to each."""

    def __init__(self) -> None:
        self._foreign: SharedTable[str, ApiConnect] = SharedTable(FOREIGN_MAX)
        """Of engines that are not root's."""
        self._listening: Bounded[str, Engine] = Bounded(LISTENING_MAX)
        """The engine behind each path of the host's own."""

    def learn(self, connect: ApiConnect, domain: str | None) -> bool:
        """Take note of a connect; returns whether its path is newly known for a user's own."""
        if connect.listener is not None and not _may_be_roots(connect.listener):
            # Requests there say so themselves, and the path may be spelled as another's.
            return False
        if connect.foreign:
            new = connect.socket not in self._foreign
            self._foreign.put(connect.socket, connect, domain)
            return new
        self._foreign.pop(connect.socket)
        self._listening.pop(connect.socket)
        if connect.engine is not None:
            self._listening.put(connect.socket, connect.engine)
        return False

    def is_foreign(self, path: str) -> bool:
        """Whether the engine at a path is not root's."""
        return path in self._foreign

    def engine_at(self, path: str) -> Engine | None:
        """Return the engine of the host's own that listens at a path, if it is known."""
        return self._listening.get(path)


def _may_be_roots(listener: Listener) -> bool:
    return engine_standing(listener, HOST_ROOT, None) is not ActorStanding.STRANGER
