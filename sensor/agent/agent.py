"""The agent: the order of start-up, the signals, and the order of shutdown.

Start-up: take the node's lock, open the parts (``opening.py``), give the core what an earlier agent
knew, read the rings from then on, and compare with procfs. Shutdown: drain the rings, wait for
descriptions under way, flush the sinks, save what is known. The probes stay: the next agent drains
what happens meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor import clock
from sensor.agent import startup_scan, status
from sensor.agent.housekeeping import Housekeeping
from sensor.agent.lock import hold_node
from sensor.agent.opening import SECONDS_PER_DAY, open_parts
from sensor.agent.reload import Reloader
from sensor.bpf import pins
from sensor.linux import malloc
from sensor.linux.systemd import Notifier
from sensor.model.agent_records import ClockSynced, ProbesAttached
from sensor.sources import accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sensor.agent.config import Config
    from sensor.agent.parts import Console, Feed, Parts
    from sensor.model.observations import Observation

RESUMED_SECONDS = 5.0
"""Seconds after the rings were read to their end until no event of an earlier agent can come."""

SET_OVERLAP = 10.0
"""Seconds for which an old probe set stays attached beside its successor: creations that were under
way at the switch end in the set that saw them begin."""

RECALL_SPAN = 86_400_000_000_000
"""Nanoseconds of the engines' past that an agent asks for when it finds a backlog."""

HANGUP_SECONDS = 0.1
"""What the end of a session takes at most from its signal on."""

DRAIN_STEP = 0.005
"""Seconds between looks at what a stopping agent waits for."""

SHUTDOWN_WAIT = 2.0
"""Seconds that a stopping agent waits for descriptions and slow readers."""

ENGINE_KEYS = ("sources.docker", "sources.containerd", "sources.podman")

_STDIN = 0

log = logging.getLogger("castoff")


class Agent:
    """One run of the agent on this node."""

    def __init__(
        self,
        config: Config,
        reread: Callable[[], Config] | None = None,
        notifier: Notifier | None = None,
        open_console: Callable[[Feed], Console] | None = None,
    ) -> None:
        """``reread`` gives the configuration anew on SIGHUP; without it it stays as it is.

        ``notifier`` reports to systemd. ``open_console`` makes what shows events in the foreground.
        """
        self._config = config
        self._notifier = notifier or Notifier({})
        self._reread = reread or (lambda: config)
        self._open_console = open_console
        self._stopping = asyncio.Event()
        self._hung_up = False
        self._interactive = _has_terminal()
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Ask the agent to drain and end."""
        self._stopping.set()

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Run until :meth:`stop`; ``started`` is called once the rings are being read."""
        malloc.one_arena()
        async with AsyncExitStack() as stack:
            stack.callback(
                os.close, hold_node(self._config.agent.run_dir, self._config.agent.state_dir)
            )
            # One that comes before everything is there waits for that.
            self._on_signal(stack, signal.SIGHUP, lambda: setattr(self, "_hung_up", True))
            parts = open_parts(self._config, stack, self._loop, self._open_console)
            for number in (signal.SIGTERM, signal.SIGINT):
                self._on_signal(stack, number, self.stop)
            await parts.control.start()
            await parts.descriptions.discover()
            self._introduce(parts)
            housekeeping = Housekeeping(parts, self._notifier, self._config.agent.heartbeat_seconds)
            self._reload_on_hangup(parts, housekeeping)
            await _recall(parts)
            parts.ring_reader.start()
            if self._config.agent.realtime:
                stack.callback(parts.real_time.end)
                if not parts.real_time.begin():
                    log.info(
                        "no real-time policy is allowed here: starts are reported a little later"
                    )
            started()
            self._notifier.ready(status.line(parts))
            await parts.optional.start(parts.wall.offset)
            tasks = [
                _part(self._take_inventory(parts)),
                _part(housekeeping.run()),
                _part(_retire_old_sets(parts)),
                *_explain(parts),
                *_notify(parts),
                _part(parts.judging.fill(parts.persistence.reader)),
            ]
            await self._stopping.wait()
            self._notifier.stopping("draining the probes' rings")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._finish(parts)

    def _on_signal(
        self, stack: AsyncExitStack, number: signal.Signals, handle: Callable[[], None]
    ) -> None:
        self._loop.add_signal_handler(number, handle)
        # Not the default again: a second Ctrl-C during the last moments changes nothing.
        stack.callback(signal.signal, number, signal.SIG_IGN)

    def _reload_on_hangup(self, parts: Parts, housekeeping: Housekeeping) -> None:
        """Have SIGHUP apply what may change while the agent runs."""

        def limit(wanted: Config) -> None:
            parts.persistence.store.limit(
                wanted.store.max_mib << 20, wanted.store.max_age_days * SECONDS_PER_DAY
            )

        def follow(wanted: Config) -> None:
            parts.optional.follow(wanted.sources, parts.wall.offset)

        reloader = Reloader(
            self._config,
            self._reread,
            {
                "agent.heartbeat_seconds": lambda wanted: setattr(
                    housekeeping, "heartbeat_seconds", wanted.agent.heartbeat_seconds
                ),
                "agent.log_level": lambda wanted: logging.getLogger().setLevel(
                    wanted.agent.log_level.upper()
                ),
                "socket.group": lambda wanted: parts.control.hand_to_group(wanted.socket.group),
                "store.max_age_days": limit,
                "store.max_mib": limit,
                **dict.fromkeys(("sources.audit", *ENGINE_KEYS), follow),
            },
        )

        def decide() -> None:
            # The terminal of who runs it in the foreground is gone: as if it had been interrupted.
            if self._interactive and not _has_terminal():
                self.stop()
            else:
                reloader.request()
                parts.judging.reload()

        def on_hangup() -> None:
            # The kernel sends the signal first, and then takes the terminal away.
            self._loop.call_later(HANGUP_SECONDS, decide)

        self._loop.add_signal_handler(signal.SIGHUP, on_hangup)
        if self._hung_up:
            on_hangup()

    def _introduce(self, parts: Parts) -> None:
        """Feed what an earlier agent knew, and go on where the log ends: none of it again."""
        # Before the first event: it reports how the agent before this one ended.
        parts.judging.restore(parts.persistence.store.take_judged())
        parts.judging.publish = parts.pipeline.publish
        parts.judging.flush = parts.persistence.store.flush
        parts.judging.reader = parts.persistence.reader
        seen_at = parts.source.seen_at()
        resumed = parts.persistence.resume()
        parts.wall.resume(resumed.realtime_offset)
        if parts.source.backlog():
            parts.pipeline.reported = resumed.ids
        first: list[Observation] = [
            parts.host,
            ClockSynced(clock.boottime(), parts.wall.offset),
            accounts.read(clock.boottime()),
        ]
        restored = parts.persistence.restored()
        if restored is not None:
            if restored.boot_id == parts.host.boot_id and seen_at > restored.seen:
                restored = replace(restored, seen=seen_at)
            first.append(restored)
        parts.persistence.count(parts.source.reported())
        first.append(ProbesAttached(parts.loaded_at, surviving=parts.loaded_at < parts.started))
        first += parts.persistence.opened()
        first += parts.probes.began(parts.lacking, seen_at)
        parts.pipeline.feed(first)
        parts.judging.start()

    async def _take_inventory(self, parts: Parts) -> None:
        taken = await startup_scan.take(
            parts.parsers.cgroup,
            parts.descriptions,
            parts.ring_reader,
            parts.pipeline.core.table,
            self._config.pin_root,
        )
        # The rings have been read to their end. Starts of before may still wait for a description.
        self._loop.call_later(RESUMED_SECONDS, setattr, parts.pipeline, "reported", frozenset())
        if taken is not None:
            parts.pipeline.feed([taken])
            malloc.settle()

    async def _finish(self, parts: Parts) -> None:
        """Drain, answer what waits, and keep what is known."""
        await parts.ring_reader.stop()
        parts.pipeline.feed(parts.source.losses())
        parts.persistence.count(parts.source.reported())
        end = self._loop.time() + SHUTDOWN_WAIT
        core = parts.pipeline.core
        while parts.descriptions.under_way or core.waiting() or core.holds_failure():
            if self._loop.time() >= end:
                break
            parts.descriptions.take()
            await asyncio.sleep(DRAIN_STEP)
        parts.pipeline.feed(await asyncio.to_thread(parts.persistence.stopped))
        parts.pipeline.stop()
        parts.persistence.note_seen()
        parts.persistence.note_clean_end()
        await asyncio.to_thread(parts.persistence.store.flush, SHUTDOWN_WAIT)
        parts.pipeline.release()


