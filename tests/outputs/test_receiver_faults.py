"""What each known receiver answers when it is not well, or is not what the output takes it for.

Four meanings: it takes the events later; a person has to correct a setting, or the credentials; one
event is at fault. Whatever the receiver, no event is lost, and only an event at fault is a dead
letter.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

import pytest

from sensor.outputs.delivery import BatchLimits
from sensor.outputs.engine.worker import OutputWorker
from sensor.outputs.http.otlp import OtlpSettings, OtlpTransport
from sensor.outputs.http.settings import Body, Preset
from sensor.settings.secret import Secret
from tests.outputs import receivers
from tests.outputs.fake_http import Answer, Fault, Received, fake_http
from tests.outputs.receivers import JSON, TEXT, Store
from tests.outputs.test_receivers import IDS, STORED_UNDER, TOKEN, http, shipped, waits

COUNT = 40
Way = Callable[[Received], Answer]


@dataclass(frozen=True)
class Kind:
    """A way to a receiver: how the output is set up, and what the receiver does when it is well."""

    well: Callable[[Store], Way]
    keys: dict[str, Any] | None = None
    """Of ``type = "http"``; None is OTLP."""

    def transport(self, url: str, seconds: float = 2.0) -> Any:
        """``seconds`` is how long an answer may take."""
        made: Any
        if self.keys is None:
            made = OtlpTransport(OtlpSettings(url, seconds=seconds, max_records=10))
        else:
            made = http(url, **self.keys)
            made.limits = BatchLimits(records=10)
            made._client._request_seconds = seconds
        return made


PATIENT = 30.0
"""Seconds for an answer that comes: a busy machine may be slow with it."""

HEC = {"preset": Preset.SPLUNK_HEC, "token": Secret(TOKEN)}
ARRAY = {"body": Body.ARRAY}
KINDS = {
    "fluent-bit http": Kind(receivers.fluent_bit_http, ARRAY),
    "fluent-bit otlp": Kind(receivers.fluent_bit_otlp),
    "fluent-bit splunk": Kind(lambda store: receivers.fluent_bit_splunk(store, TOKEN), HEC),
    "fluentd": Kind(receivers.fluentd_http, {}),
    "vector": Kind(receivers.vector_http_server, {}),
    "vector otlp": Kind(receivers.vector_otlp),
    "collector": Kind(receivers.opentelemetry_collector),
    "splunk": Kind(lambda store: receivers.splunk(store, TOKEN), HEC),
    "splunk ack": Kind(
        lambda store: receivers.splunk(store, TOKEN, acknowledge=True), {**HEC, "acknowledge": True}
    ),
    "opensearch": Kind(
        receivers.opensearch, {"preset": Preset.ELASTICSEARCH, "index": "castoff-{date}"}
    ),
    "clickhouse": Kind(receivers.vector_http_server, {}),
}
DIALECTS = ["vector", "collector", "splunk", "opensearch"]
"""One receiver for each way to read an answer."""


def everything(worker: OutputWorker) -> bool:
    return worker.cursor == COUNT


def ids(name: str) -> list[str]:
    return (STORED_UNDER if name == "opensearch" else IDS)[:COUNT]


def run(
    name: str, done: Callable[[OutputWorker], bool], *script: Answer | Fault | Way
) -> tuple[Store, OutputWorker, int]:
    """Ship to a receiver that follows a script and is well after it."""
    store = Store()

    async def main() -> tuple[OutputWorker, int]:
        kind = KINDS[name]
        async with fake_http(*script, kind.well(store)) as fake:
            # A busy machine may be late. An answer is given up only where a connection breaks.
            seconds = 2.0 if any(isinstance(one, Fault) for one in script) else PATIENT
            return await shipped(kind.transport(fake.url, seconds), done, count=COUNT)

    worker, dead = asyncio.run(main())
    return store, worker, dead


def in_a_second(date: bool) -> tuple[tuple[str, str], ...]:
    return (("Retry-After", formatdate(time.time() + 1, usegmt=True) if date else "1"),)


def items(status: int, error: str, count: int = 10) -> Answer:
    """Answer of a bulk API in which each document failed the same."""
    one = {"create": {"status": status, "error": {"type": error, "reason": "because"}}}
    return Answer(200, json.dumps({"errors": True, "items": [one] * count}).encode())


# ------------------------------------------------------------------------------ it takes them later

LATER: dict[str, tuple[str, Answer | Fault]] = {
    "fluent-bit http, paused": ("fluent-bit http", Fault.RESET),
    "fluent-bit otlp, paused": ("fluent-bit otlp", Fault.RESET),
    "fluentd, buffer overflow": ("fluentd", Answer(503, b"503 Service Unavailable", TEXT)),
    "fluentd, error": ("fluentd", Answer(500, b"500 Internal Server Error\nbuffer", TEXT)),
    "vector, sink errored": ("vector", Answer(500, b"Error delivering contents to sink", TEXT)),
    "vector, shutdown": ("vector", Answer(503, b"Source is shutting down", TEXT)),
    "vector otlp, sink errored": (
        "vector otlp",
        Answer(500, b"Error delivering contents to sink", TEXT),
    ),
    "collector, memory limiter": ("collector", Answer(503, b'{"code":14,"message":"refused"}')),
    "collector, rate": ("collector", Answer(429, b'{"code":8}', (*JSON, *in_a_second(date=False)))),
    "collector, until a date": ("collector", Answer(503, b"{}", in_a_second(date=True))),
    "splunk, busy": ("splunk", Answer(503, b'{"text":"Server is busy","code":9}')),
    "splunk, internal": ("splunk", Answer(500, b'{"text":"Internal server error","code":8}')),
    "splunk, queues full": ("splunk", Answer(503, b'{"text":"HEC is unhealthy","code":18}')),
    "splunk, shuts down": ("splunk", Answer(503, b'{"text":"shutting down","code":23}')),
    "splunk, at capacity": (
        "splunk",
        Answer(429, b'{"text":"Queue at capacity","code":26}', in_a_second(date=False)),
    ),
    "splunk ack, busy": ("splunk ack", Answer(503, b'{"text":"Server is busy","code":9}')),
    "opensearch, queue full": ("opensearch", Answer(429, b'{"error":"rejected"}')),
    "opensearch, items rejected": ("opensearch", items(429, "es_rejected_execution_exception")),
    "opensearch, disks full": ("opensearch", items(403, "cluster_block_exception")),
    "opensearch, no master": ("opensearch", Answer(503, b'{"error":"no master"}')),
    "opensearch, bad gateway": (
        "opensearch",
        Answer(502, b"<html><h1>502 Bad Gateway</h1></html>"),
    ),
    "clickhouse, memory": ("clickhouse", Answer(500, b"Code: 241. DB::Exception: Memory", TEXT)),
    "clickhouse, too many": (
        "clickhouse",
        Answer(503, b"Code: 202. DB::Exception: Too many", in_a_second(date=True)),
    ),
    "a proxy, no time": ("vector", Answer(408, b"")),
    "a proxy, no backend": ("fluent-bit splunk", Answer(504, b"<html>Gateway Time-out</html>")),
}


@pytest.mark.parametrize("case", list(LATER))
def test_what_is_busy_gets_each_event_later(case: str) -> None:
    name, answer = LATER[case]
    began = time.monotonic()
    store, worker, dead = run(name, everything, answer, answer)
    assert (sorted(store.ids), dead) == (sorted(ids(name)), 0)
    assert worker.health().counts.credentials == 0
    asked = isinstance(answer, Answer) and dict(answer.headers).get("Retry-After")
    if asked == "1":
        assert time.monotonic() - began >= 2


@pytest.mark.parametrize("fault", [one for one in Fault if one not in {Fault.DEAF, Fault.SLAM}])
@pytest.mark.parametrize("name", DIALECTS)
def test_after_any_fault_of_the_connection_each_event_arrives(name: str, fault: Fault) -> None:
    store, worker, dead = run(name, everything, fault)
    # At least once: an answer that a busy machine keeps back is asked for again.
    assert (sorted(set(store.ids)), dead) == (sorted(ids(name)), 0)
    counts = worker.health().counts
    assert (counts.credentials, counts.configuration) == (0, 0)


@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_an_answer_may_be_packed_and_follow_others(name: str, coding: str) -> None:
    """Some proxies pack what was not asked for; one that cannot be unpacked still has a status."""
    store = Store()
    well = KINDS[name].well(store)

    def answer(received: Received) -> Answer:
        plain = well(received)
        if not plain.body or (coding == "br" and KINDS[name].keys not in ({}, ARRAY)):
            return replace(plain, before=(100, 103))
        body = gzip.compress(plain.body) if coding != "br" else b"\x0b\x02\x80{}\x03"
        headers = (*plain.headers, ("Content-Encoding", coding))
        return replace(plain, body=body, headers=headers, before=(100, 103))

    async def main() -> tuple[OutputWorker, int]:
        async with fake_http(answer) as fake:
            transport = KINDS[name].transport(fake.url, PATIENT)
            return await shipped(transport, everything, count=COUNT)

    worker, dead = asyncio.run(main())
    assert (store.ids, dead, worker.health().counts.retries) == (ids(name), 0, 0)
    assert worker.health().last_error is None


# -------------------------------------------------------------------------- a person has to mend it

PAGE = Answer(200, b"<html><title>Sign in</title></html>", (("Content-Type", "text/html"),))
AWAY = Answer(302, b"", (("Location", "https://login.example/?next=x"),))
SETTINGS: dict[str, tuple[str, Answer, str]] = {
    "fluent-bit http, content type": (
        "fluent-bit http",
        Answer(400, b"error: invalid 'Content-Type'\n", TEXT),
        'body = "lines"',
    ),
    "fluentd, no json": (
        "fluentd",
        Answer(400, b"'json', 'ndjson' or 'msgpack' parameter is required", TEXT),
        'body = "array"',
    ),
    "fluentd, too large": ("fluentd", Answer(413, b"413 Request Entity Too Large", TEXT), "413"),
    "vector, another encoding": (
        "vector",
        Answer(400, b'{"code":400,"message":"Failed parsing JSON"}'),
        'body = "array"',
    ),
    "vector, path": ("vector", Answer(404, b"Not Found", TEXT), "Check url"),
    "vector, moved": ("vector", AWAY, "Redirections are not followed: correct url"),
    "collector, protobuf only": ("collector", Answer(415, b"", TEXT), "/v1/logs"),
    "collector, traces": ("collector", Answer(404, b"404 page not found", TEXT), "Check url"),
    "collector, get": ("collector", Answer(405, b"", TEXT), "Check url"),
    "collector, page": ("collector", PAGE, "web page and no collector: check url"),
    "collector, moved": ("collector", AWAY, "Redirections are not followed: correct url"),
    "fluent-bit otlp, content type": (
        "fluent-bit otlp",
        Answer(400, b"error: invalid 'Content-Type'\n", TEXT),
        "takes JSON",
    ),
    "splunk, index": ("splunk", Answer(400, b'{"text":"Incorrect index","code":7}'), "Incorrect"),
    "splunk, no data": ("splunk", Answer(400, b'{"text":"No data","code":5}'), "No data"),
    "splunk, channel": (
        "splunk",
        Answer(400, b'{"text":"Data channel is missing","code":10}'),
        "Data channel",
    ),
    "splunk, ack": ("splunk", Answer(400, b'{"text":"ACK is disabled","code":14}'), "ACK"),
    "splunk, page": ("splunk", PAGE, "web page and no collector: check url"),
    "splunk ack, no id": (
        "splunk ack",
        Answer(200, b'{"text":"Success","code":0}'),
        "acknowledge = false",
    ),
    "opensearch, no index": (
        "opensearch",
        items(404, "index_not_found_exception"),
        "index_not_found_exception",
    ),
    "opensearch, mapping": (
        "opensearch",
        Answer(400, b'{"error":"illegal_argument"}'),
        "does the index take these documents",
    ),
    "opensearch, page": ("opensearch", PAGE, "web page and no collector: check url"),
    "opensearch, a document api": (
        "opensearch",
        Answer(201, b'{"_id":"x","result":"created"}'),
        "not that of a bulk API: check url",
    ),
    "clickhouse, no table": (
        "clickhouse",
        Answer(404, b"Code: 60. DB::Exception: Table castoff.inbox does not exist", TEXT),
        "Check url",
    ),
}


@pytest.mark.parametrize("case", list(SETTINGS))
def test_a_wrong_setting_costs_no_event_and_the_status_names_it(case: str) -> None:
    name, answer, named = SETTINGS[case]
    # Each event may be tried alone before the setting is blamed.
    store, worker, dead = run(name, waits, *[answer] * 100)
    assert (store.stored, dead, worker.cursor) == ([], 0, 0)
    counts = worker.health().counts
    assert (counts.configuration, counts.credentials) == (1, 0)
    error = worker.health().last_error
    assert error is not None
    assert named in error.text


CREDENTIALS: dict[str, tuple[str, Answer]] = {
    "fluent-bit splunk": (
        "fluent-bit splunk",
        Answer(401, b'{"text":"Invalid authorization","code":3}'),
    ),
    "vector, basic": ("vector", Answer(401, b"Missing/invalid username/password", TEXT)),
    "collector, bearer": ("collector", Answer(401, b"Unauthorized", TEXT)),
    "splunk, disabled": ("splunk", Answer(403, b'{"text":"Token disabled","code":1}')),
    "splunk, required": ("splunk", Answer(401, b'{"text":"Token is required","code":2}')),
    "splunk, malformed": ("splunk", Answer(401, b'{"text":"Invalid authorization","code":3}')),
    "splunk, unknown": ("splunk", Answer(403, b'{"text":"Invalid token","code":4}')),
    "opensearch, user": ("opensearch", Answer(401, b"Unauthorized", TEXT)),
    "opensearch, rights": ("opensearch", items(403, "security_exception")),
    "clickhouse": ("clickhouse", Answer(403, b"Code: 516. Authentication failed", TEXT)),
    "a proxy's portal": ("vector", Answer(511, b"")),
}


@pytest.mark.parametrize("case", list(CREDENTIALS))
def test_wrong_credentials_cost_no_event_and_are_counted(case: str) -> None:
    name, answer = CREDENTIALS[case]
    store, worker, dead = run(name, waits, *[answer] * 3)
    assert (store.stored, dead, worker.cursor) == ([], 0, 0)
    counts = worker.health().counts
    assert (counts.credentials, counts.configuration) == (1, 0)


# ---------------------------------------------------------------------------------- one is at fault

BAD = 17
"""The sequence of the event that a receiver does not take."""
REFUSALS: dict[str, tuple[str, Answer]] = {
    "fluent-bit http": ("fluent-bit http", Answer(400, b"error: invalid payload\n", TEXT)),
    "fluentd, too large": ("fluentd", Answer(413, b"413 Request Entity Too Large", TEXT)),
    "vector, rejected": ("vector", Answer(400, b"Contents failed to deliver to sink", TEXT)),
    "vector otlp, rejected": (
        "vector otlp",
        Answer(400, b"Contents failed to deliver to sink", TEXT),
    ),
    "collector, permanent": ("collector", Answer(500, b'{"code":13,"message":"Permanent error"}')),
    "collector, too large": ("collector", Answer(413, b"")),
    "splunk, format": (
        "splunk",
        Answer(400, b'{"text":"Invalid data format","code":6,"invalid-event-number":3}'),
    ),
    "splunk, indexed fields": ("splunk", Answer(400, b'{"text":"Error in handling","code":15}')),
    "splunk, too large": ("splunk", Answer(413, b'{"text":"Request entity too large","code":27}')),
    "opensearch, too large": ("opensearch", Answer(413, b"")),
    "clickhouse, parse": ("clickhouse", Answer(400, b"Code: 27. Cannot parse input", TEXT)),
}


@pytest.mark.parametrize("case", list(REFUSALS))
def test_only_the_event_at_fault_is_a_dead_letter(case: str) -> None:
    name, refusal = REFUSALS[case]
    store = Store()
    well = KINDS[name].well(store)
    bad = ids(name)[BAD].encode()

    def answer(received: Received) -> Answer:
        return refusal if bad in received.text else well(received)

    async def main() -> tuple[OutputWorker, int]:
        async with fake_http(answer) as fake:
            transport = KINDS[name].transport(fake.url, PATIENT)
            return await shipped(transport, everything, count=COUNT)

    worker, dead = asyncio.run(main())
    assert dead == 1
    assert sorted(store.ids) == sorted(set(ids(name)) - {bad.decode()})
    counts = worker.health().counts
    assert (counts.credentials, counts.configuration) == (0, 0)
