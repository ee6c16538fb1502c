"""Engine streams in a loop of their own thread, as the agent runs them, and what they report."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.waiting import until
from sensor.model.observations import Observation
from sensor.model.witness_records import EngineEvent, SourceChanged
from sensor.sources.engines.listeners import EngineSocket, engine_sockets
from sensor.sources.engines.session import StreamCounts
from sensor.sources.engines.streams import EngineStreams

PROGRAMS = frozenset({"dockerd", "containerd", "crio"})


def sockets_below(directory: Path) -> Callable[[], tuple[EngineSocket, ...]]:
    """Scan for the engines of this test run alone."""
    return lambda: tuple(
        socket for socket in engine_sockets(PROGRAMS) if socket.path.startswith(f"{directory}/")
    )


def socket_at(path: Path, pid: int | None = None) -> EngineSocket:
    """Pass a socket of a test off as dockerd's."""
    status = path.stat()
    pid = os.getpid() if pid is None else pid
    return EngineSocket(str(path), "docker", status.st_dev, status.st_ino, "docker", pid)


@dataclass
class Following:
    streams: EngineStreams
    loop: asyncio.AbstractEventLoop
    reported: list[Observation] = field(default_factory=list)
    stopped_in: float = 0.0

    def events(self, container: str | None = None) -> list[EngineEvent]:
        return [
            one
            for one in list(self.reported)
            if isinstance(one, EngineEvent) and container in (None, one.id)
        ]

    def actions(self, container: str) -> list[str]:
        return [event.action for event in self.events(container)]

    def changes(self, source: str) -> list[SourceChanged]:
        return [
            one
            for one in list(self.reported)
            if isinstance(one, SourceChanged) and one.source == source
        ]

    def in_loop(self, what: Callable[[], object]) -> None:
        """Have the loop's thread do something."""
        self.loop.call_soon_threadsafe(what)

    def await_source(self, source: str, *, available: bool, timeout: float = 20.0) -> SourceChanged:
        def last() -> SourceChanged | None:
            changes = self.changes(source)
            return changes[-1] if changes and changes[-1].available == available else None

        return until(last, f"{source} is available: {available}", timeout)

    def await_actions(self, container: str, *actions: str) -> list[EngineEvent]:
        """Wait until these actions are reported of a container, and no others, in this order."""
        until(
            lambda: len(self.actions(container)) >= len(actions),
            f"{actions}, reported so far: {self.actions(container)}",
        )
        assert self.actions(container) == list(actions)
        return self.events(container)

    def counts(self) -> StreamCounts:
        """Return the counts of the only stream, once there is one."""
        (status,) = until(self.streams.status, "a stream")
        return status.counts


@contextmanager
def following(scan: Callable[[], tuple[EngineSocket, ...]]) -> Iterator[Following]:
    """Follow what ``scan`` finds until the block ends; raises what went wrong in the loop."""
    ready = threading.Event()
    end: list[Callable[[], object]] = []
    shown: list[Following] = []
    problems: list[dict[str, object]] = []

    async def live() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: problems.append(context))
        over = asyncio.Event()
        reported: list[Observation] = []
        streams = EngineStreams(reported.extend, scan)
        shown.append(Following(streams, loop, reported))
        end.append(lambda: loop.call_soon_threadsafe(over.set))
        streams.start()
        ready.set()
        await over.wait()
        begun = time.monotonic()
        await streams.stop()
        shown[0].stopped_in = time.monotonic() - begun

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    assert ready.wait(5)
    try:
        yield shown[0]
    finally:
        end[0]()
        thread.join(10)
        assert not thread.is_alive()
    assert not problems
