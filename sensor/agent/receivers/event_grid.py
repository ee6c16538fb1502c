"""How Azure Event Grid asks whether an endpoint wants its events, and what it is answered.

With its own schema it posts an event of the type below and wants the code back, in the same answer.
With the schema of CloudEvents it sends OPTIONS with the origin that asks (CloudEvents, HTTP
WebHooks 1.0.1, section 4), and wants that origin allowed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sensor.agent.receivers.post_server import Reply
from sensor.sources.controlplane.json_text import JsonInvalid, parse, table, text

if TYPE_CHECKING:
    from sensor.agent.receivers.post_server import Post

VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
ORIGINS = frozenset({"eventgrid.azure.net"})


def handshake(post: Post) -> Reply | None:
    """Return the answer to the question of a new subscription; None for events."""
    if post.method == "OPTIONS":
        origin = post.headers.get("webhook-request-origin", "")
        if origin not in ORIGINS:
            return Reply(403)
        allowed = {"webhook-allowed-origin": origin, "webhook-allowed-rate": "*"}
        return Reply(200, allowed | {"allow": "POST, OPTIONS"})
    if post.headers.get("aeg-event-type") != "SubscriptionValidation":
        return None
    code = _code(post.body)
    if code is None:
        return Reply(400)
    body = json.dumps({"validationResponse": code}).encode()
    return Reply(200, {"content-type": "application/json"}, body)


def _code(body: bytes) -> str | None:
    """Return the code of a validation event; None for other bodies."""
    try:
        value = parse(body)
    except JsonInvalid:
        return None
    first = value[0] if isinstance(value, list) and value else value
    if text(first, "eventType") != VALIDATION:
        return None
    return text(table(first, "data"), "validationCode")
