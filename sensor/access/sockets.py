"""Engines' sockets with their modes and owners, and engines that listen on the network."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

from sensor.model.access import Way, WayKind
from sensor.sources.engines.known import NO_API_NAMES, WELL_KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.access.accounts import Accounts
    from sensor.access.node import Node

DAEMON_FILE = "/etc/docker/daemon.json"
_ENGINES = frozenset({"dockerd", "podman", "containerd", "balenad", "crio"})
_TLS = ("--tlsverify", "--tlsverify=true", "--tlsverify=1")


def ways(node: Node, accounts: Accounts) -> Iterator[Way]:
    """Yield who may use an engine's socket, by its mode, and network listeners."""
    for path, engine, _ in WELL_KNOWN:
        status = node.status(path)
        if status is None or not stat.S_ISSOCK(status.st_mode):
            continue
        mode = stat.S_IMODE(status.st_mode)
        evidence = f"{path} ({engine}), mode {mode:04o}"
        if mode & stat.S_IWOTH:
            yield Way(WayKind.SOCKET, "every user", evidence, grave=True)
        if mode & stat.S_IWGRP and status.st_gid != 0:
            group = accounts.group(status.st_gid)
            name = group.name if group is not None else f"gid {status.st_gid}"
            members = group.members if group is not None else ()
            if not members:
                yield Way(WayKind.SOCKET, f"group {name}, no members", evidence, grave=True)
            for member in members:
                yield Way(
                    WayKind.SOCKET, member, f"{evidence}, group {name}", grave=True, login=member
                )
        if status.st_uid != 0 and mode & stat.S_IWUSR:
            owner = accounts.names.get(status.st_uid, f"uid {status.st_uid}")
            yield Way(WayKind.SOCKET, owner, f"{evidence}, owner", grave=True, login=owner)
    yield from _listeners(node)


def _listeners(node: Node) -> Iterator[Way]:
    """Yield addresses that engines are configured to listen on: daemon.json and command lines."""
    seen: set[str] = set()
    text = node.text(DAEMON_FILE)
    if text is not None:
        yield from _from_file(node, text, seen)
    for pid in node.names("/proc"):
        if not pid.isdecimal():
            continue
        raw = node.text(f"/proc/{pid}/cmdline")
        arguments = (raw or "").split("\0")
        if arguments[0].rpartition("/")[2] not in _ENGINES:
            continue
        verified = any(one in _TLS for one in arguments)
        for address in _hosts(arguments):
            if address not in seen:
                seen.add(address)
                yield _listener(address, f"command line of process {pid}", verified=verified)


def _from_file(node: Node, text: str, seen: set[str]) -> Iterator[Way]:
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        node.note(DAEMON_FILE, "not JSON")
        return
    hosts = settings.get("hosts") if isinstance(settings, dict) else None
    for address in hosts if isinstance(hosts, list) else ():
        if isinstance(address, str) and address.startswith("tcp://"):
            seen.add(address)
            verified = settings.get("tlsverify") is True
            yield _listener(address, DAEMON_FILE, verified=verified)


def _hosts(arguments: list[str]) -> Iterator[str]:
    """Yield the network addresses of ``-H``, ``--host`` and ``podman system service``."""
    for place, one in enumerate(arguments):
        value = one.partition("=")[2] if one.startswith(("-H=", "--host=")) else ""
        if one in {"-H", "--host"} and place + 1 < len(arguments):
            value = arguments[place + 1]
        elif one.startswith("tcp:"):
            value = one
        if value.startswith("tcp:"):
            yield value


def _listener(address: str, where: str, *, verified: bool) -> Way:
    local = address.startswith(("tcp://127.", "tcp://localhost", "tcp:127.", "tcp://[::1]"))
    who = "every process of this host" if local else "everyone who reaches the address"
    if verified:
        who = "holders of a client certificate"
    asks = "asks for client certificates" if verified else "asks for nothing"
    return Way(WayKind.LISTENER, who, f"{address}, {asks} ({where})", grave=True)


def is_engine_socket(path: str) -> bool:
    """Return whether a path is that of an engine's socket, wherever it is mounted."""
    name = path.rpartition("/")[2]
    return name not in NO_API_NAMES and name in _SOCKET_NAMES


_SOCKET_NAMES = frozenset(path.rpartition("/")[2] for path, _, _ in WELL_KNOWN)
