"""Engines that listen on the network: where they do, where they would, and what they ask for.

The kernel says where an engine's process listens (``/proc/PID/net/tcp`` and ``tcp6``, by the inodes
of its descriptors). Only its configuration says whether it asks for client certificates:

=============  ===========================================================================
dockerd        ``--tlsverify``; ``tlsverify`` of daemon.json, or of ``--config-file``
podman         ``podman system service --tls-client-ca=FILE``
containerd     ``tcp_address`` in ``[grpc]`` of config.toml: without ``tcp_tls_cert`` it asks
               for nothing, else it is unknown
=============  ===========================================================================

Nothing is connected to. What no file that was read decides is called unknown.
"""

from __future__ import annotations

import json
import tomllib
from enum import StrEnum, unique
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.access import Way, WayKind
from sensor.sources import connections
from sensor.sources.engines.known import PROGRAMS
from sensor.sources.engines.ports import NO_API_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sensor.access.accounts import Accounts
    from sensor.access.engines import EngineProcess
    from sensor.access.node import Node

DAEMON_FILE = "/etc/docker/daemon.json"
CONTAINERD_FILE = "/etc/containerd/config.toml"
LISTENERS_MAX = 64
"""Addresses of one engine that are listed."""
OF_OTHERS_MAX = 8
"""The same of an engine that is not root's on the host."""

_DOCKER = frozenset({"dockerd", "balenad", "balena-engine-daemon"})
_CONTAINERD = frozenset({"containerd", "docker-containerd"})
_LISTEN = "0A"
PORT_DIGITS = 5
"""Of the largest port, 65535."""


@unique
class Demand(StrEnum):
    """What a listener asks of a client, in the words of the evidence."""

    CERTIFICATE = "asks for client certificates"
    NOTHING = "asks for nothing"
    UNKNOWN = "unknown whether it asks for client certificates"


@dataclass(frozen=True, slots=True)
class _Configured:
    """An address as a configuration has it."""

    address: str
    port: int | None
    demand: Demand
    where: str


def ways(node: Node, accounts: Accounts, engines: Sequence[EngineProcess] = ()) -> Iterator[Way]:
    """Yield each address that an engine listens on, then those that are only configured."""
    open_: set[int] = set()
    configured: dict[tuple[str, str], _Configured] = {}
    files: dict[str, tuple[_Configured, ...]] = {}
    for engine in engines:
        own = [*_of_command_line(engine), *_of_files(node, engine, files)]
        for one in own:
            configured.setdefault((one.address, one.where), one)
        for address, port in _listening(node, engine):
            open_.add(port)
            match = next((one for one in own if one.port == port), None)
            yield _way(engine, address, port, match, accounts)
    if not any(engine.program in _DOCKER for engine in engines):
        for one in _of_daemon_file(node, DAEMON_FILE):
            configured.setdefault((one.address, one.where), one)
    for one in configured.values():
        if one.port not in open_:
            evidence = f"{one.address}, {one.demand} ({one.where}); not listening now"
            who = _who(_host_of(one.address), one.demand)
            yield Way(WayKind.LISTENER, who, evidence, grave=True)


# --------------------------------------------------------------------------- what listens


def _listening(node: Node, engine: EngineProcess) -> list[tuple[IPv4Address | IPv6Address, int]]:
    # The names count the descriptors, and note where they cannot be read.
    if not node.names(f"/proc/{engine.pid}/fd"):
        return []
    proc = node.at("/proc")
    own = connections.sockets_of(engine.pid, proc)
    found = {
        (address_of(one.local), one.local_port)
        for one in connections.tcp_sockets(engine.pid, proc)
        if one.state == _LISTEN and one.inode in own
    }
    most = LISTENERS_MAX if engine.is_hosts else OF_OTHERS_MAX
    return sorted(found, key=lambda one: (one[1], str(one[0])))[:most]


def address_of(text: str) -> IPv4Address | IPv6Address:
    """Return an address as net/tcp prints it: words of 32 bits in the order of the host.

    Raises ValueError for another text. An IPv4 address within IPv6 comes as IPv4.
    """
    raw = bytes.fromhex(text)
    words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]
    address = ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _way(
    engine: EngineProcess,
    address: IPv4Address | IPv6Address,
    port: int,
    match: _Configured | None,
    accounts: Accounts,
) -> Way:
    shown = f"[{address}]:{port}" if isinstance(address, IPv6Address) else f"{address}:{port}"
    owner = accounts.names.get(engine.uid, f"uid {engine.uid}") if engine.uid is not None else "?"
    nested = ", in a container" if engine.nested else ""
    process = f"{engine.program} of {owner}{nested}, process {engine.pid}, listens"
    if match is None and not _may_be_api(engine.program, port):
        evidence = f"{shown}, streams or metrics by its defaults ({process})"
        return Way(WayKind.LISTENER, _who(str(address), Demand.UNKNOWN), evidence)
    demand = match.demand if match is not None else Demand.UNKNOWN
    source = f"; {match.where}" if match is not None else "; no file that was read names it"
    evidence = f"{shown}, {demand} ({process}{source})"
    return Way(WayKind.LISTENER, _who(str(address), demand), evidence, grave=engine.is_hosts)


