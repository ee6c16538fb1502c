"""Processes that pass on to an engine what others send them, and who is connected to them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.correlate.clients import AUDIT_EARLY, DISORDER
from sensor.correlate.shares import SharedTable
from sensor.model.process import tick_key
from sensor.model.vocabulary import Witness

if TYPE_CHECKING:
    from sensor.correlate.clients import ClientTable
    from sensor.model.api_calls import ApiHop, Caller

HOPS_MAX = 256
HOPS_OF_ONE_MAX = 64
HOP_WINDOW = 60_000_000_000
"""Nanoseconds for which a connection to a relay can carry a request."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The processes that may have sent a request through a relay."""

    hops: tuple[ApiHop, ...] = ()
    certain: bool = True
    """No other process was connected to the relay that may have sent it and left."""


class RelayTable:
    """Connections to relays."""

    def __init__(self, clients: ClientTable) -> None:
        self._clients = clients
        self._hops: SharedTable[tuple[int, int], deque[ApiHop]] = SharedTable(HOPS_MAX)
        """By the relay's key in clock ticks."""

    def add(self, hop: ApiHop, domain: str | None) -> None:
        """Record that a process which talks to an engine passes on what another sends it."""
        key = tick_key(hop.relay.pid, hop.relay.start_time)
        behind = self._hops.get(key)
        if behind is None:
            behind = deque(maxlen=HOPS_OF_ONE_MAX)
            self._hops.put(key, behind, domain)
        behind.append(hop)

    def behind(self, caller: Caller, time: int) -> Behind:
        """Return who was connected to a relay at a time, the latest of each process."""
        if caller.start_time is None:
            return Behind()
        own = self._hops.get(tick_key(caller.pid, caller.start_time)) or ()
        found = {hop.caller.pid: hop for hop in own if self._carries(hop, time)}
        if found:
            # A look at the relay shows who was connected then; of the others one may have left.
            looked = max((h.time for h in found.values() if h.witness is Witness.PROCFS), default=0)
            latest = {pid: hop for pid, hop in found.items() if hop.time >= looked}
            return Behind(tuple(latest.values()), certain=len(latest) == len(found))
        for above in caller.ancestors:
            hops = self._hops.get(tick_key(above.pid, above.start_time)) or ()
            # One that forks for each connection: what was accepted last before the fork is its.
            accepted = [hop for hop in hops if self._carries(hop, time)]
            before = [hop for hop in accepted if hop.time <= caller.start_time + AUDIT_EARLY]
            if accepted:
                return Behind(tuple(before[-1:] or accepted))
        return Behind()

    def _carries(self, hop: ApiHop, time: int) -> bool:
        """Whether a request of that time may have come over a connection to a relay."""
        if not time - HOP_WINDOW <= hop.time <= time + DISORDER:
            return False
        client = self._clients.of(hop.caller.pid, hop.caller.start_time, hop.time)
        return client is None or client.runs_at(time)
