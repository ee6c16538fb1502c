"""Calls to engines as a source of the agent: who connected, what was asked, who stands behind it.

The probes' records of connects and requests pass through :meth:`CallFeed.sift`: connects to other
sockets are dropped, and relays are followed to the process behind them.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from sensor import clock
from sensor.agent.optional_source import OptionalSourceState
from sensor.bpf import programs
from sensor.bpf.socket_filter import SocketVerdicts
from sensor.correlate.candidates import is_engine_caller
from sensor.correlate.core import CGROUPS_REMEMBERED
from sensor.correlate.naming import is_peoples
from sensor.correlate.places import Places
from sensor.identity import cgroup
from sensor.model.api_calls import ApiConnect, ApiRequest
from sensor.sources.contacts import ContactSifter
from sensor.sources.engine_peers import connected_orchestrators
from sensor.sources.relays import RelayFinder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.agent.config import SourcesSection
    from sensor.agent.engine_watch import EngineWatch
    from sensor.agent.optional_source import Feed
    from sensor.bpf.pins import PinSet
    from sensor.model.api_calls import ApiHop
    from sensor.model.observations import Observation
    from sensor.model.vocabulary import Role

_NO_CONNECTS = "the kernel allows neither cgroup/connect_unix (Linux 6.7) nor fexit"
_NO_REQUESTS = (
    "switched off, or the kernel refuses fentry and has no sk_data_ready (Linux 6.3):"
    " who called an API is inferred from connects"
)

_CALLS = frozenset({ApiConnect, ApiRequest})

ORCHESTRATORS_SECONDS = 60.0
"""Seconds between two looks for a kubelet that connected unseen: each reads a line of procfs for
each process of the node."""


class CallFeed:
    """Sifts the probes' records of calls, and finds kubelets. An :class:`OptionalSource`."""

    def __init__(
        self,
        engines: EngineWatch,
        role_of: Callable[[str], Role | None],
        kubelets: frozenset[str],
        pin_set: PinSet,
        feed: Feed,
    ) -> None:
        """``kubelets`` are names of programs that connect once and may have before the probes."""
        self._engines = engines
        self._role_of = role_of
        self._kubelets = kubelets
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._verdicts = SocketVerdicts(pin_set.map("socket_verdicts"))
        places = Places(lru_cache(CGROUPS_REMEMBERED)(cgroup.parse))
        self._sifter = ContactSifter(
            engines.resolver,
            self._verdicts,
            self._contacted,
            lambda connect: (
                not is_peoples(connect.socket) and is_engine_caller(connect.caller, role_of)
            ),
            places.share_of_caller,
        )
        self._relays = RelayFinder(
            engines.files, engines.ports, self._relayed, places.share_of_caller
        )
        links = set(pin_set.links())
        self._sees_connects = bool(programs.SEES_CONNECTS & links)
        self._reads_requests = bool(programs.READS_REQUESTS & links)
        self._reads_ports = programs.SENT.name in links
        self._orchestrators: frozenset[tuple[int, int | None, str]] = frozenset()
        self._follower: asyncio.Task[None] | None = None
        self._asked = 0
        self._contacts = 0

    async def start(self, realtime_offset: int) -> None:
        """Find the engines' sockets and who is connected to them already."""
        del realtime_offset
        await self._engines.look()
        await self._look_for_orchestrators()
        self._follower = self._loop.create_task(self._follow_orchestrators())

    async def _look_for_orchestrators(self) -> None:
        """Feed who is connected already: kubelet connects once, and may have before the probes."""
        now = clock.boottime()
        seen = await asyncio.to_thread(
            connected_orchestrators, self._engines.sockets, now, self._kubelets
        )
        keys = {(one.caller.pid, one.caller.start_time, one.socket): one for one in seen}
        found = [one for key, one in keys.items() if key not in self._orchestrators]
        self._orchestrators = frozenset(keys)
        self._contacts += len(found)
        if found:
            self._feed([*found])

    async def _follow_orchestrators(self) -> None:
        """Look again now and then: a kubelet that was restarted may have connected unseen."""
        while True:
            await asyncio.sleep(ORCHESTRATORS_SECONDS)
            await self._look_for_orchestrators()

    def sift(self, observations: Sequence[Observation]) -> list[Observation]:
        """Take the connects without a verdict out of a batch of the probes."""
        if _CALLS.isdisjoint(map(type, observations)):
            # Most batches: an init's execve does not wait for four looks at each record.
            return [*observations]
        rest: list[Observation | None] = [*self._sifter.sift(observations)]
        for number, observation in enumerate(rest):
            if isinstance(observation, ApiRequest):
                self._asked += 1
                if self._role_of(observation.caller.exe or "") is None:
                    self._relays.see(observation)
            elif isinstance(observation, ApiConnect):
                self._contacts += 1
                hop = self._relays.hop_of(observation)
                if hop is not None and self._role_of(observation.caller.exe or "") is None:
                    # A relay may be behind another.
                    self._relays.see(observation)
                rest[number] = hop or self._at_port(observation)
        return [one for one in rest if one is not None]

    def _at_port(self, connect: ApiConnect) -> ApiConnect | None:
        """Return a connect to an engine; None for a port that is an engine's or a relay's no more.

        By TLS the engine may refuse who connected: it does not count as let in. Without
        ``on_sent`` what is asked through a port is not read. Who connects may be a relay.
        """
        if connect.port is None:
            return connect
        if connect.socket not in self._engines.addresses:
            return None
        if self._role_of(connect.caller.exe or "") is None:
            self._relays.see(connect)
        connection = connect.connection if self._reads_ports else None
        return replace(connect, connection=connection, confirmed=False)

    def _relayed(self, hop: ApiHop) -> None:
        """From the finder's thread."""
        found: list[Observation] = [hop]
        self._loop.call_soon_threadsafe(self._feed, found)

    def _contacted(self, connect: ApiConnect) -> None:
        """From the sifter's thread."""
        self._loop.call_soon_threadsafe(self._on_contact, connect)

    def _on_contact(self, connect: ApiConnect) -> None:
        self._contacts += 1
        self._feed([connect])

    def drain(self) -> list[Observation]:
        """Calls come with the probes' records: nothing waits here."""
        return []

    def losses(self, realtime_offset: int) -> Sequence[Observation]:
        """Return what the sifter had no room for."""
        del realtime_offset
        return self._sifter.losses()

    def follow(self, section: SourcesSection, realtime_offset: int) -> None:
        """Nothing of it changes while the probes stay loaded."""

    def engine_began(self) -> None:
        """Look for its sockets at once and a little later."""
        self._engines.engine_began()

    def states(self) -> Sequence[OptionalSourceState]:
        """Return whether the kernel lets connects and requests be seen."""
        connects = "running" if self._sees_connects else f"failed: {_NO_CONNECTS}"
        requests = "running" if self._reads_requests else f"failed: {_NO_REQUESTS}"
        return (
            OptionalSourceState("connects", connects, self._contacts),
            OptionalSourceState("requests", requests, self._asked),
        )

    async def close(self) -> None:
        """End the threads and close the maps."""
        if self._follower is not None:
            self._follower.cancel()
        self._sifter.close()
        self._relays.close()
        self._verdicts.close()
        self._engines.close()
