"""Events by HTTP: bodies, headers, statuses, and collectors that fail."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

import pytest

from sensor.errors import ConfigError
from sensor.outputs.delivery import Delivered, Outcome, Record, Refused, Retry
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


@pytest.mark.parametrize("preset", list(Preset))
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(413, b"too large"), Refused("HTTP 413: too large")),
        (Answer(400, b"bad"), Refused("HTTP 400: bad")),
        (Answer(429, b"", (("Retry-After", "7"),)), Retry("HTTP 429", 7.0)),
        (Answer(503, b"", (("Retry-After", "9"),)), Retry("HTTP 503", 9.0)),
        (Answer(500, b""), Retry("HTTP 500")),
        (Answer(404, b""), Retry("HTTP 404. Check url", configuration=True)),
        (
            Answer(302, b"", (("Location", "/login?token=x"),)),
            Retry(
                "HTTP 302 to /login. Redirections are not followed: correct url",
                configuration=True,
            ),
        ),
        (Answer(511, b""), Retry("HTTP 511", credentials=True)),
        (Answer(408, b""), Retry("HTTP 408")),
        (Answer(401, b"who?"), Retry("HTTP 401: who?", credentials=True)),
        (Answer(403, TOKEN.encode()), Retry("HTTP 403: ***", credentials=True)),
    ],
    ids=lambda one: str(one.status) if isinstance(one, Answer) else "",
)
def test_a_status_says_what_becomes_of_the_batch(
    preset: Preset, answer: Answer, outcome: Outcome
) -> None:
    keys: dict[str, Any] = {"preset": preset, "token": Secret(TOKEN)}
    if preset is Preset.ELASTICSEARCH:
        keys["index"] = "castoff"
    assert delivered(answer, keys=keys)[0] == outcome


@pytest.mark.parametrize("preset", list(Preset))
@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 206, 299])
@pytest.mark.parametrize("body", [b"", b"{}"], ids=["empty", "object"])
def test_every_2xx_delivers_for_every_preset(preset: Preset, status: int, body: bytes) -> None:
    keys: dict[str, Any] = {"preset": preset}
    if preset is Preset.ELASTICSEARCH:
        keys["index"] = "castoff"
    outcome, received = delivered(Answer(status, b"" if status == 204 else body), keys=keys)
    assert isinstance(outcome, Delivered)
    assert not outcome.rejected
    assert len(received) == 1


PAGE = Answer(
    200, b"<!DOCTYPE html>\n<html><title>Sign in</title></html>", (("Content-Type", "text/html"),)
)


@pytest.mark.parametrize("preset", [Preset.SPLUNK_HEC, Preset.ELASTICSEARCH])
def test_a_web_page_is_not_a_collector(preset: Preset) -> None:
    keys: dict[str, Any] = {"preset": preset}
    if preset is Preset.ELASTICSEARCH:
        keys["index"] = "castoff"
    outcome, _ = delivered(PAGE, keys=keys)
    assert isinstance(outcome, Retry)
    assert outcome.configuration
    assert "Sign in. This is a web page and no collector: check url" in outcome.reason


def test_a_plain_collector_may_answer_with_a_page_and_the_status_says_so() -> None:
    outcome, _ = delivered(PAGE)
    assert isinstance(outcome, Delivered)
    assert outcome.warning is not None
    assert "check url" in outcome.warning


@pytest.mark.parametrize(
    ("body", "hint"), [(Body.LINES, 'body = "array"'), (Body.ARRAY, 'body = "lines"')]
)
def test_a_refused_content_type_comes_with_the_setting_to_try(body: Body, hint: str) -> None:
    outcome, _ = delivered(Answer(400, b"error: invalid 'Content-Type'"), keys={"body": body})
    assert isinstance(outcome, Refused)
    assert hint in (outcome.hint or "")
    outcome, _ = delivered(Answer(415, b""), keys={"body": body})
    assert isinstance(outcome, Retry)
    assert outcome.configuration
    assert hint in outcome.reason


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