def _may_be_api(program: str, port: int) -> bool:
    """Whether a port may take requests for containers. containerd's only where it is configured."""
    api = PROGRAMS.get(program, (program, "unknown"))[1]
    return api in {"docker", "libpod"} and port not in NO_API_PORTS


def _who(host: str, demand: Demand) -> str:
    if demand is Demand.CERTIFICATE:
        return "holders of a client certificate"
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return "every process of this host" if local else "everyone who reaches the address"


# --------------------------------------------------------------------------- what is configured


def _of_command_line(engine: EngineProcess) -> Iterator[_Configured]:
    """Yield the addresses of ``-H``, ``--host`` and ``podman system service``."""
    where = f"command line of process {engine.pid}"
    arguments = engine.arguments
    verifies = _switch(arguments, "--tlsverify")
    if engine.program == "podman":
        verifies = any(one.startswith("--tls-client-ca") for one in arguments)
    demand = Demand.CERTIFICATE if verifies else Demand.NOTHING
    for place, one in enumerate(arguments):
        value = one.partition("=")[2] if one.startswith(("-H=", "--host=")) else ""
        if one in {"-H", "--host"} and place + 1 < len(arguments):
            value = arguments[place + 1]
        elif one.startswith("tcp:"):
            value = one
        if value.startswith("tcp:"):
            yield _Configured(value, _port_of(value), demand, where)


def _switch(arguments: Sequence[str], name: str) -> bool:
    """Return a switch of Go's flags: the last one counts; ``=0`` and ``=false`` turn it off."""
    found = False
    for one in arguments:
        if one == name or one.startswith(f"{name}="):
            found = one.partition("=")[2].lower() not in {"false", "0", "f"}
    return found


def _of_files(
    node: Node, engine: EngineProcess, read: dict[str, tuple[_Configured, ...]]
) -> tuple[_Configured, ...]:
    """Return the addresses of an engine's configuration file, which is read once."""
    if engine.nested:
        return ()
    if engine.program in _DOCKER:
        path, reader = _option(engine.arguments, "--config-file") or DAEMON_FILE, _of_daemon_file
    elif engine.program in _CONTAINERD:
        named = _option(engine.arguments, "--config") or _option(engine.arguments, "-c")
        path, reader = named or CONTAINERD_FILE, _of_containerd_file
    else:
        return ()
    if path not in read:
        read[path] = tuple(reader(node, path))
    return read[path]


def _option(arguments: Sequence[str], name: str) -> str | None:
    for place, one in enumerate(arguments):
        if one == name and place + 1 < len(arguments):
            return arguments[place + 1]
        if one.startswith(f"{name}="):
            return one.partition("=")[2]
    return None


def _of_daemon_file(node: Node, path: str) -> Iterator[_Configured]:
    text = node.text(path)
    if text is None:
        return
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        node.note(path, "not JSON")
        return
    hosts = settings.get("hosts") if isinstance(settings, dict) else None
    verifies = isinstance(settings, dict) and settings.get("tlsverify") is True
    demand = Demand.CERTIFICATE if verifies else Demand.NOTHING
    for address in hosts if isinstance(hosts, list) else ():
        if isinstance(address, str) and address.startswith("tcp:"):
            yield _Configured(address, _port_of(address), demand, path)


def _of_containerd_file(node: Node, path: str) -> Iterator[_Configured]:
    text = node.text(path)
    if text is None:
        return
    try:
        settings = tomllib.loads(text)
    except (ValueError, RecursionError):
        node.note(path, "not TOML")
        return
    served = settings.get("grpc")
    address = served.get("tcp_address") if isinstance(served, dict) else None
    if isinstance(served, dict) and isinstance(address, str) and address:
        demand = Demand.UNKNOWN if served.get("tcp_tls_cert") else Demand.NOTHING
        yield _Configured(address, _port_of(address), demand, path)


def _port_of(address: str) -> int | None:
    digits = address.rstrip("/").rpartition(":")[2]
    if not digits.isascii() or not digits.isdecimal() or len(digits) > PORT_DIGITS:
        return None
    return int(digits)


def _host_of(address: str) -> str:
    host = address.partition("//")[2] or address.partition(":")[2]
    return host.rstrip("/").rpartition(":")[0].strip("[]") or host
