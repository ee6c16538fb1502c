"""What known receivers answer, one function a behaviour, for the servers of ``fake_http``.

Each has its source: a product's own documentation, its code, or a run of the real one (Fluent Bit
5.1.1). ``stored`` are the documents that the receiver keeps, in the order in which it took them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.outputs.fake_http import Answer, Received

TEXT = (("Content-Type", "text/plain"),)
JSON = (("Content-Type", "application/json"),)
PROTOBUF = (("Content-Type", "application/x-protobuf"),)


@dataclass
class Store:
    """What a receiver has taken."""

    stored: list[dict[str, Any]] = field(default_factory=list)
    polls: int = 0

    @property
    def ids(self) -> list[str]:
        return [document["id"] for document in self.stored]


def otlp_documents(received: Received) -> list[dict[str, Any]]:
    """Return the attributes of each log record, with ``log.record.uid`` as ``id``."""
    documents = []
    for resource in json.loads(received.text)["resourceLogs"]:
        for scope in resource["scopeLogs"]:
            for record in scope["logRecords"]:
                attributes = {one["key"]: one["value"] for one in record["attributes"]}
                documents.append({"id": attributes["log.record.uid"]["stringValue"], **record})
    return documents


def hec_documents(received: Received) -> list[dict[str, Any]]:
    """Return the events of envelopes that follow each other."""
    decoder = json.JSONDecoder()
    text, at, documents = received.text.decode(), 0, []
    while at < len(text):
        envelope, at = decoder.raw_decode(text, at)
        documents.append(envelope["event"])
        at += len(text[at:]) - len(text[at:].lstrip())
    return documents


def _kind(received: Received) -> str:
    return received.headers.get("content-type", "").partition(";")[0]


# ------------------------------------------------------------------------------------ plain HTTP


def fluent_bit_http(store: Store, status: int = 201) -> Callable[[Received], Answer]:
    """Fluent Bit's ``http`` input: application/json only (process_payload in in_http)."""

    def answer(received: Received) -> Answer:
        if _kind(received) != "application/json":
            return Answer(400, b"error: invalid 'Content-Type'\n", TEXT)
        try:
            found = json.loads(received.text)
        except ValueError:
            return Answer(400, b"error: invalid payload\n", TEXT)
        store.stored += found if isinstance(found, list) else [found]
        return Answer(status, b"", (("Server", "Fluent Bit v5.1.1"),))

    return answer


def fluentd_http(store: Store) -> Callable[[Received], Answer]:
    """Fluentd's ``http`` source: JSON or ndjson, an empty text for an answer."""

    def answer(received: Received) -> Answer:
        if _kind(received) == "application/x-ndjson":
            store.stored += [json.loads(line) for line in received.text.splitlines()]
        elif _kind(received) == "application/json":
            store.stored += json.loads(received.text)
        else:
            return Answer(400, b"'json', 'ndjson' or 'msgpack' parameter is required", TEXT)
        return Answer(200, b"", TEXT)

    return answer


def vector_http_server(store: Store) -> Callable[[Received], Answer]:
    """Vector's ``http_server`` source with ``encoding: ndjson``: 200 and nothing else."""

    def answer(received: Received) -> Answer:
        store.stored += [json.loads(line) for line in received.text.splitlines()]
        return Answer(200, b"", TEXT)

    return answer


def gateway(store: Store, status: int) -> Callable[[Received], Answer]:
    """A gateway that queues what it is sent and answers with some 2xx."""

    def answer(received: Received) -> Answer:
        store.stored += [json.loads(line) for line in received.text.splitlines()]
        return Answer(status, b"" if status == 204 else b"accepted", TEXT)

    return answer


# ------------------------------------------------------------------------------------------ OTLP


