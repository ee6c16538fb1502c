"""All engines of the node: finds their sockets, follows each, and reports which are available.

Followed are sockets of Docker, Podman and containerd behind which an engine of the host runs. Not
followed: engines inside containers and those of other users, whose word is worth nothing to the
node, and sockets without a process, which a connection would wake.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import clock
from sensor.bounded import Bounded
from sensor.dataclass import dataclass
from sensor.model.vocabulary import Engine, Witness
from sensor.model.witness_records import SourceChanged
from sensor.sources.engines.session import EngineLost, EngineSession, StreamCounts
from sensor.sources.engines.stream import EngineStream, StreamStatus, Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sensor.model.observations import Observation
    from sensor.model.witness_records import EngineLoss
    from sensor.sources.engines.listeners import EngineSocket

SCAN_PERIOD = 60.0
"""Seconds between scans for sockets while all is well: for an engine whose execve the probes held
back. Any other wakes the scan."""

SCAN_LAST = 15.0
"""Seconds between scans at most while an engine is lost, or began and may not listen yet."""

SCAN_FIRST = 0.5
"""Seconds until the scan after an engine was lost or began; doubled while that lasts."""

LISTENS_WITHIN = 60.0
"""Seconds after its execve in which an engine begins to listen: dockerd restores its containers
first."""

STREAMS_MAX = 16
"""Sockets followed at once; one beyond is counted and left alone."""

FORGET_AFTER = 600.0
"""Seconds for which a socket that no scan finds any more is still spoken of."""

STOP_WAIT = 1.0
"""Seconds that :meth:`EngineStreams.stop` may take."""

IMAGES_MAX = 1024
"""Containers whose image is remembered from their creation until their task starts."""

REPEATS_MAX = 256
"""Latest events remembered to recognise a repetition: what Docker itself keeps."""

SUN_PATH_MAX = 107
"""Longest path of a unix socket (unix(7): 108 bytes with the NUL)."""

ALL = frozenset({Witness.DOCKER, Witness.CONTAINERD, Witness.PODMAN})

log = logging.getLogger("castoff")


@dataclass(slots=True)
class _Followed:
    stream: EngineStream
    task: asyncio.Task[None]
    found_at: float


class EngineStreams:
    """The engines' event streams of this node.

    ``emit`` is called in the loop with :class:`EngineEvent` and :class:`SourceChanged`.
    ``scan`` is called in a thread and returns what ``engine_sockets`` does.
    """

    def __init__(
        self,
        emit: Callable[[Sequence[Observation]], None],
        scan: Callable[[], tuple[EngineSocket, ...]],
        witnesses: frozenset[Witness] = ALL,
    ) -> None:
        self.beyond_limit = 0
        """Sockets left alone by the last scan because ``STREAMS_MAX`` were followed."""
        self._emit = emit
        self._scan = scan
        self._witnesses = witnesses
        self._followed: dict[tuple[Witness, str], _Followed] = {}
        self._reported: dict[Witness, tuple[bool, str | None]] = {}
        self._wake = asyncio.Event()
        self._pause = SCAN_FIRST
        self._expected_until = 0.0
        """Until when, in the loop's time, an engine that began may begin to listen."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for engines; needs a running loop."""
        self._task = asyncio.create_task(self._run())

    def follow(self, witnesses: frozenset[Witness]) -> None:
        """Follow these engines from now on; streams of others end, those of the same go on.

        But for containerd's when Docker comes or goes: it speaks of Docker's containers or not.
        """
        others = self._witnesses ^ witnesses
        self._witnesses = witnesses
        for key, followed in list(self._followed.items()):
            speaks_otherwise = key[0] is Witness.CONTAINERD and Witness.DOCKER in others
            if key[0] not in witnesses or speaks_otherwise:
                del self._followed[key]
                followed.task.cancel()
        for witness in [one for one in self._reported if one not in witnesses]:
            del self._reported[witness]
            now = clock.boottime()
            self._emit([SourceChanged(now, witness, available=False, reason="switched off")])
        self.wake()

    def wake(self) -> None:
        """Look at once, and again until it listens: another source saw an engine start."""
        self._pause = SCAN_FIRST
        self._expected_until = asyncio.get_running_loop().time() + LISTENS_WITHIN
        self._wake.set()

    def status(self) -> tuple[StreamStatus, ...]:
        """Return how each stream is doing."""
        return tuple(followed.stream.status for followed in self._followed.values())

    def losses(self) -> tuple[EngineLoss, ...]:
        """Take what the streams lost since the last call."""
        now = clock.boottime()
        found = (followed.stream.losses(now) for followed in self._followed.values())
        return tuple(loss for loss in found if loss is not None)

    async def stop(self) -> None:
        """Hang up everywhere, within ``STOP_WAIT`` whatever the engines do."""
        tasks = {followed.task for followed in self._followed.values()}
        if self._task is not None:
            tasks.add(self._task)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_WAIT)

    async def _run(self) -> None:
        while True:
            # Cleared before the scan: a wake-up during it asks for another one.
            self._wake.clear()
            try:
                found = await asyncio.to_thread(self._scan)
            except OSError as error:
                log.warning("cannot look for engines: %s", error)
            else:
                self._follow(found)
            await self._rest()

    async def _rest(self) -> None:
        """Wait for the next scan: long when all is well, else longer from time to time."""
        delay = SCAN_PERIOD
        expected = asyncio.get_running_loop().time() < self._expected_until
        if expected or any(followed.stream.seeking for followed in self._followed.values()):
            delay, self._pause = self._pause, min(2 * self._pause, SCAN_LAST)
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            return

    def _follow(self, found: tuple[EngineSocket, ...]) -> None:
        now = asyncio.get_running_loop().time()
        self.beyond_limit = 0
        for socket in found:
            witness = witness_of(socket)
            target = target_of(socket)
            if witness is None or witness not in self._witnesses or target is None:
                continue
            key = (witness, socket.path)
            if key not in self._followed and len(self._followed) >= STREAMS_MAX:
                self.beyond_limit += 1
                continue
            followed = self._followed.get(key) or self._begin(witness, socket.path, now)
            followed.found_at = now
            followed.stream.aim(target)
        for key, followed in list(self._followed.items()):
            if followed.stream.seeking and now - followed.found_at > FORGET_AFTER:
                del self._followed[key]
                followed.task.cancel()
                self._tell(followed.stream.witness)

    def _begin(self, witness: Witness, path: str, now: float) -> _Followed:
        stream = EngineStream(
            witness,
            path,
            _maker(witness, docker_is_heard=Witness.DOCKER in self._witnesses),
            self._emit,
            partial(self._changed, witness),
        )
        followed = _Followed(stream, asyncio.create_task(stream.run()), now)
        followed.task.add_done_callback(partial(self._ended, (witness, path)))
        self._followed[witness, path] = followed
        return followed

    def _ended(self, key: tuple[Witness, str], task: asyncio.Task[None]) -> None:
        """Forget a stream that came to an end; the next scan finds its engine again."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the stream of %s failed", key[1], exc_info=error)
        if (followed := self._followed.get(key)) is not None and followed.task is task:
            del self._followed[key]

    def _changed(self, witness: Witness) -> None:
        """Take notice of a stream that was connected, or could not be, or was lost."""
        self._tell(witness)
        if any(followed.stream.seeking for followed in self._followed.values()):
            self._wake.set()
        else:
            self._pause = SCAN_FIRST

    def _tell(self, witness: Witness) -> None:
        """Say whether all of an engine's sockets are subscribed to, when that has changed."""
        streams = [f.stream for f in self._followed.values() if f.stream.witness is witness]
        problems = sorted(f"{s.path}: {s.reason}" for s in streams if s.available is False)
        if not problems and not any(stream.available for stream in streams):
            return
        said = (not problems, "; ".join(problems) or None)
        if self._reported.get(witness) != said:
            self._reported[witness] = said
            self._emit([SourceChanged(clock.boottime(), witness.value, *said)])


