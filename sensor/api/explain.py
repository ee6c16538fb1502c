"""``GET /v1/explain/{id}``: the last start of a container, and the chain of its causes.

Where it never started, the last start that failed.

The container may be gone and forgotten: the log is asked then. A name may have been given again and
again, and the last container that had it is meant. Of a pod or a workload the container that
started last is meant; the others are listed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sensor.api.causes import steps
from sensor.api.containers import ambiguous, as_json, unknown
from sensor.api.eventlog import Cursor, line_of
from sensor.api.reference import called, find, is_group, latest
from sensor.model.vocabulary import EventType
from sensor.store.query import Query

if TYPE_CHECKING:
    from sensor.api.eventlog import EventLog
    from sensor.api.http import Response
    from sensor.api.limits import Limits
    from sensor.api.view import AgentView
    from sensor.api.worker import QueryWorker
    from sensor.store.entry import LogEntry

_STARTS = (frozenset({EventType.START.value}), frozenset({EventType.START_FAILED.value}))
"""What is looked for: a start, else what was to be one."""


_EXPLAINED = frozenset({EventType.START_EXPLAINED.value})

OTHERS_MAX = 64
"""Further containers of the same pod or workload that an answer lists."""

PAGES_MAX = 16
"""Pages of starts that are looked through for a pod or a workload that is forgotten."""


class Explain:
    """Answers for one server."""

    def __init__(self, log: EventLog, view: AgentView, worker: QueryWorker, limits: Limits) -> None:
        self._log = log
        self._view = view
        self._worker = worker
        self._limits = limits

    async def answer(self, reference: str) -> Response:
        """Answer for a container by id, name, or the beginning of one."""
        if not reference:
            return unknown("name a container")
        found = find(self._view.containers(), reference)
        others = [one for one in found if len(found) > 1] if is_group(found, reference) else []
        if others:
            found = [latest(found)]
            others.remove(found[0])
        if len(found) > 1:
            return ambiguous(reference, [(one.id, called(one)) for one in found])
        starts = await self._worker.run(self._starts, found[0].id if found else reference)
        if found:
            starts = {id_: start for id_, start in starts.items() if id_ == found[0].id}
        else:
            starts = _meant(starts, reference) or await self._worker.run(self._of_pod, reference)
        if not starts:
            return unknown(f"no start of a container {reference!r} is in the log")
        if len(starts) > 1:
            known = [(id_, event["container"]["name"]) for id_, (_, event) in starts.items()]
            return ambiguous(reference, known)
        sequence, event = next(iter(starts.values()))
        if (event.get("orchestrator") or {}).get("requested_by") is None:
            event = await self._worker.run(self._explained, event)
        chain = [step.document() for step in steps(event, self._callers(event))]
        cursor = str(Cursor(self._log.stream, sequence))
        listed = [
            {"id": one.id, "name": one.name, "namespace": one.namespace, "pod": one.pod}
            for one in others[:OTHERS_MAX]
        ]
        answer = {"cursor": cursor, "event": event, "steps": chain, "others": listed}
        return as_json(answer | {"inferred_type": self._type(event["container"]["id"])})

    def _type(self, id_: str) -> str | None:
        """Return what a container is within its pod, where only its order there shows that."""
        known = (one for one in self._view.containers() if one.id == id_)
        return next((one.container_type for one in known if one.type_inferred), None)

    def _callers(self, event: dict[str, Any]) -> list[str]:
        """Return this node's containers in the pod whose token made the request."""
        requested = (event.get("orchestrator") or {}).get("requested_by") or {}
        uid = requested.get("pod_uid")
        if not uid:
            return []
        inside = [one for one in self._view.containers() if one.pod_uid == uid and not one.sandbox]
        return [f"{one.pod_container or one.name or '-'} ({one.id})" for one in inside[:OTHERS_MAX]]

    def _explained(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return a start with who asked the control plane for it, where that became known."""
        if not event.get("orchestrator"):
            return event
        id_ = event["container"]["id"]
        for entry in self._log.page(self._newest(_EXPLAINED, container=id_)).entries:
            explained = self._document(entry)
            if explained.get("start_id") == event["id"]:
                return {**event, "orchestrator": explained["orchestrator"]}
        return event

    def _starts(self, reference: str) -> dict[str, tuple[int, dict[str, Any]]]:
        """Return the last start of each container that fits, the latest first."""
        starts: dict[str, tuple[int, dict[str, Any]]] = {}
        for types in _STARTS:
            for entry in self._log.page(self._newest(types, container=reference)).entries:
                event = self._document(entry)
                starts.setdefault(event["container"]["id"], (entry.sequence, event))
            if starts:
                break
        return starts

    def _of_pod(self, reference: str) -> dict[str, tuple[int, dict[str, Any]]]:
        """Return the last start of a pod's or a workload's containers, sandboxes last."""
        before: int | None = None
        sandboxes: dict[str, tuple[int, dict[str, Any]]] = {}
        for _ in range(PAGES_MAX):
            page = self._log.page(self._newest(_STARTS[0], before=before))
            for entry in page.entries:
                event = self._document(entry)
                if not _belongs(event, reference):
                    continue
                found = {event["container"]["id"]: (entry.sequence, event)}
                if not event["container"].get("sandbox"):
                    return found
                sandboxes = sandboxes or found
            if not page.more:
                break
            before = page.cursor
        return sandboxes

    def _newest(
        self, types: frozenset[str], *, container: str | None = None, before: int | None = None
    ) -> Query:
        return Query(
            types=types,
            container=container,
            before=before,
            newest_first=True,
            rows=self._limits.page_rows,
        )

    def _document(self, entry: LogEntry) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(line_of(entry, self._log.stream))
        return document


def _belongs(event: dict[str, Any], reference: str) -> bool:
    """Whether a start is of the pod or the workload that a reference names."""
    pod = event.get("orchestrator") or {}
    namespace, name = pod.get("namespace"), pod.get("pod")
    owner = pod.get("owner") or {}
    kind, workload = owner.get("kind"), owner.get("name")
    called = {name, f"{namespace}/{name}", workload, f"{kind}/{workload}"}
    return reference in called | {f"{namespace}/{workload}", f"{namespace}/{kind}/{workload}"}


def _meant(
    starts: dict[str, tuple[int, dict[str, Any]]], reference: str
) -> dict[str, tuple[int, dict[str, Any]]]:
    """Choose the container of that id, else the last one of that name, else leave all."""
    if reference in starts:
        return {reference: starts[reference]}
    for id_, start in starts.items():
        if start[1]["container"]["name"] == reference:
            return {id_: start}
    return starts
