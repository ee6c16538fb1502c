"""Event Grid is answered as it asks, both ways."""

from __future__ import annotations

import json

import pytest

from sensor.agent.receivers.event_grid import VALIDATION, handshake
from sensor.agent.receivers.post_server import Post


def asked(value: object, kind: str = "SubscriptionValidation") -> Post:
    return Post(
        "10.0.0.1", "POST", "/event-grid", {"aeg-event-type": kind}, json.dumps(value).encode()
    )


def test_its_own_schema_gets_its_code_back() -> None:
    event = {"eventType": VALIDATION, "data": {"validationCode": "512d38b6", "validationUrl": "u"}}
    reply = handshake(asked([event]))
    assert reply is not None
    assert (reply.status, json.loads(reply.body)) == (200, {"validationResponse": "512d38b6"})


def test_cloudevents_get_their_origin_allowed() -> None:
    headers = {"webhook-request-origin": "eventgrid.azure.net"}
    reply = handshake(Post("10.0.0.1", "OPTIONS", "/event-grid", headers, b""))
    assert reply is not None
    assert reply.status == 200
    assert reply.headers["webhook-allowed-origin"] == "eventgrid.azure.net"
    assert reply.headers["webhook-allowed-rate"] == "*"


def test_another_origin_is_not_allowed() -> None:
    headers = {"webhook-request-origin": "evil.example"}
    reply = handshake(Post("10.0.0.1", "OPTIONS", "/event-grid", headers, b""))
    assert reply is not None
    assert reply.status == 403
    assert reply.headers == {}


def test_events_are_not_a_question() -> None:
    assert handshake(asked([{"eventType": "x"}], "Notification")) is None


@pytest.mark.parametrize("value", [[], {}, [{"eventType": VALIDATION}], [1], "x", None])
def test_a_question_without_a_code_is_refused(value: object) -> None:
    reply = handshake(asked(value))
    assert reply is not None
    assert reply.status == 400
