"""Sift the kernel's connects: those to engines go on, the others are silenced in the kernel.

The probes report the first connect to each path of each mount namespace. A thread looks what lies
there (no file system of a stranger is touched on the reader's path), writes the verdict for the
probes, and hands on what concerns an engine. Verdicts expire, since what lies at a path changes; as
long as one holds, further connects to that engine go on at once.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from sensor import clock
from sensor.bounded import Bounded
from sensor.model.api_calls import ApiConnect, ApiRequest
from sensor.model.kernel_records import KernelLoss
from sensor.model.vocabulary import Engine
from sensor.shares import SharedTable
from sensor.sources.sockets import NOT_SCANNED, EngineSocket, SocketResolver, Unresolvable
from sensor.sources.waiting import WaitingJobs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.bpf.socket_filter import SocketVerdicts
    from sensor.model.api_calls import Caller
    from sensor.model.observations import Observation

QUEUE_MAX = 1024
"""Connects that wait for a verdict; more are dropped and counted. Others than root have shares."""

OTHER_FOR = 30.0
"""Seconds for which a socket that is not an engine's stays silenced."""

VERDICTS_MAX = 4096

LATER_MAX = 256
"""Connects that wait until their user may cause a scan again; more are dropped and counted. Others
than root have shares."""

LATER_SECONDS = 1.0
"""Seconds for which they wait."""


class ContactSifter:
    """Resolves connects in a thread of its own. ``emit`` is called from that thread."""

    def __init__(
        self,
        resolver: SocketResolver,
        verdicts: SocketVerdicts,
        emit: Callable[[ApiConnect], None],
        is_engines_own: Callable[[ApiConnect], bool],
        share_of: Callable[[Caller], str | None],
    ) -> None:
        """``is_engines_own`` recognises connects of engines themselves.

        containerd connects to a socket of each shim, and what one engine asks of another was asked
        of it by a client: neither is worth a look. ``share_of`` names whose a caller is, None for
        root of the host's.
        """
        self._share_of = share_of
        self._lost_until = clock.boottime()
        self._dropped_then = 0
        """``dropped`` at the last report of losses."""
        self._resolver = resolver
        self._verdicts = verdicts
        self._emit = emit
        self._is_engines_own = is_engines_own
        self._generation = resolver.generation
        self._own_pid = os.getpid()
        self._later: SharedTable[int, tuple[float, ApiConnect]] = SharedTable(LATER_MAX)
        self._number = 0
        self._queue: WaitingJobs[ApiConnect] = WaitingJobs(QUEUE_MAX)
        self._written: Bounded[tuple[int, str], float] = Bounded(VERDICTS_MAX)
        self._thread = threading.Thread(target=self._work, name="contacts", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Connects that were not looked at, since too many waited."""
        return self._queue.dropped + self._later.forgotten

    def sift(self, observations: Sequence[Observation]) -> list[Observation]:
        """Take out of a batch the connects that must be looked at.

        They come back through ``emit`` if they concern us.
        """
        rest: list[Observation] = []
        for observation in observations:
            if isinstance(observation, ApiConnect | ApiRequest) and (
                observation.caller.pid == self._own_pid
            ):
                continue
            if isinstance(observation, ApiConnect) and observation.mnt_ns is not None:
                known = self._resolver.known(observation.mnt_ns, observation.socket)
                if known is not None:
                    rest.append(_at(observation, known))
                elif not self._is_engines_own(observation):
                    self._queue.put(observation, self._share_of(observation.caller))
            else:
                rest.append(self._named(observation))
        return rest

    def _named(self, observation: Observation) -> Observation:
        """Name the engine of a connect that the kernel saw at a socket that was known already."""
        if not isinstance(observation, ApiConnect) or observation.foreign:
            return observation
        socket = self._resolver.listening(observation.socket)
        return _at(observation, socket) if socket is not None else observation

    def losses(self) -> tuple[KernelLoss, ...]:
        """Return the connects that could not be looked at since the last call."""
        since, self._lost_until = self._lost_until, clock.boottime()
        before, self._dropped_then = self._dropped_then, self.dropped
        lost = self._dropped_then - before
        if not lost:
            return ()
        return (KernelLoss(self._lost_until, since, "commands", "api_connect", lost, 0),)

    def _work(self) -> None:
        while (connect := self._next()) is not None:
            if self._generation != self._resolver.generation:
                self._generation = self._resolver.generation
                self._void()
            self._expire()
            self._look(connect)

    def _next(self) -> ApiConnect | None:
        """Wait for a connect; None when there is no more."""
        while True:
            later = self._later.oldest()
            if later is None:
                return self._queue.take()
            number, (due, waiting) = later
            connect = self._queue.take(max(0.0, due - time.monotonic()))
            if connect is not None or self._queue.closed:
                return connect
            if due <= time.monotonic():
                self._later.pop(number)
                return waiting

    def _look(self, connect: ApiConnect) -> None:
        if connect.mnt_ns is None:
            return
        caller = connect.caller
        found = self._resolver.resolve(
            caller.pid,
            connect.mnt_ns,
            connect.socket,
            share=self._share_of(caller),
            connected=connect.time,
        )
        if isinstance(found, Unresolvable):
            self._forget(connect.mnt_ns, connect.socket)
            if found is NOT_SCANNED:
                self._look_later(connect)
            return
        self._write(connect.mnt_ns, connect.socket, engine=found is not None)
        if isinstance(found, EngineSocket):
            self._emit(_at(connect, found))

    def _look_later(self, connect: ApiConnect) -> None:
        self._number += 1
        due = time.monotonic() + LATER_SECONDS
        self._later.put(self._number, (due, connect), self._share_of(connect.caller))

    def _write(self, mnt_ns: int, path: str, *, engine: bool) -> None:
        self._verdicts.set(mnt_ns, path, engine=engine)
        if engine:
            # Every connect to an engine is reported and looked at: nothing has to expire.
            self._written.pop((mnt_ns, path))
            return
        evicted = self._written.put((mnt_ns, path), time.monotonic() + OTHER_FOR)
        if evicted is not None:
            self._forget(*evicted[0])

    def _void(self) -> None:
        """Ask again everywhere: engines have come or gone."""
        for place in self._written:
            self._forget(*place)
        self._written.clear()

    def _expire(self) -> None:
        now = time.monotonic()
        # In the order in which they expire: each is written once, for the same time.
        while (oldest := self._written.oldest()) is not None and oldest[1] <= now:
            self._written.pop(oldest[0])
            self._forget(*oldest[0])

    def _forget(self, mnt_ns: int, path: str) -> None:
        self._verdicts.forget(mnt_ns, path)

    def close(self) -> None:
        """End the thread after what waits; it may take a second."""
        self._queue.close()
        self._thread.join(timeout=1.0)


def _at(connect: ApiConnect, socket: EngineSocket) -> ApiConnect:
    """Name the engine's socket as the engine does, and whose engine it is."""
    engine = socket.engine if isinstance(socket.engine, Engine) else None
    # Written out: ``replace`` takes five times as long, and a client connects four times.
    return ApiConnect(
        connect.time,
        connect.witness,
        connect.ref,
        connect.caller,
        socket.path,
        connect.mnt_ns,
        connect.connection,
        connect.confirmed,
        connect.port,
        socket.nested,
        engine,
    )
