"""What can be asked, by path.

===========================  =============================================
``/v1/events``               :mod:`sensor.api.events`
``/v1/containers[/{id}]``    :mod:`sensor.api.containers`
``/v1/explain/{id}``         :mod:`sensor.api.explain`
``/v1/whois/{pid}``          :mod:`sensor.api.containers`
``/v1/outputs[/{name}/…]``   :mod:`sensor.api.deliveries`
``/v1/workloads``            :mod:`sensor.api.judgement`
``/v1/policy``               likewise
``/v1/changes[/{id}/end]``   likewise
``/v1/alerts[/{id}/…]``      :mod:`sensor.api.alerts`
``/v1/baseline[/forget]``    likewise
``/v1/status``               :mod:`sensor.api.status`
``/v1/coverage``             :mod:`sensor.api.coverage`
``/v1/openapi.json``         all of this, for programs
``/metrics``                 :mod:`sensor.api.metrics`
``/healthz``                 200 while the event loop turns and the probes are
                             attached, else 503; on purpose it says nothing of
                             lost events
===========================  =============================================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sensor.api import alerts, deliveries, judgement
from sensor.api.containers import Containers, as_json
from sensor.api.events import Events
from sensor.api.explain import Explain
from sensor.api.http import Response
from sensor.api.metrics import CONTENT_TYPE, exposition
from sensor.api.query import read_fields
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from sensor.api.deliveries import Deliveries
    from sensor.api.eventlog import EventLog
    from sensor.api.followers import Followers
    from sensor.api.http import Answer, HttpRequest
    from sensor.api.judgement import JudgeView
    from sensor.api.status import AgentStatus
    from sensor.api.view import AgentView
    from sensor.api.worker import QueryWorker
    from sensor.linux.peer import Peer

Resource = Callable[[str], bytes]
"""A query string to a JSON document; raises ValueError for a query that makes no sense."""

OPENAPI = Path(__file__).with_name("openapi.json")
REFERENCE_MAX = 256
"""Characters of an id or name in a path."""


class Resources:
    """Dispatches the requests of one server."""

    def __init__(
        self,
        status: Callable[[], AgentStatus],
        others: Mapping[str, Resource],
        view: AgentView | None,
        log: EventLog | None,
        followers: Followers,
        worker: QueryWorker,
        own_metrics: Callable[[], Mapping[str, tuple[str, str, float]]],
        outputs: Deliveries | None = None,
        *,
        judged: JudgeView | None = None,
    ) -> None:
        self._deliveries = outputs
        self._judgement = judged
        self._status = status
        self._view = view
        self._own_metrics = own_metrics
        self._documents: dict[str, Resource] = {
            "/v1/status": _plain(lambda: status().to_json()),
            "/v1/openapi.json": _plain(OPENAPI.read_bytes),
            deliveries.PATH: lambda query: deliveries.listed(outputs, query),
            **{
                path: partial(judgement.listed, judged, path)
                for path in (judgement.WORKLOADS, judgement.POLICY, judgement.CHANGES)
            },
            **{
                path: partial(alerts.listed, judged, path)
                for path in (alerts.ALERTS, alerts.BASELINE)
            },
            "/healthz": _plain(lambda: b'{"status":"ok"}\n'),
            **others,
        }
        self._events = Events(log, followers, worker, time.time_ns)
        self._containers = Containers(view, worker) if view is not None else None
        self._explain = (
            Explain(log, view, worker, followers.limits)
            if log is not None and view is not None
            else None
        )

    async def answer(self, request: HttpRequest, peer: Peer | None = None) -> Answer:
        """Answer a request of a peer, be it with what is wrong with it."""
        try:
            if judgement.is_command(request.path, request.method):
                answered = self._command_judge(request, peer)
                if self._judgement is not None:
                    answered = await judgement.looked_back(self._judgement, request.path, answered)
                return await self._kept(answered)
            if alerts.action_of(request.path) is not None:
                return await self._kept(self._command_alerts(request, peer))
            if deliveries.action_of(request.path) is not None:
                return await self._tell(request, peer)
            answer = await self._find(request.path, request.query, request.method)
        except ValueError as reason:
            return error(HTTPStatus.BAD_REQUEST, str(reason))
        except CastoffError as reason:
            return error(HTTPStatus.SERVICE_UNAVAILABLE, reason.problem)
        return answer

    async def _kept(self, answer: Response) -> Response:
        """Return an answer of the judge once what it reports is on disk."""
        if answer.status != HTTPStatus.OK or self._judgement is None:
            return answer
        if await self._judgement.durable():
            return answer
        reason = "taken, but not on disk yet: a kill of the agent may undo it. See castoff status"
        return error(HTTPStatus.SERVICE_UNAVAILABLE, reason)

    async def _find(self, path: str, query: str, method: str) -> Answer:
        head, _, last = path.rpartition("/")
        known = path in self._documents or path in _EXACT or head in _PREFIXES
        if not known:
            return error(HTTPStatus.NOT_FOUND, "no such resource")
        if method not in {"GET", "HEAD"}:
            refusal = error(HTTPStatus.METHOD_NOT_ALLOWED, "this resource can only be read")
            return Response(refusal.status, refusal.body, allow="GET, HEAD")
        if path in self._documents:
            return Response(HTTPStatus.OK, self._documents[path](query))
        if path == "/v1/events":
            return await self._events.answer(query)
        if path == "/metrics":
            return self._metrics(query)
        return await self._of_containers(path, head, last, query)

    async def _tell(self, request: HttpRequest, peer: Peer | None) -> Answer:
        if request.method != "POST":
            refusal = error(HTTPStatus.METHOD_NOT_ALLOWED, "this resource takes POST")
            return Response(refusal.status, refusal.body, allow="POST")
        return await deliveries.command(self._deliveries, request, peer)

    def _command_alerts(self, request: HttpRequest, peer: Peer | None) -> Response:
        if request.method != "POST":
            refusal = error(HTTPStatus.METHOD_NOT_ALLOWED, "this resource takes POST")
            return Response(refusal.status, refusal.body, allow="POST")
        return alerts.command(self._judgement, request, peer)

    def _command_judge(self, request: HttpRequest, peer: Peer | None) -> Response:
        if request.method != "POST":
            refusal = error(HTTPStatus.METHOD_NOT_ALLOWED, "this resource takes POST")
            ends = judgement.ended_id(request.path) is not None
            return Response(
                refusal.status, refusal.body, allow="POST" if ends else "GET, HEAD, POST"
            )
        return judgement.command(self._judgement, request, peer)

    async def _of_containers(self, path: str, head: str, last: str, query: str) -> Answer:
        containers = self._containers
        if containers is None:
            return error(HTTPStatus.SERVICE_UNAVAILABLE, "this agent shows no containers")
        if path == "/v1/containers":
            return await containers.listed(query)
        reference = unquote(last, errors="strict")
        if len(reference) > REFERENCE_MAX:
            message = f"more than {REFERENCE_MAX} characters are not an id or name"
            raise ValueError(message)
        read_fields(query, ())
        if head == "/v1/whois":
            return await containers.whois(reference)
        if head == "/v1/containers":
            return containers.one(reference)
        if self._explain is None:
            return error(HTTPStatus.SERVICE_UNAVAILABLE, "this agent keeps no event log")
        return await self._explain.answer(reference)

    def _metrics(self, query: str) -> Response:
        read_fields(query, ())
        events = self._view.event_counts() if self._view is not None else ()
        judged = self._judgement.counts() if self._judgement is not None else ()
        text = exposition(self._status(), events, self._own_metrics(), judged)
        return Response(HTTPStatus.OK, text, CONTENT_TYPE)


_EXACT = frozenset({"/v1/events", "/v1/containers", "/metrics"})
_PREFIXES = frozenset({"/v1/containers", "/v1/explain", "/v1/whois"})


def error(status: HTTPStatus, reason: str) -> Response:
    """Return an answer that says what is wrong."""
    return as_json({"error": reason}, status)


def _plain(make: Callable[[], bytes]) -> Resource:
    """Return a resource that takes no parameters."""

    def resource(query: str) -> bytes:
        read_fields(query, ())
        return make()

    return resource
