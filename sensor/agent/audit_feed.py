"""Audit as a source of the agent: its records go in front of the starts that they explain."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import clock
from sensor.agent.config import NETLINK, OFF, STDIN
from sensor.agent.optional_source import OptionalSourceState
from sensor.errors import CastoffError, PermissionMissing
from sensor.model.witness_records import AuditRulesChanged, SourceChanged
from sensor.sources.audit.netlink import NetlinkReader
from sensor.sources.audit.plugin import PluginReader
from sensor.sources.audit.source import POLL, AuditSource, unavailable
from sensor.sources.audit.tail import TailReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.agent.config import SourcesSection
    from sensor.agent.optional_source import Feed
    from sensor.model.observations import Observation

_SWITCHED_OFF = "switched off"
_NS_PER_SECOND = 1_000_000_000

log = logging.getLogger("castoff")


class AuditFeed:
    """Reads audit records where they are available. An :class:`OptionalSource`."""

    def __init__(
        self,
        section: SourcesSection,
        watched: frozenset[str],
        is_engine_path: Callable[[str], bool],
        feed: Feed,
    ) -> None:
        """``watched`` are names of programs whose execve counts."""
        self._way = section.audit
        self._watched = watched
        self._is_engine_path = is_engine_path
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._source: AuditSource | None = None
        self._problem = _SWITCHED_OFF
        """Why there is no source, while there is none."""
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, realtime_offset: int) -> None:
        """Open audit, unless it is switched off."""
        if self._way != OFF:
            self._open(realtime_offset)

    def _open(self, realtime_offset: int) -> None:
        now = clock.boottime()
        try:
            self._source = AuditSource(
                [_reader(self._way)],
                watched=self._watched,
                engine_socket=self._is_engine_path,
                clock=clock.boottime,
                realtime_offset=realtime_offset,
            )
        except CastoffError as error:
            self._problem = error.problem
            level = logging.INFO if isinstance(error, PermissionMissing) else logging.WARNING
            log.log(level, "no audit records: %s. %s", error.problem, error.fix)
            self._feed([unavailable(now, error)])
            return
        for descriptor in self._source.descriptors():
            self._loop.add_reader(descriptor, self._on_records)
        if self._source.polled:
            self._timer = self._loop.call_later(POLL, self._on_records)
        self._feed([SourceChanged(now, "audit", available=True, reason=None)])

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._source is None:
            return
        for descriptor in self._source.descriptors():
            self._loop.remove_reader(descriptor)
        self._source.close()
        self._source = None

    def follow(self, section: SourcesSection, realtime_offset: int) -> None:
        """Read audit in another way, or no more, after what is there already."""
        if section.audit == self._way:
            return
        self._way = section.audit
        self._on_records()
        self._close()
        if self._way != OFF:
            self._open(realtime_offset)
            return
        self._problem = _SWITCHED_OFF
        now = clock.boottime()
        self._feed([SourceChanged(now, "audit", available=False, reason=self._problem)])

    def drain(self) -> list[Observation]:
        """Return what audit has of the time up to now."""
        if self._source is None or self._source.is_quiet():
            return []
        found: list[Observation] = list(self._source.drain())
        for one in found:
            if isinstance(one, AuditRulesChanged):
                log.error("%s", one.what if one.lost else "the audit rules are there again")
        self._arm()
        return found

    def _on_records(self) -> None:
        found = self.drain()
        if found:
            self._feed(found)

    def _arm(self) -> None:
        """Look again when an unfinished audit event is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._source.deadline() if self._source is not None else None
        delay = POLL if self._source is not None and self._source.polled else None
        if deadline is not None:
            until = max(0.001, (deadline - clock.boottime()) / _NS_PER_SECOND)
            delay = until if delay is None else min(delay, until)
        if delay is not None:
            self._timer = self._loop.call_later(delay, self._on_records)

    def losses(self, realtime_offset: int) -> Sequence[Observation]:
        """Return what was lost, and keep the clock of audit's times."""
        if self._source is None:
            return ()
        self._source.realtime_offset = realtime_offset
        return self._source.losses()

    def problems(self) -> tuple[str, ...]:
        """Return what is missing of the audit rules, with what helps."""
        lost = self._source.rules_lost if self._source is not None else None
        if lost is None:
            return ()
        fix = "castoff audit-rules install" if lost.missing else "auditctl -e 1"
        return (f"{lost.what}; run: {fix}",)

    def engine_began(self) -> None:
        """Engines are nothing to audit."""

    def states(self) -> Sequence[OptionalSourceState]:
        """Return whether records come."""
        if self._source is None:
            return (OptionalSourceState("audit", f"failed: {self._problem}", 0),)
        state = "running" if self._source.heard else "waiting: kernel audit is off"
        return (OptionalSourceState("audit", state, self._source.observations),)

    async def close(self) -> None:
        """Close the way in."""
        self._close()


def _reader(way: str) -> NetlinkReader | PluginReader | TailReader:
    """Open audit's way in; raises a :class:`CastoffError`."""
    if way == NETLINK:
        return NetlinkReader()
    return PluginReader() if way == STDIN else TailReader(Path(way))
