"""Splunk's HTTP event collector: an envelope around each event, and acknowledgements of indexing.

``{"time": 1700000000.123456789, "host": …, "source": "castoff", "sourcetype": …, "event": …}``, one
after the other. Status 200 says that Splunk has the events in memory. With ``acknowledge`` the
token's *indexer acknowledgement* is used: events count as delivered when they are on its disk.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from sensor.outputs.delivery import Delivered, Retry
from sensor.outputs.http.dialect import (
    OK_STATUSES,
    HttpPost,
    Poll,
    by_status,
    is_html,
    not_a_collector,
)

if TYPE_CHECKING:
    from sensor.outputs.delivery import Outcome
    from sensor.outputs.http.message import HttpAnswer
    from sensor.outputs.lines import Lines, RecordLine

EVENT_PATH = "/services/collector/event"
ACK_NAME = "ack"
NS_PER_SECOND = 1_000_000_000

TOKEN_CODES = frozenset({1, 2, 3, 4})
"""Token disabled, missing, malformed or unknown."""
CONFIGURATION_CODES = frozenset({5, 7, 10, 11, 14, 16})
"""No data came although some was sent, as through a proxy; a wrong index; a channel missing or
malformed; acknowledgement is disabled; a token in the query is not allowed."""
HINT = "Is url the HTTP event collector, and not its raw endpoint or the web interface"


class Splunk:
    """``target`` is the collector's path and query; ``is_text`` is true if lines are not JSON."""

    def __init__(
        self,
        *,
        is_text: bool,
        target: str,
        host: str | None,
        sourcetype: str,
        index: str | None,
        acknowledge: bool,
    ) -> None:
        self._is_text = is_text
        self._target = target
        self._channel = str(uuid.uuid4()) if acknowledge else None
        meta = {"host": host, "source": "castoff", "sourcetype": sourcetype, "index": index}
        known = {name: value for name, value in meta.items() if value is not None}
        self._meta = json.dumps(known).encode()[1:-1]

    def request(self, batch: Lines) -> HttpPost:
        """Return the batch in envelopes."""
        body = b"\n".join(map(self._envelope, batch.lines))
        return HttpPost(body, (("Content-Type", "application/json"), *self._named()), self._target)

    def outcome(self, batch: Lines, answer: HttpAnswer, shown: str) -> Outcome | Poll:
        """Return what an answer means: the codes are in Splunk's manual of the collector."""
        del batch
        if answer.status not in OK_STATUSES:
            return _refusal(answer, shown)
        if is_html(answer):
            return not_a_collector(shown)
        return Delivered() if self._channel is None else self._poll(answer, self._channel)

    def _poll(self, answer: HttpAnswer, channel: str) -> Outcome | Poll:
        ack = _number(answer.body, "ackId")
        if ack is None:
            reason = "no ackId: indexer acknowledgement is off for this token"
            return Retry(f"{reason}. Enable it, or set acknowledge = false", configuration=True)
        path = self._target.partition("?")[0].rstrip("/").rpartition("/")[0]
        body = json.dumps({"acks": [ack]}).encode()
        headers = (("Content-Type", "application/json"), *self._named())
        return Poll(HttpPost(body, headers, f"{path}/{ACK_NAME}?channel={channel}"), ack)

    def confirmed(self, poll: Poll, answer: HttpAnswer, shown: str) -> Outcome | None:
        """Return a delivery if the events of a poll are indexed.

        Time does not mend a wrong token, channel or URL.
        """
        if answer.status not in OK_STATUSES:
            refusal = _refusal(answer, shown)
            # Nothing is wrong with the events: they were taken.
            again = isinstance(refusal, Retry) and (refusal.credentials or refusal.configuration)
            return refusal if again else None
        acks = _object(answer.body).get("acks")
        indexed = isinstance(acks, dict) and acks.get(str(poll.id)) is True
        return Delivered() if indexed else None

    def _named(self) -> tuple[tuple[str, str], ...]:
        return () if self._channel is None else (("X-Splunk-Request-Channel", self._channel),)

    def _envelope(self, line: RecordLine) -> bytes:
        event = json.dumps(line.text.decode()).encode() if self._is_text else line.text
        seconds, rest = divmod(max(line.record.wall, 0), NS_PER_SECOND)
        return b'{"time": %d.%09d, %b, "event": %b}' % (seconds, rest, self._meta, event)


def _refusal(answer: HttpAnswer, shown: str) -> Outcome:
    code = _number(answer.body, "code")
    if code in TOKEN_CODES:
        return Retry(shown, answer.retry_after(), credentials=True)
    if code in CONFIGURATION_CODES:
        return Retry(shown, answer.retry_after(), configuration=True)
    return by_status(answer, shown, HINT)


def _object(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(body: bytes, name: str) -> int | None:
    found = _object(body).get(name)
    return found if type(found) is int else None
