"""The messages of Docker's Engine API, which Podman serves, too; pure, no I/O.

``GET /events`` streams events, ``GET /containers/json`` lists containers.

Facts (API 1.41, Docker 20.10; Podman 4.3; both tried):

- the head of the answer to ``/events`` comes at once, the events as JSON objects, one a line;
- ``since`` repeats older events: Docker has the last 256 in memory, Podman all in its log;
- Docker reports ``restart`` after the ``start`` that it made, Podman before the ``stop``;
- Podman says ``remove`` for ``destroy``, in its own API ``died`` for ``die``, and ``restore`` for a
  start from a checkpoint;
- a container's labels stand among an event's attributes. In Docker a label called ``exitCode``
  replaces the true one; ``name`` and ``image`` cannot be forged that way;
- the list goes on calling a container running for some milliseconds after its ``die`` event;
- a start that fails for want of its program reports ``create`` and ``destroy``, no ``start``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from sensor.model.vocabulary import ContainerId, Witness
from sensor.model.witness_records import EngineEvent
from sensor.sources.engines.session import TEXT_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTAINERS_MAX = 10_000
"""Containers of one list that are reported, at most."""

LABELS_MAX = 32
"""Compose labels of one container that are reported, at most."""

_OVERLAP_NS = 1_000_000
"""How far back a new subscription asks: Podman reads ``since`` as a float, which is 0.2 us off."""

_COMPOSE = "com.docker.compose."
_NS_PER_SECOND = 1_000_000_000
_ID = re.compile(r"[0-9a-f]{64}")
_ACTIONS = {
    "create": "create",
    "start": "start",
    "restore": "start",
    "die": "die",
    "died": "die",
    "destroy": "destroy",
    "remove": "destroy",
    "restart": "restart",
    "pause": "pause",
    "unpause": "unpause",
    "rename": "rename",
}
_FOLLOWED = ("start", "restart", "die", "pause", "unpause", "restore", "rename")
"""What a subscription to Docker is about: the rest that it reports is on its disk."""

_UP = frozenset({"running", "paused"})


class Malformed(ValueError):
    """What the engine sent does not follow its own API."""


def decode_event(line: bytes, witness: Witness, time: int) -> EngineEvent | None:
    """Read one line of ``/events``; None when it is of no interest here.

    :raises Malformed: it is not an event of a container.
    """
    event = _object(_json(line))
    if event.get("Type") != "container":
        return None
    action = _ACTIONS.get(str(event.get("Action")))
    if action is None:
        return None
    actor = _object(event.get("Actor"))
    attributes = _object(actor.get("Attributes"))
    wall = event.get("timeNano")
    code = attributes.get("exitCode") if action == "die" else None
    return EngineEvent(
        time=time,
        engine_wall=wall if isinstance(wall, int) else None,
        witness=witness,
        action=action,
        id=_id(actor.get("ID")),
        name=_text(attributes.get("name")),
        image=_text(attributes.get("image")),
        exit_code=int(code) if isinstance(code, str) and code.isdecimal() else None,
        labels=_compose(attributes),
    )


def decode_list(body: bytes, witness: Witness, time: int) -> tuple[EngineEvent, ...]:
    """Read ``/containers/json``: those that run or are paused, with the action ``running``.

    :raises Malformed: it is not a list of containers.
    """
    listed = _json(body)
    if not isinstance(listed, list):
        raise Malformed("no list of containers")
    found: list[EngineEvent] = []
    for entry in listed[:CONTAINERS_MAX]:
        container = _object(entry)
        if container.get("State") not in _UP:
            continue
        found.append(
            EngineEvent(
                time=time,
                engine_wall=None,
                witness=witness,
                action="running",
                id=_id(container.get("Id")),
                name=_own_name(container.get("Names")),
                image=_text(container.get("Image")),
                labels=_compose(_object(container.get("Labels") or {})),
            )
        )
    return tuple(found)


def _json(data: bytes) -> object:
    try:
        return json.loads(data.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise Malformed("no JSON") from error


def _object(value: object) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value
    raise Malformed("no JSON object where the API has one")


def _id(value: object) -> ContainerId:
    if isinstance(value, str) and _ID.fullmatch(value):
        return ContainerId(value)
    raise Malformed("no container id")


def _text(value: object) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= TEXT_MAX:
        return value
    return None


def _own_name(names: object) -> str | None:
    """Pick the container's name among those that legacy links give it (``/other/alias``)."""
    if not isinstance(names, list):
        return None
    for name in names:
        if isinstance(name, str) and "/" not in name[1:]:
            return _text(name.removeprefix("/"))
    return None


def _compose(labels: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    found = [
        (key, value)
        for key, value in labels.items()
        if key.startswith(_COMPOSE)
        and isinstance(value, str)
        and len(key) <= TEXT_MAX
        and len(value) <= TEXT_MAX
    ]
    return tuple(sorted(found)[:LABELS_MAX])


def events_target(witness: Witness, since_wall: int, until_wall: int | None = None) -> str:
    """Return the request target for containers' events since a moment.

    Without an end it is a subscription. Docker is then asked for what matters only, since each
    health check makes three other events; Podman refuses names that it does not know.
    """
    wanted = {"type": ["container"]}
    if witness is Witness.DOCKER and until_wall is None:
        wanted["event"] = list(_FOLLOWED)
    filters = quote(json.dumps(wanted, separators=(",", ":")), safe="")
    end = f"&until={_timestamp(until_wall)}" if until_wall is not None else ""
    return f"/events?since={_timestamp(since_wall - _OVERLAP_NS)}{end}&filters={filters}"


def _timestamp(wall: int) -> str:
    seconds, nanoseconds = divmod(max(0, wall), _NS_PER_SECOND)
    return f"{seconds}.{nanoseconds:09d}"
