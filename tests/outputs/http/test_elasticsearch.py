"""The _bulk API: ids, indices, and what each answer says of its event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.errors import ConfigError
from sensor.outputs.delivery import Delivered, Rejection, Retry
from sensor.outputs.http.elasticsearch import BulkOperation, Elasticsearch
from sensor.outputs.http.message import HttpAnswer
from sensor.outputs.http.settings import Preset
from sensor.outputs.lines import lines_of
from sensor.settings.secret import Secret
from tests.outputs.batches import batch_of
from tests.outputs.fake_http import Answer
from tests.outputs.http.posting import JSON, RECORDS, TEXT, TOKEN, delivered


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

    def test_an_index_that_is_read_only_for_now_lacks_no_right(self) -> None:
        block = {"type": "cluster_block_exception", "reason": "disk usage exceeded"}
        item = {"create": {"status": 403, "error": block}}
        body = json.dumps({"errors": True, "items": [item] * 3}).encode()
        outcome, _ = delivered(Answer(200, body), keys=self.KEYS)
        assert outcome == Retry("3 of 3 events: 403 cluster_block_exception: disk usage exceeded")

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
