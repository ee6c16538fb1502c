"""Alerts and the baseline, over the socket.

=====================================  ====================================================
``GET  /v1/alerts``                    every alert that is remembered, as it stands
``POST /v1/alerts/{id}/ack``           ``{"reason": …, "expected": true}``
``POST /v1/alerts/{id}/suppress``      ``{"reason": …, "for_seconds": …}``, at most 90 days
``GET  /v1/baseline``                  what the node has learnt; ``logins=1`` with people
``POST /v1/baseline/forget``           ``{"profile": …}`` or ``{"feature": …, "value": …}``
=====================================  ====================================================

Every user of the socket may read; root alone may do the rest. An id may be the beginning of one.
A POST is answered when what it did is on disk.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from sensor.api.containers import as_json
from sensor.api.query import read_fields
from sensor.judge.findings.registry import KINDS
from sensor.linux.process import login_uid
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from sensor.api.http import HttpRequest, Response
    from sensor.judge.alert_row import AlertEntry
    from sensor.linux.peer import Peer

ALERTS = "/v1/alerts"
BASELINE = "/v1/baseline"
FORGET = f"{BASELINE}/forget"
ACTIONS = ("ack", "suppress")
REASON_MAX = 500
SUPPRESS_MAX = 90 * 86_400
"""Seconds."""


class AlertKeeper(Protocol):
    """The agent's alerts and baseline, as the socket sees them."""

    def alerts(self) -> tuple[tuple[str, AlertEntry], ...]:
        """Return group and alert, the latest first."""

    def acknowledge(
        self, id_: str, reason: str, by: tuple[int | None, int], *, expected: bool
    ) -> AlertEntry | None:
        """Acknowledge an alert; with ``expected`` what it is about is learnt."""

    def suppress(
        self, id_: str, reason: str, seconds: int, by: tuple[int | None, int]
    ) -> AlertEntry | None:
        """Keep an alert's group silent for so long."""

    async def durable(self) -> bool:
        """Wait until what was said so far is on disk; False when the disk takes too long."""

    def baseline(self, *, logins: bool) -> dict[str, object]:
        """Return header and rows of what the node has learnt."""

    def forget(self, what: dict[str, str], by: tuple[int | None, int]) -> bool:
        """Forget a profile or a value; False where there is not one."""


def listed(keeper: AlertKeeper | None, path: str, query: str) -> bytes:
    """Return the document of a resource that is read; raises ValueError for a wrong query."""
    if path == BASELINE:
        fields = read_fields(query, ("logins",))
        logins = fields.get("logins", ["0"])[-1] if fields else "0"
        if logins not in {"0", "1"}:
            message = "logins is 0 or 1"
            raise ValueError(message)
        found = keeper.baseline(logins=logins == "1") if keeper is not None else {}
        return as_json(found or {"header": None, "rows": []}).body
    read_fields(query, ())
    alerts = keeper.alerts() if keeper is not None else ()
    return as_json({"alerts": [alert(group, entry) for group, entry in alerts]}).body


def action_of(path: str) -> tuple[str, str] | None:
    """Return action and alert that a path asks for; ``forget`` without an alert."""
    if path == FORGET:
        return "forget", ""
    head, _, action = path.rpartition("/")
    parent, _, id_ = head.rpartition("/")
    return (action, unquote(id_)) if parent == ALERTS and action in ACTIONS and id_ else None


def command(keeper: AlertKeeper | None, request: HttpRequest, peer: Peer | None) -> Response:
    """Answer a POST; raises ValueError for a wrong query or body."""
    read_fields(request.query, ())
    if peer is None or not peer.may_control():
        return _error(HTTPStatus.FORBIDDEN, "only root may acknowledge, suppress or forget")
    if keeper is None:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, "this agent has no judge")
    action = action_of(request.path)
    by = login_uid(peer.pid), peer.uid
    body = _body(request.body)
    if action is None or action[0] == "forget":
        names: tuple[str, ...] = ("profile", "feature", "value")
        what = {key: _text(body, key) for key in names if key in body}
        if not ("profile" in what or {"feature", "value"} <= set(what)):
            message = "give profile, or feature and value"
            raise ValueError(message)
        if not keeper.forget(what, by):
            fix = "See castoff baseline show."
            return _error(HTTPStatus.NOT_FOUND, "nothing of that is known", fix)
        return as_json({"forgotten": what})
    reason = _text(body, "reason")[:REASON_MAX]
    if action[0] == "ack":
        expected = body.get("expected", False)
        if expected not in (True, False):
            message = "expected is true or false"
            raise ValueError(message)
        entry = keeper.acknowledge(action[1], reason, by, expected=expected is True)
    else:
        seconds = body.get("for_seconds")
        if type(seconds) is not int or not 0 < seconds <= SUPPRESS_MAX:
            message = f"for_seconds is 1 to {SUPPRESS_MAX}"
            raise ValueError(message)
        entry = keeper.suppress(action[1], reason, seconds, by)
    if entry is None:
        problem = f"no alert {action[1][:64]!r}, or several begin so"
        return _error(HTTPStatus.NOT_FOUND, problem, "See castoff alerts list --all.")
    return as_json(alert(None, entry))


def alert(group: str | None, entry: AlertEntry) -> dict[str, object]:
    """Return an alert as it stands."""
    kind = KINDS[entry.finding]
    return {
        "id": entry.id,
        "finding": entry.finding,
        "title": kind.title,
        "class": kind.class_,
        "severity": entry.severity,
        "state": entry.state,
        "group": group,
        "start": entry.start,
        "workload": entry.workload,
        "count": entry.count,
        "first": rfc3339(entry.first),
        "last": rfc3339(entry.last),
        "facts": [
            {
                "feature": fact.feature,
                "expected": fact.expected,
                "seen": fact.seen,
                "level": fact.level,
                "strength": fact.strength,
            }
            for fact in entry.facts
        ],
        "attack": list(kind.techniques),
        "held_back": len(entry.terms),
        "by": entry.by,
        "reason": entry.reason,
        "until": rfc3339(entry.until),
    }


def _body(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    message = "the body is not a JSON object"
    raise ValueError(message)


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if isinstance(value, str) and value.strip():
        return value
    message = f"{key} is missing or not a text"
    raise ValueError(message)


def _error(status: HTTPStatus, problem: str, fix: str | None = None) -> Response:
    return as_json({"error": problem} | ({"fix": fix} if fix is not None else {}), status)
