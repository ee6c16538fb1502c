"""Keeps the probes' view of where engines listen: sockets of files, and ports of TCP.

An engine listens some time after its execve. So it is looked for again a few times then, and at
each connect to a socket that is not known.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sensor.bpf.socket_filter import EngineSockets, ListeningPorts
from sensor.sources.sockets import SocketResolver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.bpf.pins import PinSet
    from sensor.sources.engines.listeners import EngineSocket
    from sensor.sources.engines.ports import EnginePort

ENGINE_LOOKS = (*(0.2,) * 25, *(1.0,) * 25)
"""Seconds between looks for the socket of an engine that began: dockerd listens after a while, and
a client may connect to a port in the next moment."""

_HTTP = frozenset({"docker", "libpod"})


class EngineWatch:
    """``resolver`` knows the sockets, ``files`` and ``ports`` are what the probes watch."""

    def __init__(self, engines: frozenset[str], pin_set: PinSet) -> None:
        """``engines`` are names of programs as in ``probes/watched.toml``."""
        self.sockets: tuple[EngineSocket, ...] = ()
        self.paths: frozenset[str] = frozenset()
        """How callers may write the sockets' paths."""
        self.addresses: frozenset[str] = frozenset()
        """The ports of engines, as connects name them."""
        self.resolver = SocketResolver(engines, changed=self._changed)
        self.files = EngineSockets(pin_set.map("engine_sockets"))
        self.ports = ListeningPorts(pin_set.map("listening_ports"))
        self._seeker: asyncio.Task[None] | None = None
        self._began = False
        """An engine began since the last look among all processes."""

    async def look(self) -> None:
        """Look for engines now, among all processes."""
        await asyncio.to_thread(self.resolver.refresh)

    def engine_began(self) -> None:
        """Look at once and a little later; call it in the loop."""
        self._began = True
        if self._seeker is None or self._seeker.done():
            self._seeker = asyncio.get_running_loop().create_task(self._seek())

    async def _seek(self) -> None:
        """Look until the last engine that began has had its time to listen."""
        while self._began:
            for pause in ENGINE_LOOKS:
                if self._began:
                    self._began = False
                    await self.look()
                else:
                    await asyncio.to_thread(self.resolver.update)
                await asyncio.sleep(pause)
            await self.look()

    def _changed(self, sockets: tuple[EngineSocket, ...], ports: frozenset[EnginePort]) -> None:
        """Have the probes watch what engines listen on now. In any thread."""
        self.sockets = sockets
        self.paths = frozenset(_spellings(socket.path for socket in sockets))
        self.addresses = frozenset(one.name for one in ports)
        self.ports.replace((one.net_ns, one.port, one.local) for one in ports)
        self.files.replace(
            (
                socket.device,
                socket.inode,
                EngineSockets.HTTP if socket.api in _HTTP else EngineSockets.RPC,
            )
            for socket in sockets
        )

    def close(self) -> None:
        """Look no more, and close the maps."""
        if self._seeker is not None:
            self._seeker.cancel()
        self.files.close()
        self.ports.close()


def _spellings(paths: Iterable[str]) -> set[str]:
    """Socket paths as callers may write them: /run is also reached as /var/run."""
    found: set[str] = set()
    for path in paths:
        found.add(path)
        if path.startswith("/run/"):
            found.add(f"/var{path}")
        elif path.startswith("/var/run/"):
            found.add(path.removeprefix("/var"))
    return found
