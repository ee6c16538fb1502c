"""Containers by what people call them: ``/v1/containers``, ``/v1/containers/{id}``.

What a reference means is in :mod:`sensor.api.reference`. What fits several containers is ambiguous
where one is asked for: the answer lists all of them.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sensor.api.eventlog import SHOWN
from sensor.api.http import Response
from sensor.api.query import flag, read_fields
from sensor.api.reference import called, find
from sensor.api.view import document
from sensor.api.wire import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.api.view import AgentView, ContainerView
    from sensor.api.worker import QueryWorker

CANDIDATES_MAX = 20
"""Containers that an ambiguous reference lists."""


def ambiguous(reference: str, found: Sequence[tuple[str, str | None]]) -> Response:
    """Return the answer for a reference that fits several containers, by id and name."""
    answer = {
        "error": f"{reference!r} may be {len(found)} containers",
        "candidates": [{"id": id_, "name": name} for id_, name in found[:CANDIDATES_MAX]],
    }
    return as_json(answer, HTTPStatus.CONFLICT)


def unknown(reason: str) -> Response:
    """Return the answer for what is not known."""
    return as_json({"error": reason}, HTTPStatus.NOT_FOUND)


def as_json(answer: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return an answer with a document on one line of ASCII."""
    return Response(status, encode(answer))


class Containers:
    """Answers for one server."""

    def __init__(self, view: AgentView, worker: QueryWorker) -> None:
        self._view = view
        self._worker = worker

    async def listed(self, query: str) -> Response:
        """Answer ``/v1/containers``: those that run; with ``all=1`` all that are known.

        ``of`` names those that are wanted, whether they run or not.
        """
        fields = read_fields(query, ("all", "of"))
        everything = flag(fields, "all")
        containers = self._view.containers()
        reference = _last(fields.get("of"))
        if reference is not None:
            wanted = find(containers, reference)
            if not wanted:
                return unknown(f"no container, pod or workload {reference[:SHOWN]!r} is known")
        else:
            wanted = [one for one in containers if everything or one.alive]
        return await self._worker.run(_listed, wanted)

    def one(self, reference: str) -> Response:
        """Answer ``/v1/containers/{id}``."""
        found = find(self._view.containers(), reference)
        if not found:
            return unknown(f"no container {reference!r} is known")
        if len(found) > 1:
            return ambiguous(reference, [(one.id, called(one)) for one in found])
        return as_json(document(found[0]))

    async def whois(self, text: str) -> Response:
        """Answer ``/v1/whois/{pid}``."""
        pid = int(text) if text.isascii() and text.isdecimal() and len(text) <= PID_DIGITS else 0
        if not pid:
            message = f"{text!r} is not a process id"
            raise ValueError(message)
        try:
            member = await self._worker.run(self._view.container_of, pid)
        except ProcessLookupError:
            return unknown(f"no process {pid}")
        if member is None:
            return as_json({"pid": pid, "container": None, "parents": [], "cgroup": None})
        found = [one for one in self._view.containers() if one.id == member.container]
        alive = [one for one in found if one.alive] or found
        described = document(alive[-1]) if alive else {"id": member.container}
        return as_json(
            {"pid": pid, "container": described, "parents": member.parents, "cgroup": member.cgroup}
        )


PID_DIGITS = 10


def _last(values: Sequence[str] | None) -> str | None:
    return values[-1] if values else None


def _listed(containers: Sequence[ContainerView]) -> Response:
    return as_json({"containers": [document(one) for one in containers]})
