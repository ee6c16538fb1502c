"""Splunk's HTTP Event Collector: envelopes, acknowledgements, and codes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.outputs.delivery import Delivered, Refused, Retry
from sensor.outputs.http import output
from sensor.outputs.http.message import HttpAnswer
from sensor.outputs.http.settings import Preset
from sensor.outputs.http.splunk import Splunk
from sensor.outputs.lines import lines_of
from sensor.settings.secret import Secret
from tests.outputs.batches import batch_of
from tests.outputs.fake_http import Answer
from tests.outputs.http.posting import JSON, RECORDS, TEXT, TOKEN, delivered
from tests.outputs.sample_events import HOST


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
        ("code", "credentials"),
        [(1, True), (4, True), (5, False), (7, False), (10, False), (14, False)],
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

    @pytest.mark.parametrize(
        ("answer", "credentials"),
        [
            (Answer(400, b'{"text":"ACK is disabled","code":14}'), False),
            (Answer(400, b'{"text":"Invalid data channel","code":11}'), False),
            (Answer(404, b'{"text":"not found","code":404}'), False),
            (Answer(403, b'{"text":"Invalid token","code":4}'), True),
        ],
        ids=["ack", "channel", "path", "token"],
    )
    def test_a_question_that_will_never_be_answered_is_not_asked_again(
        self, answer: Answer, *, credentials: bool
    ) -> None:
        outcome, received = delivered(
            Answer(200, b'{"ackId":5}'), answer, keys={**self.KEYS, "acknowledge": True}
        )
        assert isinstance(outcome, Retry)
        assert (outcome.credentials, outcome.configuration) == (credentials, not credentials)
        assert len(received) == 2

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
        assert "sticky sessions" in outcome.reason

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
