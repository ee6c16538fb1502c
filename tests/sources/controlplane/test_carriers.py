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
from sensor.sources.controlplane.carried_text import UnreadText
from sensor.sources.controlplane.carriers import ITEMS_LIMIT, Context, items
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


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


FIREHOSE = [
    {"recordId": "1", "data": PACKED},
]
SIMPLE = [{"data": base64_of(dumped(one) + b"\n")} for one in EVENTS]
LINES_OF_LOKI = [["1700000000000000000", json.dumps(one)] for one in EVENTS]
LOKI = [{"stream": {"job": "audit"}, "values": LINES_OF_LOKI}]


def any_value(value: object) -> object:
    """Return a value as OTLP writes it."""
    if isinstance(value, dict):
        pairs = [{"key": key, "value": any_value(one)} for key, one in value.items()]
        return {"kvlistValue": {"values": pairs}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(one) for one in value]}}
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def otlp(body: Callable[[dict[str, Any]], object]) -> bytes:
    logs = [{"timeUnixNano": "1", "body": body(one)} for one in EVENTS]
    return dumped({"resourceLogs": [{"scopeLogs": [{"scope": {}, "logRecords": logs}]}]})


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
    "files of Firehose, without line breaks": gzip.compress(dumped(SUBSCRIPTION)[:-1])
    + gzip.compress(b"}"),
    "lines of packed subscriptions": PACKED.encode() + b"\n",
    "the same behind a driver's time": b"2026-03-02T09:15:27.123456789Z stdout F "
    + PACKED.encode()
    + b"\n",
    "Firehose for a function": dumped({"invocationId": "1", "records": FIREHOSE}),
    "Firehose for an HTTP endpoint": dumped({"requestId": "1", "timestamp": 1, "records": SIMPLE}),
    "several records in a record of Firehose": dumped(
        {"records": [{"data": base64_of(gzip.compress(b"".join(map(dumped, EVENTS))))}]}
    ),
    "get-records of Kinesis": dumped(
        {"Records": [{"SequenceNumber": "1", "Data": base64_of(dumped(one))} for one in EVENTS]}
    ),
    "receive-message of SQS": dumped({"Messages": [{"Body": json.dumps(one)} for one in EVENTS]}),
    "SNS for a function": dumped(
        {
            "Records": [
                {
                    "EventSource": "aws:sns",
                    "Sns": {"Type": "Notification", "Message": json.dumps(one)},
                }
                for one in EVENTS
            ]
        }
    ),
    "CloudEvents in base64": each(
        lambda one: {"specversion": "1.0", "id": "1", "data_base64": base64_of(dumped(one))}
    ),
    "push to Loki": dumped({"streams": LOKI}),
    "answer of Loki": dumped(
        {"status": "success", "data": {"resultType": "streams", "result": LOKI, "stats": {}}}
    ),
    "lines of logcli": each(
        lambda one: {"labels": {"job": "audit"}, "line": json.dumps(one), "timestamp": "t"}
    ),
    "Fluent Bit that merged the record": each(lambda one: {"date": 1.5, **one}),
    "Fluent Bit that also parsed the record": each(
        lambda one: {"log": "{", "log_processed": one, "stream": "stdout"}
    ),
    "file of Fluent Bit": b"\n".join(
        b'kube.audit: [1700000000.123456, {"log":' + json.dumps(one.decode()).encode() + b"}]"
        for one in LINES
    ),
    "file of Fluent Bit with metadata": b"\n".join(
        b"kube.audit: [[1700000000.123456, {}], " + one + b"]" for one in LINES
    ),
    "file of Fluentd": b"\n".join(
        b"2026-03-02T09:15:27+00:00\tkube.audit\t" + one for one in LINES
    ),
    "Elastic Agent": each(
        lambda one: {"message": "short", "event": {"original": json.dumps(one)}, "agent": {}}
    ),
    "Filebeat that parsed the record": each(
        lambda one: {"event": {"dataset": "audit"}, "json": one, "agent": {}}
    ),
    "export of Splunk": each(
        lambda one: {"preview": False, "result": {"_raw": json.dumps(one), "_time": "t"}}
    ),
    "OpenTelemetry, as text": otlp(lambda one: {"stringValue": json.dumps(one)}),
    "OpenTelemetry, as objects": otlp(any_value),
    "API of Log Analytics": dumped(
        {
            "tables": [
                {
                    "name": "PrimaryResult",
                    "columns": [{"name": "Category"}, {"name": "log_s"}],
                    "rows": [["kube-audit", json.dumps(one)] for one in EVENTS],
                }
            ]
        }
    ),
    "Kafka Connect": each(lambda one: {"topic": "t", "key": None, "value": one}),
    "a list without brackets": b",\n".join(LINES),
    "records of RFC 7464": b"".join(b"\x1e" + one + b"\n" for one in LINES),
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


