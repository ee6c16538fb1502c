"""Events by HTTP: bodies, headers, and collectors that fail."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

import pytest

from sensor.errors import ConfigError
from sensor.outputs.delivery import Delivered, Record, Retry
from sensor.outputs.http.client import HttpClient
from sensor.outputs.http.settings import Body, Preset
from sensor.outputs.registry import format_of
from sensor.settings.secret import Secret
from tests.outputs.batches import batch_of, golden_records
from tests.outputs.fake_http import Answer, Fault
from tests.outputs.http.posting import RECORDS, TEXT, TOKEN, delivered

STORED = [{"create": {"status": 201}}]


@pytest.mark.parametrize("packed", [True, False], ids=["gzip", "identity"])
def test_lines_arrive_whole_with_the_headers_that_were_asked_for(*, packed: bool) -> None:
    headers = (("X-Team", Secret("shop")),)
    keys = {"headers": headers, "token": Secret(TOKEN), "gzip": packed}
    records = golden_records()
    outcome, (received,) = delivered(Answer(204, b""), keys=keys, records=records, path="in?a=1")
    assert outcome == Delivered()
    assert received.text == b"".join(record.line for record in records)
    assert received.target == "/in?a=1"
    assert received.headers["content-type"] == "application/x-ndjson"
    assert received.headers["x-team"] == "shop"
    assert received.headers["authorization"] == f"Bearer {TOKEN}"
    assert received.headers["x-batch-id"] == batch_of(records).id.hex()
    assert received.headers.get("content-encoding") == ("gzip" if packed else None)


def test_an_array_is_one_json_document() -> None:
    _, (received,) = delivered(Answer(), keys={"body": Body.ARRAY})
    assert json.loads(received.text) == [json.loads(record.line) for record in RECORDS]
    assert received.headers["content-type"] == "application/json"


def test_text_keeps_its_own_content_type_and_is_not_an_array() -> None:
    _, (received,) = delivered(Answer(), form=TEXT)
    assert received.headers["content-type"] == "text/plain"
    assert received.text == b"".join(map(TEXT.line, RECORDS))
    with pytest.raises(ConfigError, match="cef is text"):
        delivered(Answer(), form=TEXT, keys={"body": Body.ARRAY})


def test_user_and_password_are_basic_authorization() -> None:
    keys = {"user": "castoff", "password": Secret("pa:ss")}
    _, (received,) = delivered(Answer(), keys=keys)
    scheme, pair = received.headers["authorization"].split()
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"castoff:pa:ss")


@pytest.mark.parametrize(
    "fault", [Fault.CLOSE, Fault.GARBAGE, Fault.CUT, Fault.ENDLESS, Fault.HINTS]
)
def test_a_collector_that_does_not_answer_is_retried(fault: Fault) -> None:
    assert isinstance(delivered(fault)[0], Retry)


def test_a_collector_that_hangs_is_retried_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = functools.partial(HttpClient, request_seconds=0.1)
    monkeypatch.setattr("sensor.outputs.http.output.HttpClient", hasty)
    outcome, _ = delivered(Fault.HANG)
    assert isinstance(outcome, Retry)
    assert "no whole answer" in outcome.reason


DAMAGED = Record(2, "x", "container.start", 0, b'{"type": "container.start"')


@pytest.mark.parametrize("preset", list(Preset))
def test_what_is_not_an_event_is_rejected_and_the_others_go(preset: Preset) -> None:
    keys: dict[str, Any] = {"preset": preset}
    if preset is Preset.ELASTICSEARCH:
        keys["index"] = "castoff"
    answer = Answer(200, json.dumps({"errors": True, "items": 2 * STORED}).encode())
    records = [RECORDS[0], DAMAGED, RECORDS[2]]
    outcome, (received,) = delivered(answer, keys=keys, form=format_of("ecs"), records=records)
    assert isinstance(outcome, Delivered)
    assert [one.sequence for one in outcome.rejected] == [2]
    assert received.text.count(b'{"@timestamp"') == 2


def test_a_batch_without_an_event_is_not_sent() -> None:
    outcome, received = delivered(Answer(), form=format_of("ecs"), records=[DAMAGED])
    assert isinstance(outcome, Delivered)
    assert (len(outcome.rejected), received) == (1, [])
