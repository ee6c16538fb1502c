"""Engines' unix sockets with their modes and owners: at well-known paths, and where they listen."""

from __future__ import annotations

import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sensor.model.access import Way, WayKind
from sensor.sources import connections
from sensor.sources.engines.known import NO_API_NAMES, WELL_KNOWN, is_api

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from sensor.access.accounts import Accounts
    from sensor.access.engines import EngineProcess
    from sensor.access.node import Node

SOCKETS_MAX = 64
"""Sockets of one engine that are listed."""
OF_OTHERS_MAX = 8
"""The same of an engine that is not root's on the host."""

_SOCKET_NAMES = frozenset(path.rpartition("/")[2] for path, _, _ in WELL_KNOWN)


def ways(node: Node, accounts: Accounts, engines: Sequence[EngineProcess] = ()) -> Iterator[Way]:
    """Yield who may use an engine's socket, by its mode."""
    seen: set[tuple[int, int]] = set()
    for path, engine, _ in WELL_KNOWN:
        status = _socket(node, path, seen)
        if status is not None:
            yield from _by_mode(status, f"{path} ({engine})", accounts, grave=True)
    for process in engines:
        yield from _listened(node, process, accounts, seen)


def _listened(
    node: Node, engine: EngineProcess, accounts: Accounts, seen: set[tuple[int, int]]
) -> Iterator[Way]:
    """Yield who may use the sockets that an engine's process listens on."""
    # Its own names count the descriptors, and note where they cannot be read.
    if engine.nested or not node.names(f"/proc/{engine.pid}/fd"):
        return
    proc = node.at("/proc")
    own = connections.sockets_of(engine.pid, proc)
    paths = sorted(
        {
            one.path
            for one in connections.unix_sockets(engine.pid, proc)
            if one.listens and one.inode in own and is_api(one.path)
        }
    )
    for path in paths[: SOCKETS_MAX if engine.is_hosts else OF_OTHERS_MAX]:
        what = f"{path} ({engine.program}, process {engine.pid}, listens)"
        if path.startswith("@"):
            who = "every process of the network namespace"
            yield Way(WayKind.SOCKET, who, f"{what}, abstract: no mode", grave=engine.is_hosts)
            continue
        if not engine.is_hosts:
            # Whose engine it is chose the path: looking there may wait on that user's file system.
            owner = accounts.names.get(engine.uid or 0, f"uid {engine.uid}")
            yield Way(WayKind.SOCKET, owner, f"{what}, mode not read: the path is that user's")
            continue
        status = _socket(node, path, seen)
        if status is not None:
            yield from _by_mode(status, what, accounts, grave=True)


def _socket(node: Node, path: str, seen: set[tuple[int, int]]) -> os.stat_result | None:
    """Return the status of a socket that was not seen before, by whatever path."""
    if ".." in PurePosixPath(path).parts:
        return None
    status = node.status(path)
    if status is None or not stat.S_ISSOCK(status.st_mode):
        return None
    key = status.st_dev, status.st_ino
    if key in seen:
        return None
    seen.add(key)
    return status


def _by_mode(
    status: os.stat_result, what: str, accounts: Accounts, *, grave: bool
) -> Iterator[Way]:
    mode = stat.S_IMODE(status.st_mode)
    evidence = f"{what}, mode {mode:04o}"
    if mode & stat.S_IWOTH:
        yield Way(WayKind.SOCKET, "every user", evidence, grave=grave)
    if mode & stat.S_IWGRP and status.st_gid != 0:
        group = accounts.group(status.st_gid)
        name = group.name if group is not None else f"gid {status.st_gid}"
        members = group.members if group is not None else ()
        if not members:
            yield Way(WayKind.SOCKET, f"group {name}, no members", evidence, grave=grave)
        for member in members:
            yield Way(
                WayKind.SOCKET, member, f"{evidence}, group {name}", grave=grave, login=member
            )
    if status.st_uid != 0 and mode & stat.S_IWUSR:
        owner = accounts.names.get(status.st_uid, f"uid {status.st_uid}")
        yield Way(WayKind.SOCKET, owner, f"{evidence}, owner", grave=grave, login=owner)


def is_engine_socket(path: str) -> bool:
    """Return whether a path is that of an engine's socket, wherever it is mounted."""
    name = path.rpartition("/")[2]
    return name not in NO_API_NAMES and name in _SOCKET_NAMES