def _has_terminal() -> bool:
    """Whether the standard input is the terminal of this process's session.

    A terminal may outlive its session, as under tmux: then no process gets its signals.
    """
    try:
        os.tcgetpgrp(_STDIN)
    except OSError:
        return False
    return True


async def _recall(parts: Parts) -> None:
    """Ask the engines for the past that a backlog is about."""
    if parts.source.backlog():
        now = parts.wall.now()
        since = max(parts.loaded_at + parts.wall.offset, now - RECALL_SPAN)
        await parts.optional.recall(since, now)


def _explain(parts: Parts) -> list[asyncio.Task[None]]:
    """Read the API server's audit log, where this node has it, or take what it posts."""
    if not parts.config.sources.kubernetes_audit:
        return []
    # One MiB that only nodes with an API server need.
    from sensor.agent.explaining import Explaining, sources_of

    log_path, place = sources_of(parts.config)
    explaining = Explaining(log_path, parts.pipeline.publish, lambda: parts.wall.offset)
    parts.pipeline.sinks.append(explaining)
    works = [explaining.run()] if place is None else [explaining.run(), explaining.listen(place)]
    return [_part(work) for work in works]


def _notify(parts: Parts) -> list[asyncio.Task[None]]:
    """Send notices of alerts, where that is wanted."""
    if not parts.config.notify.is_wanted:
        return []
    # Only agents with notices need it.
    from sensor.agent.notify import AlertNotices

    notices = AlertNotices(parts.config.notify)
    parts.judging.notices = notices.counts
    parts.pipeline.sinks.append(notices)
    return [_part(notices.run())]


def _part(work: Coroutine[object, object, None]) -> asyncio.Task[None]:
    """Begin a part of the agent that goes on until the agent ends."""
    task = asyncio.create_task(work)
    task.add_done_callback(_report_failure)
    return task


def _report_failure(task: asyncio.Task[None]) -> None:
    """Log why a part of the agent ended; the others go on."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("a part of the agent failed", exc_info=error)


async def _retire_old_sets(parts: Parts) -> None:
    """Drain and remove the probe sets of earlier versions once theirs is over."""
    await asyncio.sleep(SET_OVERLAP)
    sets = pins.loaded_sets(parts.config.pin_root)
    # Another version may have been chosen meanwhile: its agent comes, and retires the others.
    if len(sets) > 1 and sets[-1:] == parts.source.sets()[-1:]:
        parts.pipeline.feed(parts.source.retire_old())
