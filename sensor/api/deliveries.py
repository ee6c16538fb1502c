"""``/v1/outputs``: the state of outputs, and the two commands for them.

====================================================  ====================================
``GET  /v1/outputs``                                  every output, as in ``/v1/status``
``POST /v1/outputs/{name}/rewind?since=…``            ship again what is kept since then
``POST /v1/outputs/{name}/retry-dead``                ship its dead letters again
====================================================  ====================================

Every user of the socket may read; only root may rewind or retry.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from sensor.api.containers import as_json
from sensor.api.query import read_fields
from sensor.api.since import parse as parse_time
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.api.http import HttpRequest, Response
    from sensor.api.status import DeliveryState
    from sensor.linux.peer import Peer

PATH = "/v1/outputs"
ACTIONS = ("rewind", "retry-dead")
SECONDS = 10.0
"""How long an output may take to obey."""


@dataclass(frozen=True, slots=True)
class Rewound:
    """What a rewound output does now: the cursor it goes on from, and events to ship again."""

    output: str
    cursor: int
    events: int


class Deliveries(Protocol):
    """The agent's outputs, as the socket sees them."""

    def states(self) -> tuple[DeliveryState, ...]:
        """Return how they are doing."""

    async def rewind(self, output: str, since: int) -> Rewound:
        """Ship again what is kept since a wall time in ns.

        Raises KeyError for an unknown output, ValueError when it has not come so far.
        """

    async def retry_dead(self, output: str) -> int:
        """Ship dead letters again, and return how many there are. Raises KeyError."""


def action_of(path: str) -> tuple[str, str] | None:
    """Return the output's name and the action of a path, None for another path."""
    head, _, action = path.rpartition("/")
    parent, _, name = head.rpartition("/")
    return (name, action) if parent == PATH and action in ACTIONS and name else None


def listed(deliveries: Deliveries | None, query: str) -> bytes:
    """Return the document of ``GET /v1/outputs``; raises ValueError for a wrong query."""
    read_fields(query, ())
    states = () if deliveries is None else deliveries.states()
    return as_json({"outputs": [dataclasses.asdict(state) for state in states]}).body


async def command(
    deliveries: Deliveries | None, request: HttpRequest, peer: Peer | None
) -> Response:
    """Answer a POST to an output; raises ValueError for what makes no sense."""
    found = action_of(request.path)
    if peer is None or not peer.may_control():
        return _error(HTTPStatus.FORBIDDEN, "only root may command outputs")
    name, action = found or ("", "")
    fields = read_fields(request.query, ("since",) if action == "rewind" else ())
    if action == "rewind" and "since" not in fields:
        message = "rewind needs since: 10m, 2h, RFC 3339 or Unix seconds"
        raise ValueError(message)
    if deliveries is None:
        return _error(HTTPStatus.NOT_FOUND, f"no output {name!r}")
    try:
        async with asyncio.timeout(SECONDS):
            if action == "rewind":
                since = parse_time(fields["since"][0], time.time_ns())
                return as_json(dataclasses.asdict(await deliveries.rewind(name, since)))
            return as_json({"output": name, "events": await deliveries.retry_dead(name)})
    except KeyError:
        return _error(HTTPStatus.NOT_FOUND, f"no output {name!r}")
    except TimeoutError:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, f"output {name} does not react")


def _error(status: HTTPStatus, reason: str) -> Response:
    return as_json({"error": reason}, status)
