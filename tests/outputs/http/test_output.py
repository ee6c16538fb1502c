"""The HTTP output: bodies, headers, presets, and what each answer makes of a batch."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.errors import ConfigError
from sensor.outputs.delivery import (
    Delivered,
    Format,
    Outcome,
    Record,
    Refused,
    Rejection,
    Retry,
)
from sensor.outputs.http import output
from sensor.outputs.http.client import HttpClient
from sensor.outputs.http.elasticsearch import BulkOperation, Elasticsearch
from sensor.outputs.http.message import HttpAnswer
from sensor.outputs.http.settings import Body, HttpSettings, Preset
from sensor.outputs.http.splunk import Splunk
from sensor.outputs.lines import lines_of
from sensor.outputs.registry import Surroundings, format_of
from sensor.settings.secret import Secret
from tests.outputs.batches import batch_of, golden_records, starts
from tests.outputs.fake_http import Answer, Fault, Received, fake_http
from tests.outputs.sample_events import HOST

SURROUNDINGS = Surroundings(HOST, "1.2.3", "siem")
JSON = Format("native", "application/json", lambda one: one.line, lambda one: json.loads(one.line))
TEXT = Format("cef", "text/plain", lambda one: b"CEF:0|" + one.id.encode() + b"\n", None)
TOKEN = "4c6f-9d7c-1b7a"
RECORDS = starts(1, 3)
STORED = [{"create": {"status": 201}}]


def delivered(
    *script: Answer | Fault,
    keys: Mapping[str, Any] | None = None,
    form: Format = JSON,
    records: list[Record] | None = None,
    path: str = "",
) -> tuple[Outcome, list[Received]]:
    """Deliver a batch to a collector that answers by the script; return also what it received."""

    async def run() -> tuple[Outcome, list[Received]]:
        async with fake_http(*script) as fake:
            settings = HttpSettings(fake.url + path, **(keys or {}))
            transport = output.OUTPUT.make(settings, form, SURROUNDINGS)
            try:
                outcome = await transport.deliver(batch_of(records or RECORDS))
                assert transport.connection.peer == fake.url + path.partition("?")[0]
                return outcome, fake.received
            finally:
                await transport.close()

    return asyncio.run(asyncio.wait_for(run(), 20))


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


class TestSplunk:
    KEYS: Mapping[str, Any] = {"preset": Preset.SPLUNK_HEC, "token": Secret(TOKEN)}

    def test_each_event_is_in_an_envelope(self) -> None:
        outcome, (received,) = delivered(
            Answer(200, b'{"text":"Success","code":0}'), keys={**self.KEYS, "index": "sec"}
        )
        assert outcome == Delivered()
        assert received.target == "/services/collector/event"
        assert received.headers["authorization"] == f"Splunk {TOKEN}"
        envelopes = [json.loads(line) for line in received.text.splitlines()]
        assert [one["event"] for one in envelopes] == [json.loads(one.line) for one in RECORDS]
        assert {key: envelopes[0][key] for key in ("host", "source", "sourcetype", "index")} == {
            "host": HOST.name,
            "source": "castoff",
            "sourcetype": "castoff:event",
            "index": "sec",
        }
        assert b'"time": 1700000000.123456789' in received.text

    def test_text_is_a_string_in_the_envelope(self) -> None:
        _, (received,) = delivered(Answer(200), keys=self.KEYS, form=TEXT)
        assert json.loads(received.text.splitlines()[0])["event"] == f"CEF:0|{RECORDS[0].id}"

    @pytest.mark.parametrize(
        ("code", "credentials"), [(1, True), (4, True), (7, False), (10, False)]
    )
    def test_codes_of_a_wrong_configuration_cost_no_event(
        self, code: int, *, credentials: bool
    ) -> None:
        outcome, _ = delivered(Answer(400, b'{"code":%d}' % code), keys=self.KEYS)
        assert isinstance(outcome, Retry)
        assert (outcome.credentials, outcome.configuration) == (credentials, not credentials)

    def test_a_malformed_event_is_refused(self) -> None:
        body = b'{"text":"Invalid data format","code":6,"invalid-event-number":1}'
        assert isinstance(delivered(Answer(400, body), keys=self.KEYS)[0], Refused)

    def test_with_acknowledgement_events_are_delivered_once_they_are_indexed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(output, "POLL_FIRST_SECONDS", 0.01)
        outcome, received = delivered(
            Answer(200, b'{"text":"Success","code":0,"ackId":5}'),
            Answer(200, b'{"acks":{"5":false}}'),
            Answer(503, b""),
            Answer(200, b'{"acks":{"5":true}}'),
            keys={**self.KEYS, "acknowledge": True},
        )
        assert outcome == Delivered()
        channel = received[0].headers["x-splunk-request-channel"]
        assert received[-1].target == f"/services/collector/ack?channel={channel}"
        assert json.loads(received[-1].text) == {"acks": [5]}
        assert len(received) == 4

    def test_what_is_never_indexed_is_retried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(output, "CONFIRM_SECONDS", 0.1)
        monkeypatch.setattr(output, "POLL_FIRST_SECONDS", 0.01)
        outcome, _ = delivered(
            Answer(200, b'{"ackId":5}'),
            Answer(200, b'{"acks":{"5":false}}'),
            keys={**self.KEYS, "acknowledge": True},
        )
        assert isinstance(outcome, Retry)
        assert "not acknowledged" in outcome.reason

    def test_a_token_without_acknowledgement_is_reported(self) -> None:
        outcome, _ = delivered(Answer(200, b'{"code":0}'), keys={**self.KEYS, "acknowledge": True})
        assert isinstance(outcome, Retry)
        assert "indexer acknowledgement is off" in outcome.reason

    @given(st.integers(100, 599), st.binary())
    def test_no_answer_breaks_it(self, status: int, body: bytes) -> None:
        dialect = Splunk(
            is_text=False, target="/x", host=None, sourcetype="s", index=None, acknowledge=True
        )
        outcome = dialect.outcome(
            lines_of(batch_of(RECORDS), JSON), HttpAnswer(status, (), body), "shown"
        )
        assert outcome != Delivered()


def bulk(*items: tuple[int, str | None], operation: str = "create") -> Answer:
    """Return the answer of a bulk API with an item for each status and reason."""
    sent = [
        {operation: {"status": status}}
        if reason is None
        else {operation: {"status": status, "error": {"type": "t", "reason": reason}}}
        for status, reason in items
    ]
    body = {"errors": any(reason for _, reason in items), "items": sent}
    return Answer(200, json.dumps(body).encode())


class TestElasticsearch:
    KEYS: Mapping[str, Any] = {"preset": Preset.ELASTICSEARCH, "index": "castoff-{date}"}

    def test_each_event_is_stored_under_its_id_in_the_index_of_its_day(self) -> None:
        answer = bulk((201, None), (201, None), (201, None))
        outcome, (received,) = delivered(answer, keys={**self.KEYS, "token": Secret(TOKEN)})
        assert outcome == Delivered()
        assert received.target.startswith("/_bulk?filter_path=")
        assert received.headers["authorization"] == f"ApiKey {TOKEN}"
        assert received.text.endswith(b"\n")
        lines = [json.loads(line) for line in received.text.splitlines()]
        assert lines[0] == {"create": {"_id": RECORDS[0].id, "_index": "castoff-2023.11.14"}}
        assert lines[1::2] == [json.loads(record.line) for record in RECORDS]

    def test_an_event_that_is_there_already_is_stored(self) -> None:
        answer = bulk((409, "exists"), (201, None), (409, "exists"))
        assert delivered(answer, keys=self.KEYS)[0] == Delivered()

    def test_an_event_that_cannot_be_stored_is_rejected_with_the_reason(self) -> None:
        answer = bulk((201, None), (400, "no such\x1b[2J field"), (409, "exists"))
        outcome, _ = delivered(answer, keys=self.KEYS)
        assert outcome == Delivered((Rejection(2, "400 t: no such\\x1b[2J field"),))

    @pytest.mark.parametrize(
        ("status", "credentials", "configuration"),
        [(429, False, False), (503, False, False), (404, False, True), (403, True, False)],
    )
    def test_one_that_may_be_stored_later_makes_all_go_again(
        self, status: int, *, credentials: bool, configuration: bool
    ) -> None:
        answer = bulk((201, None), (400, "never"), (status, "later"))
        outcome, _ = delivered(answer, keys=self.KEYS)
        assert outcome == Retry(
            f"1 of 3 events: {status} t: later",
            credentials=credentials,
            configuration=configuration,
        )

    def test_index_replaces_and_a_conflict_is_not_a_success(self) -> None:
        keys = {**self.KEYS, "operation": BulkOperation.INDEX}
        answer = bulk((200, None), (201, None), (409, "version"), operation="index")
        outcome, (received,) = delivered(answer, keys=keys)
        assert isinstance(outcome, Retry)
        assert received.text.startswith(b'{"index": ')

    @pytest.mark.parametrize(
        "body",
        [
            b"[]",
            b'"stored"',
            b'{"_index":"castoff","result":"created"}',
            b'{"errors":true}',
            b'{"errors":true,"items":[[]]}',
        ],
    )
    def test_a_success_that_says_nothing_of_the_events_is_the_urls_fault(self, body: bytes) -> None:
        outcome, _ = delivered(Answer(201, body), keys=self.KEYS)
        assert isinstance(outcome, Retry)
        assert outcome.configuration
        assert outcome.reason.endswith("The answer is not that of a bulk API: check url")

    def test_an_answer_about_other_events_is_not_believed(self) -> None:
        outcome, _ = delivered(bulk((201, None), (400, "x")), keys=self.KEYS)
        assert outcome == Retry("the answer has 2 items for 3 events")

    def test_text_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="cef is text"):
            delivered(Answer(), form=TEXT, keys=self.KEYS)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda items: {"errors": True, "items": items})
    )
    def test_no_answer_breaks_it(self, answer: object) -> None:
        dialect = Elasticsearch(target="/_bulk", index="x", operation=BulkOperation.CREATE)
        found = HttpAnswer(200, (), json.dumps(answer).encode())
        assert isinstance(dialect.outcome(lines_of(batch_of(RECORDS), JSON), found, "shown"), Retry)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"url": "ftp://x/"}, "url: an URL begins with"),
        ({"url": "http://me:secret@x/"}, "url: user and password"),
        ({"user": "me"}, "go together"),
        ({"user": "me", "password": Secret("x"), "token": Secret("y")}, "beside token"),
        ({"index": "x"}, "index is for"),
        ({"acknowledge": True}, "acknowledge is for"),
        ({"preset": Preset.ELASTICSEARCH}, "elasticsearch needs index"),
        ({"preset": Preset.SPLUNK_HEC, "body": Body.ARRAY}, "body is for"),
    ],
)
def test_settings_that_cannot_work_are_refused(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        HttpSettings(**{"url": "http://x/", **keys})


def test_a_header_that_cannot_be_is_refused_without_its_value() -> None:
    settings = HttpSettings("http://x/", headers=(("X-Key", Secret("se\ncret")),))
    with pytest.raises(ConfigError) as refused:
        output.OUTPUT.make(settings, JSON, SURROUNDINGS)
    assert "X-Key" in refused.value.problem
    assert "cret" not in refused.value.problem
