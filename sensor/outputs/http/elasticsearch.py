"""Elasticsearch and OpenSearch: the ``_bulk`` API, each event under its own id.

An event that is there already answers ``create`` with 409, which is as good as stored: sending a
batch again stores nothing twice. Each item of the answer speaks for one event.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING

from sensor.outputs.delivery import Delivered, Rejection, Retry
from sensor.outputs.http.dialect import (
    OK_STATUSES,
    HttpPost,
    Poll,
    by_status,
    is_html,
    not_a_collector,
)
from sensor.schema.text import brief
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from sensor.outputs.delivery import Outcome, Record
    from sensor.outputs.http.message import HttpAnswer
    from sensor.outputs.lines import Lines

BULK_PATH = "/_bulk"
FILTER = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
"""What the answer is to hold: it grows with the batch otherwise."""
DATE = "{date}"
"""In the name of an index: the event's day in UTC, as 2026.01.31."""
DAY_LENGTH = len("2026-01-31")
CONFLICT = 409
HINT = "Is url the bulk API, and does the index take these documents"
FINAL_STATUSES = frozenset({400, 413, 422})
"""Of an item: this event will never be taken. A missing index (404), a lacking right (403) or a
write block (429, 403) concern them all, and can be mended."""


BLOCK = "cluster_block_exception"
"""Of an item with 403 or 429: the index is read-only, as when the disks are full. No right lacks.
"""


class BulkOperation(StrEnum):
    """``create`` keeps what is there, and is all that a data stream takes; ``index`` replaces."""

    CREATE = "create"
    INDEX = "index"


class Elasticsearch:
    """``target`` is path and query of the bulk API; ``index`` None when the path names it."""

    def __init__(self, *, target: str, index: str | None, operation: BulkOperation) -> None:
        path, _, query = target.partition("?")
        self._target = f"{path}?{query}&{FILTER}" if query else f"{path}?{FILTER}"
        self._index = index
        self._operation = operation

    def request(self, batch: Lines) -> HttpPost:
        """Return two lines an event: the action and the document."""
        lines: list[bytes] = []
        for line in batch.lines:
            named = {"_id": line.record.id}
            if self._index is not None:
                named["_index"] = self._index.replace(DATE, _day(line.record))
            lines += (
                json.dumps({self._operation.value: named}).encode() + b"\n",
                line.text + b"\n",
            )
        headers = (("Content-Type", "application/x-ndjson"),)
        return HttpPost(b"".join(lines), headers, self._target)

    def outcome(self, batch: Lines, answer: HttpAnswer, shown: str) -> Outcome:
        """Return what the items say; one that may pass later makes the batch go again."""
        if answer.status not in OK_STATUSES:
            return by_status(answer, shown, HINT)
        if is_html(answer):
            return not_a_collector(shown)
        return self._of_items(batch, answer, shown)

    def confirmed(self, poll: Poll, answer: HttpAnswer, shown: str) -> Outcome:
        """Nothing is asked later: an answer has the last word."""
        del poll
        return by_status(answer, shown, HINT)

    def _of_items(self, batch: Lines, answer: HttpAnswer, shown: str) -> Outcome:
        if answer.body.strip() in (b"", b"{}"):
            return Delivered(warning=f"{shown} is accepted, but no answer of a bulk API: check url")
        try:
            found = json.loads(answer.body)
            if found["errors"] is False:
                return Delivered()
            items = [_Item(self._operation, item) for item in found["items"]]
        except (ValueError, TypeError, KeyError, IndexError, RecursionError):
            # Nothing is known of the events: a document API stores the whole body as one.
            reason = f"{shown}. The answer is not that of a bulk API: check url"
            return Retry(reason, configuration=True)
        if len(items) != len(batch.lines):
            return Retry(f"the answer has {len(items)} items for {len(batch.lines)} events")
        waiting = [item for item in items if not (item.stored or item.final)]
        if waiting:
            reason = f"{len(waiting)} of {len(items)} events: {waiting[0].reason}"
            statuses = {item.status for item in waiting}
            blocked = any(item.error == BLOCK for item in waiting)
            return Retry(
                reason,
                answer.retry_after(),
                credentials=statuses <= {401, 403} and not blocked,
                configuration=statuses == {404},
            )
        return Delivered(
            tuple(
                Rejection(line.record.sequence, item.reason)
                for line, item in zip(batch.lines, items, strict=True)
                if not item.stored
            )
        )


class _Item:
    """One event's part of the answer. Raises TypeError, KeyError for another shape."""

    def __init__(self, operation: BulkOperation, item: dict[str, dict[str, object]]) -> None:
        shown = item[operation.value]
        status = shown["status"]
        if not isinstance(status, int):
            raise TypeError(status)
        exists = status == CONFLICT and operation is BulkOperation.CREATE
        self.status = status
        self.stored = status in OK_STATUSES or exists
        self.final = status in FINAL_STATUSES
        error = shown.get("error")
        self.error = error.get("type") if isinstance(error, dict) else None
        words = [error.get("type"), error.get("reason")] if isinstance(error, dict) else [error]
        named = ": ".join(brief(word) for word in words if word is not None)
        self.reason = f"{status} {named}".rstrip()


def _day(record: Record) -> str:
    text = rfc3339(record.wall)
    return "unknown" if text is None else text[:DAY_LENGTH].replace("-", ".")