def otlp(
    store: Store,
    status: int = 200,
    body: bytes = b"{}",
    headers: Any = JSON,
) -> Callable[[Received], Answer]:
    """Any receiver of OTLP/HTTP that takes JSON."""

    def answer(received: Received) -> Answer:
        if received.target != "/v1/logs":
            return Answer(404, b"404 page not found", TEXT)
        if _kind(received) != "application/json":
            return Answer(415, b"415 unsupported media type", TEXT)
        store.stored += otlp_documents(received)
        return Answer(status, body, headers)

    return answer


def fluent_bit_otlp(store: Store, status: int = 201) -> Callable[[Received], Answer]:
    """Fluent Bit's ``opentelemetry`` input: ``successful_response_code`` is 201, 200 or 204."""
    return otlp(store, status, b"", (("Server", "Fluent Bit v5.1.1"),))


def opentelemetry_collector(store: Store) -> Callable[[Received], Answer]:
    """The OpenTelemetry Collector: 200 with an empty partial success."""
    return otlp(store, 200, b'{"partialSuccess":{}}')


def vector_otlp(store: Store) -> Callable[[Received], Answer]:
    """Vector's ``opentelemetry`` source answers with an empty protobuf message."""
    return otlp(store, 200, b"", PROTOBUF)


# ------------------------------------------------------------------------------------------- HEC


def splunk(
    store: Store, token: str, *, acknowledge: bool = False, polls: int = 1
) -> Callable[[Received], Answer]:
    """Splunk's event collector. With ``acknowledge`` the ``polls``-th question is answered yes."""

    def answer(received: Received) -> Answer:
        if received.headers.get("authorization") != f"Splunk {token}":
            return Answer(403, b'{"text":"Invalid token","code":4}')
        if received.target.startswith("/services/collector/ack"):
            store.polls += 1
            acks = {str(one): store.polls >= polls for one in json.loads(received.text)["acks"]}
            return Answer(200, json.dumps({"acks": acks}).encode())
        if received.target != "/services/collector/event":
            return Answer(404, b'{"text":"The requested URL was not found","code":404}')
        if acknowledge and "x-splunk-request-channel" not in received.headers:
            return Answer(400, b'{"text":"Data channel is missing","code":10}')
        store.stored += hec_documents(received)
        reported = {"text": "Success", "code": 0} | ({"ackId": 7} if acknowledge else {})
        return Answer(200, json.dumps(reported).encode())

    return answer


def fluent_bit_splunk(store: Store, token: str) -> Callable[[Received], Answer]:
    """Fluent Bit's ``splunk`` input: 401 without the token, no ackId."""

    def answer(received: Received) -> Answer:
        if received.headers.get("authorization") != f"Splunk {token}":
            return Answer(401, b'{"text":"Invalid authorization","code":3}\n')
        store.stored += hec_documents(received)
        return Answer(200, b'{"text":"Success","code":0}')

    return answer


# ------------------------------------------------------------------------------------------ bulk


def opensearch(
    store: Store, user: str | None = None, refused: frozenset[str] = frozenset()
) -> Callable[[Received], Answer]:
    """The bulk API of OpenSearch and Elasticsearch; ``refused`` ids fail the mapping."""

    def answer(received: Received) -> Answer:
        if not received.target.startswith("/_bulk"):
            return Answer(405, b'{"error":"Incorrect HTTP method"}')
        if user is not None and not received.headers.get("authorization", "").startswith("Basic "):
            return Answer(401, b'{"error":"Unauthorized"}')
        lines = received.text.splitlines()
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            id_ = json.loads(action)["create"]["_id"]
            if id_ in store.ids:
                items.append({"create": {"status": 409, "error": {"type": "version_conflict"}}})
            elif id_ in refused:
                error = {"type": "mapper_parsing_exception", "reason": "failed to parse"}
                items.append({"create": {"status": 400, "error": error}})
            else:
                store.stored.append(
                    {
                        **json.loads(document),
                        "id": id_,
                        "_index": json.loads(action)["create"]["_index"],
                    }
                )
                items.append({"create": {"status": 201}})
        errors = any("error" in one["create"] for one in items)
        return Answer(200, json.dumps({"errors": errors, "items": items}).encode())

    return answer
