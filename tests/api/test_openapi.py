"""The server does what its OpenAPI document says, whatever is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from sensor.api.client import AgentClient
from sensor.api.limits import LIMITS
from sensor.api.resources import OPENAPI
from tests.api.bridge import Running, running
from tests.api.sample_agent import Judged, Log, Outputs, View

DOCUMENT = json.loads(OPENAPI.read_text())
CHECKS = [
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
COVERAGE = (
    b'{"since":"a","covers_since":"a","until":"b","starts":0,"layers":{"kernel":0},'
    b'"listening":0,"disagreements":[]}\n'
)
schema = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    limits = replace(LIMITS, follow_seconds=0.02)
    with running(
        View(), Log(20), limits, {"/v1/coverage": lambda _: COVERAGE}, Outputs(), Judged()
    ) as one:
        yield one


@schema.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_the_document_says(case: schemathesis.Case[Any], server: Running) -> None:
    response = case.call(base_url=f"http://127.0.0.1:{server.port}", timeout=10)
    case.validate_response(response, checks=CHECKS)


@pytest.mark.parametrize(
    ("path", "parameters", "query", "status"),
    [
        ("/v1/explain/{id}", {"id": "web"}, {}, 200),
        ("/v1/containers/{id}", {"id": "web"}, {}, 200),
        ("/v1/containers/{id}", {"id": "4f"}, {}, 409),
        ("/v1/whois/{pid}", {"pid": 4243}, {}, 200),
        ("/v1/whois/{pid}", {"pid": 1}, {}, 200),
        ("/v1/whois/{pid}", {"pid": 9}, {}, 404),
        ("/v1/events", {}, {"after": "zz-1"}, 410),
    ],
)
def test_answers_that_chance_does_not_find(
    server: Running,
    path: str,
    parameters: dict[str, object],
    query: dict[str, object],
    status: int,
) -> None:
    case = schema[path]["GET"].Case(path_parameters=parameters, query=query)
    response = case.call(base_url=f"http://127.0.0.1:{server.port}", timeout=10)
    assert response.status_code == status
    case.validate_response(response, checks=CHECKS)


def test_the_document_is_served(server: Running) -> None:
    assert json.loads(AgentClient(server.path).get("/v1/openapi.json")) == DOCUMENT
