"""Processes that pass on to an engine what others send them, and who is connected to them."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate.clients import AUDIT_EARLY, DISORDER
from sensor.dataclass import dataclass
from sensor.model.process import tick_key
from sensor.model.vocabulary import Witness
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from sensor.correlate.clients import ClientTable
    from sensor.model.api_calls import ApiHop, Caller

HOPS_MAX = 256
HOPS_OF_ONE_MAX = 64
HOP_WINDOW = 60_000_000_000
"""Nanoseconds for which a connection to a relay can carry a request."""

FORKED_WITHIN = 2_000_000_000
"""Nanoseconds between a connection and the fork of the process that works for it alone."""

ASKED_WITHIN = 5_000_000_000
"""Nanoseconds before a request within which a program was asked for what it asks an engine."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The processes that may have sent a request through a relay."""

    hops: tuple[ApiHop, ...] = ()
    certain: bool = True
    """No other process was connected to the relay that may have sent it: none that left, and none
    of another host."""
    program: bool = False
    """It may have been sent by the process itself: it need not be a relay."""


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

    def behind(self, caller: Caller, time: int, *, passes: bool = True) -> Behind:
        """Return who was connected to a relay at a time, the latest of each process.

        Unless it ``passes`` on all that it sends, it may have asked of its own accord.
        """
        behind = self._connected(caller, time, passes=passes)
        return behind if passes else self._asking(behind, time)

    def _connected(self, caller: Caller, time: int, *, passes: bool) -> Behind:
        if caller.start_time is None:
            return Behind()
        own = self._hops.get(tick_key(caller.pid, caller.start_time)) or ()
        found = {hop.caller.pid: hop for hop in own if self._carries(hop, time)}
        if found:
            # A look at the relay shows who was connected then; of the others one may have left.
            looked = max((h.time for h in found.values() if h.witness is Witness.PROCFS), default=0)
            latest = {pid: hop for pid, hop in found.items() if hop.time >= looked}
            # When it came, the probes saw: a look shows that it is there still.
            came = {h.caller.pid: h for h in own if h.witness is Witness.KERNEL and h.time <= time}
            there = tuple(came.get(pid, hop) for pid, hop in latest.items())
            alone = all(hop.alone for hop in latest.values())
            return Behind(there, certain=alone and len(latest) == len(found))
        return self._before_fork(caller, time, passes=passes)

    def _before_fork(self, caller: Caller, time: int, *, passes: bool) -> Behind:
        """Return who connected to the process that a relay was forked from.

        One that forks for each connection works for what was accepted last before the fork. A
        program that another one executed has no part in that one's connections, unless it
        ``passes`` on what it is given: ``socat EXEC:nc`` does.
        """
        for above in caller.ancestors:
            if not passes and (caller.exe is None or above.exe != caller.exe):
                break
            hops = self._hops.get(tick_key(above.pid, above.start_time)) or ()
            accepted = [hop for hop in hops if self._carries(hop, time)]
            began = caller.start_time or 0
            latest = [hop for hop in accepted if hop.time <= began + AUDIT_EARLY][-1:]
            if passes:
                found = latest or accepted
            else:
                # A look at sockets does not show when they were connected.
                seen = [hop for hop in latest if hop.witness is Witness.KERNEL]
                found = [hop for hop in seen if hop.time >= began - FORKED_WITHIN]
            if found:
                return Behind(tuple(found))
        return Behind()

    def _asking(self, behind: Behind, time: int) -> Behind:
        """Leave out those who are connected to a program and need not have asked it for anything.

        A panel, a build server or an exporter listens, too, and asks engines of its own accord.
        Who came a moment before a request may be who asked for it, as may a container client.
        """
        if not behind.hops:
            return behind
        since = time - ASKED_WITHIN
        asking = tuple(hop for hop in behind.hops if _came(hop, since))
        if asking:
            # It may act of its own accord in the same moment.
            return replace(behind, hops=asking, certain=False)
        clients = tuple(
            hop
            for hop in behind.hops
            if self._clients.of(hop.caller.pid, hop.caller.start_time, hop.time) is not None
        )
        return Behind(clients, certain=False, program=True)

    def _carries(self, hop: ApiHop, time: int) -> bool:
        """Whether a request of that time may have come over a connection to a relay."""
        if not time - HOP_WINDOW <= hop.time <= time + DISORDER:
            return False
        client = self._clients.of(hop.caller.pid, hop.caller.start_time, hop.time)
        return client is None or client.runs_at(time)


def _came(hop: ApiHop, since: int) -> bool:
    """Whether a process connected to another one since then, or began since then."""
    if hop.witness is Witness.KERNEL and hop.time >= since:
        return True
    began = hop.caller.start_time
    return began is not None and began >= since
