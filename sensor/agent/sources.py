"""The witnesses beside the probes' lifecycle: API connects, audit, the engines' own streams.

Everything here may be missing: each that is not available says so once, with the fix, and the rest
goes on. Nothing here delays a start: audit is drained before the rings are handed to the core,
connects and streams come in when they come.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import clock
from sensor.agent.engine_watch import EngineWatch
from sensor.bpf import loader, programs, watched
from sensor.bpf.socket_filter import SocketVerdicts
from sensor.correlate.candidates import is_engine_caller
from sensor.correlate.naming import is_peoples
from sensor.errors import CastoffError, PermissionMissing
from sensor.model.api_calls import ApiConnect, ApiHop, ApiRequest
from sensor.model.vocabulary import Role, Witness
from sensor.model.witness_records import SourceChanged
from sensor.sources.audit.netlink import NetlinkReader
from sensor.sources.audit.plugin import PluginReader
from sensor.sources.audit.source import POLL, AuditSource, unavailable
from sensor.sources.audit.tail import TailReader
from sensor.sources.contacts import ContactSifter
from sensor.sources.engine_peers import connected_orchestrators
from sensor.sources.engines.streams import EngineStreams, target_of, witness_of
from sensor.sources.relays import RelayFinder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.agent.config import SourcesSection
    from sensor.bpf.pins import PinSet
    from sensor.model.observations import Observation
    from sensor.sources.engines.stream import StreamStatus

_NS_PER_SECOND = 1_000_000_000
AUDIT_NETLINK, AUDIT_STDIN, AUDIT_OFF = "netlink", "-", "off"

_NO_CONNECTS = "the kernel allows neither cgroup/connect_unix (Linux 6.7) nor fexit"
_NO_REQUESTS = (
    "switched off, or the kernel refuses fentry and has no sk_data_ready (Linux 6.3):"
    " who called an API is inferred from connects"
)
_REMEMBERING = frozenset({Witness.DOCKER, Witness.PODMAN})

RECALL_SECONDS = 0.5
"""Longest time (s) for engines to list their past events; the kernel's records wait meanwhile."""

ORCHESTRATORS_SECONDS = 30.0
"""Seconds between two looks for a kubelet that connected unseen."""

RECALLED_MAX = 8
"""Engines that are asked."""

log = logging.getLogger("castoff")


@dataclass(frozen=True, slots=True)
class OptionalSourceState:
    """How one is doing."""

    name: str
    state: str
    observations: int


