"""Outputs over the socket: read by all who may use it, commanded by root alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sensor.api import deliveries
from sensor.api.deliveries import action_of
from sensor.api.http import HttpRequest
from sensor.api.server import ControlServer
from sensor.linux.peer import Peer
from tests.api.sample_agent import Outputs, ask, serving
from tests.api.test_status import DELIVERY

ROOT = Peer(1, 0, 0, frozenset())
SOMEBODY = Peer(1, 1000, 1000, frozenset({999}))


def commanded(
    path: str, query: str = "", peer: Peer | None = ROOT
) -> tuple[int, dict[str, object]]:
    outputs = Outputs()
    request = HttpRequest("POST", path, query)
    answer = asyncio.run(deliveries.command(outputs, request, peer))
    document = json.loads(answer.body)
    assert isinstance(document, dict)
    return answer.status, document | {"commands": outputs.commands}


def test_outputs_are_listed_and_commanded_over_the_socket() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        status, body = await ask(path, "/v1/outputs")
        assert status == 200
        (shown,) = json.loads(body)["outputs"]
        assert shown["name"] == DELIVERY.name
        assert shown["last_error"] == DELIVERY.last_error
        status, body = await ask(path, "/v1/outputs/local/rewind?since=1h", "POST")
        assert (status, json.loads(body)["events"]) == (200, 38)
        status, body = await ask(path, "/v1/outputs/local/retry-dead", "POST")
        assert (status, json.loads(body)) == (200, {"output": "local", "events": 1})
        for target, method in (("/v1/outputs/local/retry-dead", "GET"), ("/v1/outputs", "POST")):
            status, body = await ask(path, target, method)
            assert status == 405, body

    serving(scenario, deliveries=Outputs())


@pytest.mark.parametrize("peer", [SOMEBODY, None])
@pytest.mark.parametrize("action", ["rewind", "retry-dead"])
def test_only_root_commands(peer: Peer | None, action: str) -> None:
    status, document = commanded(f"/v1/outputs/local/{action}", "since=1h", peer)
    assert (status, document["commands"]) == (403, [])


def test_an_output_that_is_none_is_not_found() -> None:
    assert commanded("/v1/outputs/other/rewind", "since=1h")[0] == 404
    assert commanded("/v1/outputs/other/retry-dead")[0] == 404
    request = HttpRequest("POST", "/v1/outputs/local/retry-dead", "")
    assert asyncio.run(deliveries.command(None, request, ROOT)).status == 404


@pytest.mark.parametrize("query", ["", "since=yesterday", "since=1h&x=1", "since=2100-01-01"])
def test_a_rewind_without_a_time_that_makes_sense_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match=r"since|time|parameter"):
        commanded("/v1/outputs/local/rewind", query)


def test_the_time_arrives() -> None:
    _, document = commanded("/v1/outputs/local/rewind", "since=1700000000")
    assert document["commands"] == [("rewind", "local", 1_700_000_000 * 1_000_000_000)]


@pytest.mark.parametrize(
    "path",
    ["/v1/outputs", "/v1/outputs//rewind", "/v1/outputs/a/b/rewind", "/v1/outputs/a/stop", "/"],
)
def test_other_paths_are_not_an_action(path: str) -> None:
    assert action_of(path) is None
