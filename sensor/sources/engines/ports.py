"""Which TCP ports the node's own engines listen on: ``dockerd -H tcp://…`` and its like.

Engines of root in the host's pid namespace alone. A plain user can listen on any number of ports
under an engine's name, and what is asked there is about that user's containers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.sources import connections
from sensor.sources.engines import known
from sensor.sources.engines.listeners import is_hosts
from sensor.sources.engines.processes import engines_among, pids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.sources.engines.processes import Engine

PORTS_MAX = 64
"""Ports returned by one scan, lowest pid first."""

_HTTP = frozenset({"docker", "libpod"})
"""What engines speak on a port. containerd's ports are for streams and metrics."""

NO_API_PORTS = frozenset({2377, 4789, 7946, 9323})
"""Of Docker's own: swarm's managers, data and gossip, and metrics (docs.docker.com)."""


@dataclass(frozen=True, slots=True, order=True)
class EnginePort:
    """A port that asks an engine for containers, in a network namespace (its inode number)."""

    net_ns: int
    port: int
    local: bytes
    """The address that it listens at: 16 bytes of IPv6, or of what IPv4 is mapped to there."""

    @property
    def name(self) -> str:
        """The port as observations name it."""
        return f"tcp:127.0.0.1:{self.port}"


def engine_ports(programs: frozenset[str], proc: Path = Path("/proc")) -> frozenset[EnginePort]:
    """Find the TCP ports of the node's own engines."""
    engines = engines_among(pids(proc), programs | known.SERVICE_PROGRAMS, proc)
    return ports_of_engines(engines, proc)


def ports_of_engines(
    engines: Iterable[Engine], proc: Path = Path("/proc")
) -> frozenset[EnginePort]:
    """Find the TCP ports of those that are the node's own; none of one that ends meanwhile."""
    found: set[EnginePort] = set()
    for pid, program in engines:
        if known.engine_called(program)[1] not in _HTTP or not is_hosts(pid, proc):
            continue
        try:
            net_ns = (proc / str(pid) / "ns" / "net").stat().st_ino
        except OSError:
            continue
        listening = connections.listeners(pid, proc)
        for inode in connections.sockets_of(pid, proc):
            one = listening.get(inode)
            if one is not None and one.port not in NO_API_PORTS:
                found.add(EnginePort(net_ns, one.port, one.address))
        if len(found) >= PORTS_MAX:
            break
    return frozenset(sorted(found)[:PORTS_MAX])