class OptionalSources:
    """Opens, drains and closes them. ``feed`` is called in the loop."""

    def __init__(
        self,
        settings: SourcesSection,
        pin_set: PinSet,
        feed: Callable[[list[Observation]], None],
    ) -> None:
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        names = watched.read(loader.SOURCES / "watched.toml")
        engines = frozenset(one.name for one in names if one.role is Role.ENGINE)
        self._names = frozenset(one.name for one in names)
        self._kubelets = frozenset(one.name for one in names if one.role is Role.ORCHESTRATOR)
        self._engines = EngineWatch(engines, pin_set)
        self._verdicts = SocketVerdicts(pin_set.map("socket_verdicts"))
        role_of = watched.Roles(names).of_name
        self._sifter = ContactSifter(
            self._engines.resolver,
            self._verdicts,
            self._contacted,
            lambda connect: (
                not is_peoples(connect.socket) and is_engine_caller(connect.caller, role_of)
            ),
        )
        self._relays = RelayFinder(self._engines.files, self._engines.ports, self._relayed)
        self._role_of = role_of
        links = pin_set.links()
        self._connects = bool(programs.SEES_CONNECTS & set(links))
        self._requests = bool(programs.READS_REQUESTS & set(links))
        self._orchestrators: frozenset[tuple[int, int | None, str]] = frozenset()
        self._follower: asyncio.Task[None] | None = None
        self._asked = 0
        self._contacts = 0
        self._audit: AuditSource | None = None
        self._audit_problem: str | None = None if settings.audit != AUDIT_OFF else "switched off"
        self._streams: EngineStreams | None = None
        self._settings = settings
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, realtime_offset: int) -> None:
        """Find the engines' sockets and open what is available."""
        await self._engines.look()
        await self._look_for_orchestrators()
        self._follower = self._loop.create_task(self._follow_orchestrators())
        if self._settings.audit != AUDIT_OFF:
            self._open_audit(realtime_offset)
        if self._settings.engines:
            self._start_streams()

    async def recall(self, since_wall: int, until_wall: int) -> None:
        """Ask the engines for their past events between two times, in ns since the epoch.

        Takes ``RECALL_SECONDS`` at most, and costs nothing where it fails.
        """
        try:
            async with asyncio.timeout(RECALL_SECONDS):
                sockets = await asyncio.to_thread(self._engines.resolver.refresh)
                wanted = [
                    (target.path, witness)
                    for socket in sockets
                    if (witness := witness_of(socket)) in self._settings.engines & _REMEMBERING
                    and (target := target_of(socket)) is not None
                ]
                await asyncio.gather(
                    *(self._recall(*one, since_wall, until_wall) for one in wanted[:RECALLED_MAX])
                )
        except TimeoutError:
            log.info("an engine took too long to list its past events")

    async def _recall(self, path: str, witness: Witness, since_wall: int, until_wall: int) -> None:
        # Not loaded where there is nothing to catch up with.
        from sensor.sources.engines.recall import recall  # noqa: PLC0415 - for a backlog only
        from sensor.sources.engines.session import EngineLost  # noqa: PLC0415 - as above

        try:
            recalled = await recall(path, witness, clock.boottime(), since_wall, until_wall)
        except (EngineLost, OSError) as error:
            log.info("%s does not list its past events: %s", path, error)
            return
        self._feed([*recalled])

    def follow(self, settings: SourcesSection, realtime_offset: int) -> None:
        """Follow others than before; those that stay are not interrupted."""
        before, self._settings = self._settings, settings
        if settings.audit != before.audit:
            self._on_audit()
            self._close_audit()
            if settings.audit != AUDIT_OFF:
                self._open_audit(realtime_offset)
            else:
                self._audit_problem = "switched off"
                reason = self._audit_problem
                now = clock.boottime()
                self._feed([SourceChanged(now, "audit", available=False, reason=reason)])
        if self._streams is not None:
            self._streams.follow(settings.engines)
        elif settings.engines:
            self._start_streams()

    def _start_streams(self) -> None:
        self._streams = EngineStreams(
            self._told, self._engines.resolver.refresh, self._settings.engines
        )
        self._streams.start()

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

    def _open_audit(self, realtime_offset: int) -> None:
        now = clock.boottime()
        try:
            self._audit = AuditSource(
                [_audit_reader(self._settings.audit)],
                watched=self._names,
                engine_socket=self._is_engine_path,
                clock=clock.boottime,
                realtime_offset=realtime_offset,
            )
        except CastoffError as error:
            self._audit_problem = error.problem
            level = logging.INFO if isinstance(error, PermissionMissing) else logging.WARNING
            log.log(level, "no audit records: %s. %s", error.problem, error.fix)
            self._feed([unavailable(now, error)])
            return
        for descriptor in self._audit.descriptors():
            self._loop.add_reader(descriptor, self._on_audit)
        if self._audit.polled:
            self._timer = self._loop.call_later(POLL, self._on_audit)
        self._feed([SourceChanged(now, "audit", available=True, reason=None)])

    def _close_audit(self) -> None:
        """Let go of audit."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._audit is None:
            return
        for descriptor in self._audit.descriptors():
            self._loop.remove_reader(descriptor)
        self._audit.close()
        self._audit = None

    def _is_engine_path(self, path: str) -> bool:
        return path in self._engines.paths

    # ----------------------------------------------------------------- reading

    def sift(self, observations: Sequence[Observation]) -> list[Observation]:
        """Take the connects without a verdict out of a batch of the probes."""
        rest: list[Observation | None] = [*self._sifter.sift(observations)]
        for number, observation in enumerate(rest):
            if isinstance(observation, ApiRequest):
                self._asked += 1
                if self._role_of(observation.caller.exe or "") is None:
                    self._relays.see(observation)
            elif isinstance(observation, ApiConnect):
                self._contacts += 1
                rest[number] = self._relays.hop_of(observation) or self._at_port(observation)
        return [one for one in rest if one is not None]

    def _at_port(self, connect: ApiConnect) -> ApiConnect | None:
        """Return a connect to an engine; None for a port that is an engine's or a relay's no more.

        What is asked through a port is not read, and by TLS the engine may refuse who connected:
        the connection counts neither as followed nor as let in. Who connects may be a relay.
        """
        if connect.port is None:
            return connect
        if connect.socket not in self._engines.addresses:
            return None
        if self._role_of(connect.caller.exe or "") is None:
            self._relays.see(connect)
        return replace(connect, connection=None, confirmed=False)

    def _relayed(self, hop: ApiHop) -> None:
        """From the finder's thread."""
        found: list[Observation] = [hop]
        self._loop.call_soon_threadsafe(self._feed, found)

    def drain_audit(self) -> list[Observation]:
        """Take what audit has to say of the time up to now."""
        if self._audit is None or self._audit.is_quiet():
            return []
        found: list[Observation] = list(self._audit.drain())
        self._arm()
        return found

    def losses(self, realtime_offset: int) -> list[Observation]:
        """Take what audit, the engines' streams and the sifter lost, and keep audit's clock."""
        found: list[Observation] = [*self._sifter.losses()]
        if self._audit is not None:
            self._audit.realtime_offset = realtime_offset
            found += self._audit.losses()
        if self._streams is not None:
            found += self._streams.losses()
        return found

    def _on_audit(self) -> None:
        found = self.drain_audit()
        if found:
            self._feed(found)

    def _arm(self) -> None:
        """Look again when an unfinished audit event is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._audit.deadline() if self._audit is not None else None
        delay = POLL if self._audit is not None and self._audit.polled else None
        if deadline is not None:
            until = max(0.001, (deadline - clock.boottime()) / _NS_PER_SECOND)
            delay = until if delay is None else min(delay, until)
        if delay is not None:
            self._timer = self._loop.call_later(delay, self._on_audit)

    def _told(self, observations: Sequence[Observation]) -> None:
        self._feed([*observations])

    def _contacted(self, connect: ApiConnect) -> None:
        """From the sifter's thread."""
        self._loop.call_soon_threadsafe(self._on_contact, connect)

    def _on_contact(self, connect: ApiConnect) -> None:
        self._contacts += 1
        self._feed([connect])

    def engine_began(self) -> None:
        """Look for new sockets at once and a little later: an engine was executed."""
        if self._streams is not None:
            self._streams.wake()
        self._engines.engine_began()

    # ----------------------------------------------------------------- state

    def states(self) -> tuple[OptionalSourceState, ...]:
        """Return how each is doing."""
        connects = "running" if self._connects else f"failed: {_NO_CONNECTS}"
        requests = "running" if self._requests else f"failed: {_NO_REQUESTS}"
        states = [
            OptionalSourceState("connects", connects, self._contacts),
            OptionalSourceState("requests", requests, self._asked),
        ]
        if self._audit is not None:
            heard = "running" if self._audit.heard else "waiting: kernel audit is off"
            states.append(OptionalSourceState("audit", heard, self._audit.observations))
        else:
            states.append(OptionalSourceState("audit", f"failed: {self._audit_problem}", 0))
        if self._streams is not None:
            states += [_stream_state(status) for status in self._streams.status()]
        return tuple(states)

    async def close(self) -> None:
        """Close everything."""
        if self._follower is not None:
            self._follower.cancel()
        self._close_audit()
        if self._streams is not None:
            await self._streams.stop()
        self._sifter.close()
        self._relays.close()
        self._verdicts.close()
        self._engines.close()


def _audit_reader(way: str) -> NetlinkReader | PluginReader | TailReader:
    """Open audit's way in that the settings name; raises a CastoffError."""
    if way == AUDIT_NETLINK:
        return NetlinkReader()
    return PluginReader() if way == AUDIT_STDIN else TailReader(Path(way))


def _stream_state(status: StreamStatus) -> OptionalSourceState:
    if status.available is None:
        state = "waiting"
    else:
        state = "running" if status.available else f"failed: {status.reason}"
    return OptionalSourceState(f"{status.witness}:{status.path}", state, status.counts.events)
