"""Containers by what people call them: ``/v1/containers``, ``/v1/containers/{id}``.

A reference means, in this order: the whole id, the whole name, the beginning of an id or a name.
Several containers may have had one name, so that the one which runs is meant. What still fits
several is ambiguous: the answer lists all of them.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sensor.api.http import Response
from sensor.api.query import flag, read_fields
from sensor.api.view import document
from sensor.api.wire import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.api.view import AgentView, ContainerView
    from sensor.api.worker import Worker

CANDIDATES_MAX = 20
"""Containers that an ambiguous reference lists."""


def find(containers: Sequence[ContainerView], reference: str) -> list[ContainerView]:
    """Return the containers that a reference may mean: none, the one, or several."""
    if not reference:
        return []
    exact = [one for one in containers if one.id == reference]
    exact = exact or [one for one in containers if one.name == reference]
    found = exact or [
        one
        for one in containers
        if one.id.startswith(reference) or (one.name or "").startswith(reference)
    ]
    alive = [one for one in found if one.alive]
    return alive if exact and len(alive) == 1 else found


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

    def __init__(self, view: AgentView, worker: Worker) -> None:
        self._view = view
        self._worker = worker

    async def listed(self, query: str) -> Response:
        """Answer ``/v1/containers``: those that run; with ``all=1`` all that are known."""
        everything = flag(read_fields(query, ("all",)), "all")
        containers = self._view.containers()
        wanted = [one for one in containers if everything or one.alive]
        return await self._worker.run(_listed, wanted)

    def one(self, reference: str) -> Response:
        """Answer ``/v1/containers/{id}``."""
        found = find(self._view.containers(), reference)
        if not found:
            return unknown(f"no container {reference!r} is known")
        if len(found) > 1:
            return ambiguous(reference, [(one.id, one.name) for one in found])
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


def _listed(containers: Sequence[ContainerView]) -> Response:
    return as_json({"containers": [document(one) for one in containers]})
