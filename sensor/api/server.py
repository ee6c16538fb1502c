"""The agent's local socket: HTTP/1.1 and JSON, ``curl --unix-socket`` works.

The kernel's credentials of each client are checked, so a later chmod of the socket
opens nothing. What can be asked stands in :mod:`sensor.api.resources` and, with all
fields, in ``openapi.json``.
"""

from __future__ import annotations

import asyncio
import logging
import os
from http import HTTPStatus
from typing import TYPE_CHECKING

from sensor.api.followers import Followers
from sensor.api.http import HEAD_LIMIT, Answer, Conversation, HttpRequest, Response
from sensor.api.limits import LIMITS, Limits
from sensor.api.listener import GROUP, Listener, listen, regrouped
from sensor.api.resources import Resource, Resources, error
from sensor.api.worker import QueryWorker
from sensor.linux.peer import Peer, peer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sensor.api.deliveries import Deliveries
    from sensor.api.eventlog import EventLog
    from sensor.api.judgement import JudgeView
    from sensor.api.status import AgentStatus
    from sensor.api.view import AgentView

CLIENTS_LIMIT = LIMITS.clients

log = logging.getLogger("castoff.control")


class ControlServer:
    """Serves an agent on a unix socket at ``path`` between ``start`` and ``close``.

    ``status`` and the other ``resources`` (by path; given the query string, they return a JSON
    document or raise ValueError for a wrong query) are called in the event loop for each request
    and must not wait. Without a ``view`` or a ``log`` the resources that need one answer 503. The
    socket belongs to ``group`` where the host has such a group, else to root alone.
    """

    def __init__(
        self,
        path: Path,
        status: Callable[[], AgentStatus],
        *,
        resources: Mapping[str, Resource] | None = None,
        view: AgentView | None = None,
        log: EventLog | None = None,
        deliveries: Deliveries | None = None,
        judgement: JudgeView | None = None,
        group: str | None = GROUP,
        limits: Limits = LIMITS,
    ) -> None:
        self.refused = 0
        """Connections that were refused: too many, or without the right."""
        self.closed_unheard = 0
        """Connections far beyond the limit, closed without an answer."""
        self.requests = 0
        self._path = path
        self._group = group
        self._limits = limits
        self._worker = QueryWorker()
        self._followers = Followers(limits, log)
        self._resources = Resources(
            status,
            resources or {},
            view,
            log,
            self._followers,
            self._worker,
            self._own_metrics,
            deliveries,
            judged=judgement,
        )
        self._listener: Listener | None = None
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take over or make the socket and listen.

        :raises ProbesBusy: another agent answers on it.
        :raises StateUnusable: it cannot be made there.
        """
        self._listener = listen(self._path, self._group, os.environ)
        self._server = await asyncio.start_unix_server(
            self._accept, sock=self._listener.socket, limit=HEAD_LIMIT
        )

    def hand_to_group(self, group: str | None) -> None:
        """Give the socket to another group; connections that were let in stay."""
        if self._listener is not None:
            self._listener = regrouped(self._listener, group)

    async def close(self) -> None:
        """Stop listening, end all connections and remove the socket file if it is still ours."""
        if self._server is not None:
            self._server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        self._worker.close()
        if self._listener is not None:
            self._listener.remove()
            self._listener = None

    @property
    def following(self) -> int:
        """How many clients follow events."""
        return len(self._followers)

    def publish(self, sequence: int, line: Callable[[], bytes]) -> None:
        """Hand an event to those who follow, after it was given its sequence.

        ``line`` encodes the event's JSON line; it is called at most once, and only when a client
        follows.
        """
        self._followers.publish(sequence, line)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= 2 * self._limits.clients:
            self.closed_unheard += 1
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (ConnectionError, TimeoutError, EOFError, asyncio.LimitOverrunError) as reason:
            log.debug("client went away: %s", reason)
            # What it did not read must not wait for it here.
            writer.transport.abort()
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = Conversation(reader, writer)
        peer = peer_of(writer.get_extra_info("socket"))
        refusal = self._refusal_of(peer)
        if refusal is not None:
            self.refused += 1
            await conversation.refuse(refusal)
            return
        await conversation.serve(lambda request: self._answer(request, peer), error)

    def _refusal_of(self, peer: Peer) -> Response | None:
        """Return the answer for a client that may not ask, None for one that may."""
        if len(self._clients) > self._limits.clients:
            if len(self._clients) == self._limits.clients + 1:
                log.warning("more than %d clients at once", self._limits.clients)
            return error(HTTPStatus.SERVICE_UNAVAILABLE, "too many clients, try again")
        if not peer.may_read(self._listener.gid if self._listener is not None else None):
            log.warning("refused pid %d of uid %d", peer.pid, peer.uid)
            return error(HTTPStatus.FORBIDDEN, "only root and the socket's group may ask")
        log.debug("client pid %d of uid %d", peer.pid, peer.uid)
        return None

    async def _answer(self, request: HttpRequest, peer: Peer) -> Answer:
        self.requests += 1
        return await self._resources.answer(request, peer)

    def _own_metrics(self) -> dict[str, tuple[str, str, float]]:
        return {
            "castoff_control_clients": ("gauge", "Connections.", len(self._clients)),
            "castoff_control_followers": ("gauge", "Clients that follow.", len(self._followers)),
            "castoff_control_followers_cut": (
                "counter",
                "Followers that were too slow.",
                self._followers.cut,
            ),
            "castoff_control_requests": ("counter", "Requests.", self.requests),
            "castoff_control_refused": (
                "counter",
                "Connections that were refused.",
                self.refused + self.closed_unheard,
            ),
        }
