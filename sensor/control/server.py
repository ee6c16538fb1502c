"""The agent's local socket: HTTP/1.1 and JSON, ``curl --unix-socket`` works.

    GET /v1/status   the agent's state (:mod:`sensor.control.status`)
    GET /v1/coverage?since=10m   which layer saw which start (:mod:`sensor.control.coverage`)
    GET /healthz     200 while the event loop turns; says nothing of lost events on purpose

The socket file is made under another name, given its mode and group, and renamed: a client never
meets one that does not answer yet or that lets too many in. Whoever connects is checked again by
the credentials that the kernel gives, so a later chmod by somebody opens nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import grp
import json
import logging
import os
import socket
import stat
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from sensor.control.http import HEAD_LIMIT, Conversation, Request, Response
from sensor.control.peer import peer_of
from sensor.errors import ProbesBusy, StateUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sensor.control.status import Status

GROUP = "castoff"
MODE = 0o660
CLIENTS_LIMIT = 32
"""Connections at once; one more is answered with 503, twice as many are just closed."""
PROBE_SECONDS = 1.0
"""How long an agent that already sits on the socket may take to accept."""

Resource = Callable[[str], bytes]
"""A query string to a JSON document; raises ValueError for a query that makes no sense."""

log = logging.getLogger("castoff.control")


class ControlServer:
    """Serves ``status`` on a unix socket at ``path`` between ``start`` and ``close``.

    ``status`` and the other ``resources`` (by path; given the query string, they return a JSON
    document or raise ValueError for a wrong query) are called in the event loop for each request
    and must not wait. The socket belongs to ``group`` where the host has such a group, else to
    root alone.
    """

    def __init__(
        self,
        path: Path,
        status: Callable[[], Status],
        *,
        resources: Mapping[str, Resource] | None = None,
        group: str | None = GROUP,
    ) -> None:
        self.refused = 0
        self._path = path
        self._resources: dict[str, Resource] = {
            "/v1/status": lambda _: status().to_json(),
            "/healthz": lambda _: b'{"status":"ok"}\n',
            **(resources or {}),
        }
        self._group = group
        self._gid: int | None = None
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make the socket and listen.

        :raises ProbesBusy: another agent answers on it.
        :raises StateUnusable: it cannot be made there.
        """
        listener = self._listen()
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=HEAD_LIMIT)

    async def close(self) -> None:
        """Stop listening, end all connections and remove the socket file if it is still ours."""
        if self._server is not None:
            self._server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            if self._inode == _inode(self._path):
                self._path.unlink()
        self._inode = None

    def _listen(self) -> socket.socket:
        _refuse_occupied(self._path)
        # Short, since a socket's path has 107 bytes at most (unix(7)).
        making = self._path.with_name(f".{os.getpid()}")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._path.parent.mkdir(mode=0o755, exist_ok=True)
            making.unlink(missing_ok=True)
            listener.bind(str(making))
            self._gid = self._hand_to_group(making)
            making.chmod(MODE)
            listener.listen(CLIENTS_LIMIT)
            self._inode = _inode(making)
            making.rename(self._path)
        except OSError as error:
            listener.close()
            raise StateUnusable(
                f"{self._path}: cannot make the socket: {error.strerror or error}",
                "name a writable directory with --socket, or run as root",
            ) from error
        return listener

    def _hand_to_group(self, path: Path) -> int | None:
        """Give the socket to the group; return its gid, or None where root keeps it."""
        if self._group is None:
            return None
        try:
            gid = grp.getgrnam(self._group).gr_gid
            os.chown(path, -1, gid)
        except KeyError:
            log.info("no group %s on this host: the socket is for root alone", self._group)
            return None
        except PermissionError:
            log.warning("may not give the socket to group %s", self._group)
            return None
        return gid

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # asyncio runs every coroutine in a task
            return
        self._clients.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
            log.debug("client went away: %s", error)
        finally:
            self._clients.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = Conversation(reader, writer)
        refusal = self._refusal_of(writer)
        if refusal is not None:
            self.refused += 1
            await conversation.refuse(refusal)
            return
        await conversation.serve(self._answer, _error)

    def _refusal_of(self, writer: asyncio.StreamWriter) -> Response | None:
        """Return the answer for a client that may not ask, None for one that may."""
        if len(self._clients) > CLIENTS_LIMIT:
            log.warning("more than %d clients at once", CLIENTS_LIMIT)
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "too many clients, try again")
        peer = peer_of(writer.get_extra_info("socket"))
        if not peer.may_read(self._gid):
            log.warning("refused pid %d of uid %d", peer.pid, peer.uid)
            return _error(HTTPStatus.FORBIDDEN, "only root and the socket's group may ask")
        log.debug("client pid %d of uid %d", peer.pid, peer.uid)
        return None

    def _answer(self, request: Request) -> Response:
        resource = self._resources.get(request.path)
        if resource is None:
            return _error(HTTPStatus.NOT_FOUND, "no such resource")
        if request.method not in {"GET", "HEAD"}:
            refusal = _error(HTTPStatus.METHOD_NOT_ALLOWED, "this resource can only be read")
            return Response(refusal.status, refusal.body, allow="GET, HEAD")
        try:
            return Response(HTTPStatus.OK, resource(request.query))
        except ValueError as error:
            return _error(HTTPStatus.BAD_REQUEST, str(error))


def _error(status: HTTPStatus, reason: str) -> Response:
    return Response(status, json.dumps({"error": reason}).encode("ascii") + b"\n")


def _inode(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _refuse_occupied(path: Path) -> None:
    """Make sure that nothing of worth stands at the path: only a socket that nobody answers."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise StateUnusable(f"{path}: exists and is no socket", "remove it or name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except TimeoutError:
            pass
        except OSError as error:
            if error.errno in {errno.ECONNREFUSED, errno.ENOENT}:
                return
            raise StateUnusable(f"{path}: {error.strerror}", "name another path") from error
    raise ProbesBusy(
        f"another agent answers on {path}", "stop it first, or name another path with --socket"
    )