def test_a_row_of_azure_diagnostics_names_the_cluster() -> None:
    """Its pod and container are those of the API server."""
    cluster = "/SUBSCRIPTIONS/0F0F/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.CONTAINERSERVICE"
    row = {
        "Category": "kube-audit-admin",
        "ResourceId": f"{cluster}/MANAGEDCLUSTERS/PROD",
        "log_s": LINES[0].decode(),
        "pod_s": "kube-apiserver-1",
    }
    (one,) = read([dumped(row)], Reader("file", whole=True))
    assert isinstance(one, ControlRecord)
    assert one.request.cluster is not None
    assert (one.request.cluster.name, one.request.cluster.account) == ("prod", "0f0f")


def test_a_subscription_holds_more_records_than_a_list_of_a_record_may() -> None:
    events = [{"message": LINES[0].decode()}] * 300
    assert len(found(dumped(SUBSCRIPTION | {"logEvents": events}))) == 300


def test_every_source_is_carried_alike() -> None:
    """One record of each source, through a packed record, a queue in a queue, and a store."""
    samples = [
        path.read_bytes().splitlines()[0]
        for path in sorted(LOG.parents[2].glob("*/*.jsonl"))
        if path.name != "expected.jsonl" and path.stat().st_size
    ]
    assert len(samples) > 15
    for sample in samples:
        plain, line = found(sample), sample.decode()
        queued = json.dumps({"Type": "Notification", "Message": line})
        for carried in (
            {"records": [{"recordId": "1", "data": base64_of(gzip.compress(sample))}]},
            {"Records": [{"body": queued, "eventSource": "aws:sqs"}]},
            {"streams": [{"stream": {}, "values": [["1", line]]}]},
            {"message": {"data": base64_of(sample), "messageId": "1"}, "subscription": "s"},
        ):
            assert found(dumped(carried)) == plain


def test_a_field_of_another_name_is_never_opened() -> None:
    """A program logs what its users write: such a text must not become a record."""
    inner = json.dumps(EVENTS[1])
    lines = [
        dumped({"level": "info", "input": inner, "query": EVENTS[1], "header": PACKED}),
        b"Mar  2 09:15:27 host su[1]: " + LINES[1],
        b"<13>1 2026-03-02T09:15:27Z host app - - - " + LINES[1],
        dumped({"MESSAGE": inner, "_PID": "1"}),
    ]
    for line in lines:
        assert not [one for one in read([line], Reader("f")) if isinstance(one, ControlRecord)]


def test_an_envelope_without_records_is_no_record() -> None:
    for empty in (b'{"status":"success","data":{"result":[]}}', b'{"entries":[],"next":"x"}'):
        reader = Reader("file")
        assert list(read([empty], reader)) == []
        assert not reader.counts.bad


def test_the_end_of_an_event_in_a_watch_is_no_report() -> None:
    event = {"reason": "Started", "involvedObject": {"kind": "Pod", "name": "a"}}
    kinds = [dumped({"type": kind, "object": event}) for kind in ("ADDED", "MODIFIED", "DELETED")]
    assert len(found(b"\n".join(kinds))) == 2


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
