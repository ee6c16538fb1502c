"""A record reads the same whatever carried it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.model.control_plane import ControlRecord
from sensor.sources.controlplane.carriers import ITEMS_LIMIT, Context, UnreadText, items
from sensor.sources.controlplane.reader import BadRecord, Reader, read

LOG = Path(__file__).parents[2] / "corpora/controlplane/kubernetes/scenario/audit.log"
LINES = LOG.read_bytes().splitlines()[:40]
EVENTS: list[dict[str, Any]] = [json.loads(line) for line in LINES]

Found = list[tuple[str | None, str | None, str, str]]


def found(data: bytes) -> Found:
    carried = []
    for one in read([data], Reader("file", whole=True)):
        assert isinstance(one, ControlRecord), one
        request = one.request
        actor = None if request.actor is None else request.actor.name
        carried.append((request.id, actor, str(request.effect), str(one.standing)))
    return carried


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def each(wrap: Callable[[dict[str, Any]], object]) -> bytes:
    return b"\n".join(dumped(wrap(event)) for event in EVENTS)


SUBSCRIPTION = {
    "messageType": "DATA_MESSAGE",
    "owner": "1",
    "logGroup": "/aws/eks/prod/cluster",
    "logStream": "kube-apiserver-audit-1",
    "logEvents": [{"id": "1", "timestamp": 1, "message": json.dumps(one)} for one in EVENTS],
}
PACKED = base64.b64encode(gzip.compress(dumped(SUBSCRIPTION))).decode()


def pub_sub(event: dict[str, Any]) -> dict[str, Any]:
    return {"data": base64.b64encode(dumped(event)).decode(), "messageId": "1"}


CARRIERS = {
    "lines": b"\n".join(LINES),
    "list of events": dumped({"kind": "EventList", "items": EVENTS}),
    "subscription of CloudWatch": dumped(SUBSCRIPTION),
    "the same for a function": dumped({"awslogs": {"data": PACKED}}),
    "the same through Kinesis": dumped(
        {"Records": [{"kinesis": {"data": PACKED}, "eventName": "aws:kinesis:record"}]}
    ),
    "filter-log-events": json.dumps(
        {"events": [{"timestamp": 1, "message": json.dumps(one)} for one in EVENTS]}, indent=4
    ).encode(),
    "export of CloudWatch": b"\n".join(b"2026-03-02T09:15:27.123Z " + one for one in LINES),
    "SNS in SQS": dumped(
        {
            "Records": [
                {"body": json.dumps({"Type": "Notification", "Message": json.dumps(one)})}
                for one in EVENTS
            ]
        }
    ),
    "Event Hub": dumped(
        {
            "records": [
                {"category": "kube-audit", "properties": {"log": json.dumps(one)}} for one in EVENTS
            ]
        }
    ),
    "AzureDiagnostics": each(lambda one: {"Category": "kube-audit", "log_s": json.dumps(one)}),
    "Event Grid": dumped(
        [{"eventTime": "2026-03-02T09:15:27Z", "subject": "s", "data": one} for one in EVENTS]
    ),
    "CloudEvents": dumped([{"specversion": "1.0", "id": "1", "data": one} for one in EVENTS]),
    "push of Pub/Sub": each(lambda one: {"message": pub_sub(one), "subscription": "s"}),
    "pull of Pub/Sub": dumped([{"ackId": "1", "message": pub_sub(one)} for one in EVENTS]),
    "Docker's log driver": each(lambda one: {"log": json.dumps(one) + "\n", "stream": "stdout"}),
    "log of a CRI runtime": b"\n".join(
        b"2026-03-02T09:15:27.123456789Z stdout F " + one for one in LINES
    ),
    "cut log of a CRI runtime": b"\n".join(
        b"2026-03-02T09:15:27.123456789Z stdout P "
        + one[:500]
        + b"\n2026-03-02T09:15:27.123456789Z stderr F I0302 a line between"
        + b"\n2026-03-02T09:15:27.123456789Z stdout F "
        + one[500:]
        for one in LINES
    ),
    "Filebeat": each(lambda one: {"@timestamp": "t", "message": json.dumps(one), "agent": {}}),
    "Splunk": each(lambda one: {"event": one, "sourcetype": "kube:audit"}),
    "Elasticsearch": dumped({"hits": {"hits": [{"_source": one} for one in EVENTS]}}),
}


@pytest.mark.parametrize("carrier", list(CARRIERS))
def test_a_record_reads_the_same_whatever_carried_it(carrier: str) -> None:
    carried = found(CARRIERS[carrier])
    assert len(carried) == len(EVENTS)
    assert carried == found(CARRIERS["lines"])


def test_a_record_is_not_opened_for_what_stands_in_it() -> None:
    """A client writes bodies and user agents; none of them is an envelope."""
    inner = json.dumps(EVENTS[1])
    event = EVENTS[0] | {"message": inner, "log": inner, "event": EVENTS[1], "data": EVENTS[1]}
    assert found(dumped(event)) == found(LINES[0])


def test_text_of_another_program_is_not_a_failure() -> None:
    reader = Reader("file")
    lines = b'{"log":"I0302 klog\\n","stream":"stderr"}\n2026-03-02T09:15:27Z stderr F I0302 klog\n'
    assert list(read([lines], reader)) == []
    assert (reader.counts.bad, reader.counts.records) == (0, 2)


def test_a_damaged_record_inside_is_a_failure() -> None:
    reader = Reader("file")
    list(read([b'{"log":"{\\"kind\\":\\"Event\\",","stream":"stdout"}\n'], reader))
    assert reader.counts.bad == 1


def test_envelopes_without_end_are_refused() -> None:
    value: object = EVENTS[0]
    for _ in range(20):
        value = {"message": value}
    (only,) = items(value, Context(), lambda one: "auditID" in one)
    assert isinstance(only[1], UnreadText)


def test_an_envelope_holds_so_many_records_at_most() -> None:
    carried = list(items([{"auditID": 1}] * (ITEMS_LIMIT + 5), Context(), lambda _: True))
    assert len(carried) == ITEMS_LIMIT + 1
    assert isinstance(carried[-1][1], UnreadText)


NAMES = ("message", "data", "log", "kinesis", "awslogs", "Records", "items", "body", "event", "x")
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=8) | st.sampled_from([json.dumps(EVENTS[0]), "{"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_gives_records_or_a_counted_failure(value: object) -> None:
    reader = Reader("file", whole=True)
    carried = list(read([dumped(value)], reader))
    assert sum(isinstance(one, BadRecord) for one in carried) == reader.counts.bad
    assert all(isinstance(one, ControlRecord | BadRecord) for one in carried)
