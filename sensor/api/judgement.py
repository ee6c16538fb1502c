"""What the judge knows, over the socket: workloads, policy, approved changes.

=====================================  ====================================================
``GET  /v1/workloads``                 every workload that is remembered
``GET  /v1/policy``                    which policy is in force, and why not another
``GET  /v1/changes``                   approved changes, with what became of each
``POST /v1/changes``                   record a change: a JSON object of at most 16 KiB
``POST /v1/changes/{id}/end``          end one
=====================================  ====================================================

Every user of the socket may read; only root may record or end a change. The kernel names the peer
that did: by its login uid (``/proc/PID/loginuid``), else by its account. A POST is answered when
what it did is on disk.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from sensor.api.alerts import AlertKeeper
from sensor.api.containers import as_json
from sensor.api.query import read_fields
from sensor.errors import CastoffError
from sensor.linux.process import login_uid
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from sensor.api.http import HttpRequest, Response
    from sensor.judge.ledger import ChangeEntry
    from sensor.judge.origin import WorkloadRecord
    from sensor.judge.state import PolicyState
    from sensor.linux.peer import Peer

WORKLOADS = "/v1/workloads"
POLICY = "/v1/policy"
CHANGES = "/v1/changes"
END = "end"


class JudgeView(AlertKeeper, Protocol):
    """The agent's judge, as the socket sees it. Called in the event loop."""

    def policy_state(self) -> PolicyState:
        """Return which policy is in force."""

    def workloads(self) -> tuple[tuple[str, WorkloadRecord], ...]:
        """Return the workloads that are remembered, the latest first."""

    def changes(self) -> tuple[ChangeEntry, ...]:
        """Return the changes with what became of them."""

    def add_change(self, body: bytes, login: int | None, uid: int) -> ChangeEntry | None:
        """Record a change. Raises ConfigError."""

    async def look_back(self, id_: str) -> ChangeEntry | None:
        """Acknowledge the open alerts of earlier starts that a change covers; return the change."""

    def end_change(self, id_: str, login: int | None, uid: int) -> bool:
        """End a change; False if it does not go on."""

    def counts(self) -> tuple[tuple[str, str, int], ...]:
        """Return starts by explanation and by finding, as (kind, name, number)."""


def listed(judgement: JudgeView | None, path: str, query: str) -> bytes:
    """Return the document of a resource that is read; raises ValueError for a wrong query."""
    read_fields(query, ())
    if path == WORKLOADS:
        found = judgement.workloads() if judgement is not None else ()
        return as_json({"workloads": [workload(key, record) for key, record in found]}).body
    if path == CHANGES:
        entries = judgement.changes() if judgement is not None else ()
        return as_json({"changes": [change(entry) for entry in entries]}).body
    state = asdict(judgement.policy_state()) if judgement is not None else None
    return as_json({"policy": state}).body


def is_command(path: str, method: str) -> bool:
    """Whether a request is for the judge and more than reading."""
    return ended_id(path) is not None or (path == CHANGES and method not in {"GET", "HEAD"})


def ended_id(path: str) -> str | None:
    """Return the change that a path asks to end."""
    head, _, action = path.rpartition("/")
    parent, _, id_ = head.rpartition("/")
    return unquote(id_) if parent == CHANGES and action == END and id_ else None


def command(judgement: JudgeView | None, request: HttpRequest, peer: Peer | None) -> Response:
    """Answer a POST; raises ValueError for a wrong query."""
    read_fields(request.query, ())
    if peer is None or not peer.may_control():
        return _error(HTTPStatus.FORBIDDEN, "only root may record or end changes")
    if judgement is None:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, "this agent has no judge")
    login = login_uid(peer.pid)
    id_ = ended_id(request.path)
    if id_ is not None:
        if not judgement.end_change(id_, login, peer.uid):
            problem = f"no change {id_[:64]!r} goes on"
            return _error(HTTPStatus.NOT_FOUND, problem, "See castoff change list.")
        return as_json({"id": id_, "state": "ended"})
    try:
        entry = judgement.add_change(request.body, login, peer.uid)
    except CastoffError as error:
        return _error(HTTPStatus.BAD_REQUEST, error.problem, error.fix)
    return as_json(change(entry) if entry is not None else {})


async def looked_back(judgement: JudgeView, path: str, answer: Response) -> Response:
    """Return the answer to an added change with what it acknowledged of before."""
    if path != CHANGES or answer.status != HTTPStatus.OK:
        return answer
    entry = await judgement.look_back(str(json.loads(answer.body)["id"]))
    return answer if entry is None else as_json(change(entry))


def change(entry: ChangeEntry) -> dict[str, object]:
    """Return a change and what became of it as a document."""
    one, usage = entry.change, entry.usage
    return {
        "id": one.id,
        "state": entry.state,
        "by": one.by,
        "reason": one.reason,
        "url": one.url,
        "selector": one.selector.written(),
        "not_before": rfc3339(one.not_before),
        "not_after": rfc3339(one.not_after),
        "max_starts": one.max_starts,
        "allows": [glob.pattern for glob in one.allows],
        "wide": entry.wide,
        "origin": one.origin,
        "added": rfc3339(one.added),
        "added_by": one.added_by,
        "added_by_uid": one.added_by_uid,
        "starts": usage.starts,
        "late_starts": usage.late_starts,
        "late_alerts": usage.late_alerts,
        "first": rfc3339(usage.first),
        "last": rfc3339(usage.last),
        "ended": rfc3339(usage.ended),
        "ended_by": usage.ended_by,
    }


def workload(key: str, record: WorkloadRecord) -> dict[str, object]:
    """Return a workload as a document. A pod's containers have rows of their own."""
    name, _, container = key.partition("#")
    return {
        "workload": name,
        "container": container or None,
        "image": record.image,
        "starts": record.starts,
        "explained": record.explained,
        "expected": record.expected,
        "explanation": record.explanation,
        "basis": record.origin.basis,
        "privileges": sorted(record.origin.atoms),
        "first": rfc3339(record.first),
        "last": rfc3339(record.last),
    }


def _error(status: HTTPStatus, problem: str, fix: str | None = None) -> Response:
    return as_json({"error": problem} | ({"fix": fix} if fix is not None else {}), status)