def witness_of(socket: EngineSocket) -> Witness | None:
    """Return which witness speaks on a socket, if it is worth listening to."""
    if socket.nested:
        return None
    if socket.api == "docker":
        return Witness.DOCKER
    if socket.api == "libpod":
        return Witness.PODMAN
    if socket.api == "grpc" and socket.engine == Engine.CONTAINERD:
        return Witness.CONTAINERD
    return None


def target_of(socket: EngineSocket) -> Target | None:
    """Return how to reach a socket: by its own path, or through its engine's root directory.

    The latter where the path means something else here, as in a container into which a socket
    was mounted that its engine has replaced since.
    """
    if socket.pid is None:
        return None
    for path in (socket.path, f"/proc/{socket.pid}/root{socket.path}"):
        try:
            status = Path(path).stat()
        except OSError:
            continue
        if (status.st_dev, status.st_ino) == socket.key and len(os.fsencode(path)) <= SUN_PATH_MAX:
            return Target(path, socket.device, socket.inode, socket.pid)
    return None


def _maker(
    witness: Witness, *, docker_is_heard: bool
) -> Callable[[StreamCounts], Awaitable[EngineSession]]:
    """Return what makes sessions of an engine; its state outlives each of them."""
    recent: deque[tuple[int | None, str, str]] = deque(maxlen=REPEATS_MAX)
    images: Bounded[tuple[str, str], str] = Bounded(IMAGES_MAX)

    def load(counts: StreamCounts) -> EngineSession:
        # Loaded on first use: a node without the engine does not pay for its protocol.
        try:
            if witness is Witness.CONTAINERD:
                from sensor.sources.engines.containerd import (  # on first use
                    DOCKERS_NAMESPACE,
                    ContainerdSession,
                )

                without = DOCKERS_NAMESPACE if docker_is_heard else None
                return ContainerdSession(counts, images, without)
            from sensor.sources.engines.docker import DockerSession  # on first use

            return DockerSession(witness, counts, recent)
        except ModuleNotFoundError as error:
            package = "h2" if witness is Witness.CONTAINERD else "h11"
            raise EngineLost(
                f"{error.name} is not installed: apt-get install python3-{package}"
            ) from error

    async def make(counts: StreamCounts) -> EngineSession:
        return await asyncio.to_thread(load, counts)

    return make
