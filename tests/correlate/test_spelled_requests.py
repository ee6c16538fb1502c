"""Requests and command lines as the engines accept them, spelled as people rarely do.

The reading that is expected follows from what dockerd does with each (Go's net/http and its router,
moby's name index, the option tables of the clients).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiRequest, Caller
from sensor.model.vocabulary import Trigger
from tests.correlate.cases import (
    ANN,
    BOB,
    BY_API,
    BY_PERSON,
    EXACT,
    INFERRED,
    NONE,
    cause,
    poll,
    starts,
)
from tests.correlate.observations import DOCKER_SOCKET, asks, caller, connects, ns, requests
from tests.correlate.scenario import DB, WEB, Core

HEAD = b"\r\nHost: d\r\n"
EMPTY = HEAD + b"Content-Length: 0\r\n\r\n"
START_WEB = b"POST /v1.41/containers/web/start HTTP/1.1" + EMPTY
IN_CHUNKS = b"POST /auth HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n"
START_DB = b"POST /v1.41/containers/db/start HTTP/1.1" + EMPTY
UNKNOWN = (Trigger.UNKNOWN, NONE, None)


def followed(at: float, who: Caller, connection: int = 1) -> ApiConnect:
    return replace(connects(at, who), connection=connection)


def sends(at: float, who: Caller, text: bytes, connection: int = 1, offset: int = 0) -> ApiRequest:
    return replace(requests(at, who, text), connection=connection, offset=offset)


def answers(at: float, text: bytes, connection: int = 1, offset: int = 0) -> ApiAnswer:
    return ApiAnswer(ns(at), f"r:{at:g}", connection, DOCKER_SOCKET, text, offset=offset)


# ----------------------------------------------------------------- requests

ACCEPTED = {
    "lines that end with LF alone": b"POST /containers/web/start HTTP/1.1\nHost: d\n\n",
    "HTTP/1.0": b"POST /containers/web/start HTTP/1.0\r\n\r\n",
    "letters as escapes": b"POST /v1.41/%63ontainers/%77eb/st%61rt HTTP/1.1" + EMPTY,
    "a query that names another": b"POST /containers/web/start?name=db HTTP/1.1" + EMPTY,
    "a long header before the host": b"POST /containers/web/start HTTP/1.1\r\nX: "
    + b"x" * 700
    + EMPTY,
    "an unknown scheme": b"POST x://d/v1.41/containers/web/start HTTP/1.1" + EMPTY,
    "behind another request": b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n" + START_WEB,
    "behind a body with a length": b"POST /auth HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}"
    + START_WEB,
    "behind a body in chunks that also has a length": IN_CHUNKS
    + b"Content-Length: 999\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n"
    + START_WEB,
}


@pytest.mark.parametrize("how", ACCEPTED)
def test_a_request_that_the_engine_accepts_names_who_sent_it(core: Core, how: str) -> None:
    core >> followed(0, caller(ANN)) >> poll(0, BOB) >> sends(1, caller(ANN), ACCEPTED[how])
    core >> starts(WEB, 10)
    trigger, confidence, pid = cause(core.start)
    assert (trigger, pid) == (BY_API, ANN)
    assert confidence in (EXACT, INFERRED)


QUOTED = {
    "in a body": b"POST /auth HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n" % len(START_WEB)
    + START_WEB,
    "in a chunk": IN_CHUNKS + b"\r\n%x\r\n" % len(START_WEB) + START_WEB + b"\r\n0\r\n\r\n",
    "in a header": b"GET /_ping HTTP/1.1"
    + HEAD
    + b"X: POST /containers/web/start HTTP/1.1\r\n\r\n",
    "in a query": b"GET /info?x=/containers/web/start HTTP/1.1\r\nHost: d\r\n\r\n",
    "of another method": b"GET /containers/web/start HTTP/1.1\r\nHost: d\r\n\r\n",
}


@pytest.mark.parametrize("how", QUOTED)
def test_a_request_that_only_quotes_another_started_nothing(core: Core, how: str) -> None:
    core >> followed(0, caller(ANN)) >> sends(1, caller(ANN), QUOTED[how])
    core >> starts(WEB, 10)
    assert cause(core.start) == UNKNOWN


def test_two_requests_in_one_segment_are_two_causes(core: Core) -> None:
    core >> followed(0, caller(ANN)) >> sends(1, caller(ANN), START_WEB + START_DB)
    core >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, EXACT, ANN)
    core >> answers(11, b"HTTP/1.1 204 No Content\r\n\r\n") >> starts(DB, 20)
    assert cause(core.starts[-1]) == (BY_API, EXACT, ANN)


def test_an_engine_that_asks_for_the_body_first_has_answered_nothing(core: Core) -> None:
    head = b"POST /containers/web/start HTTP/1.1" + HEAD
    text = head + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    core >> followed(0, caller(ANN)) >> sends(1, caller(ANN), text)
    core >> answers(2, b"HTTP/1.1 100 Continue\r\n\r\n")
    core >> sends(3, caller(ANN), b"{}", offset=len(text)) >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, EXACT, ANN)


@pytest.mark.parametrize("cut", [1, 7, 9, 10, 12, 15])
def test_a_refusal_in_two_segments_is_a_refusal(core: Core, cut: int) -> None:
    refusal = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    core >> followed(0, caller(ANN)) >> sends(1, caller(ANN), START_WEB)
    core >> answers(2, refusal[:cut]) >> answers(3, refusal[cut:], offset=cut)
    core >> starts(WEB, 500)
    assert cause(core.start) == UNKNOWN


def test_a_request_on_a_connection_that_another_process_made_is_its_senders(core: Core) -> None:
    """By fork, or passed on with SCM_RIGHTS: who writes asks."""
    core >> followed(0, caller(ANN, uid=0)) >> sends(1, caller(BOB, uid=1001), START_WEB)
    core >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, EXACT, BOB)


def test_a_name_of_a_link_may_mean_any_container(core: Core) -> None:
    """Moby's index has ``/web/alias`` for each link, and the route takes it."""
    text = b"POST /v1.41/containers/app/alias/start HTTP/1.1" + EMPTY
    core >> followed(0, caller(ANN)) >> sends(1, caller(ANN), text) >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, INFERRED, ANN)


def test_a_name_of_a_link_that_the_engine_did_not_know_started_nothing(core: Core) -> None:
    text = b"POST /v1.41/containers/app/alias/start HTTP/1.1" + EMPTY
    core >> followed(0, caller(ANN)) >> sends(1, caller(ANN), text)
    core >> answers(2, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    core >> starts(WEB, 500)
    assert cause(core.start) == UNKNOWN


# ----------------------------------------------------------------- command lines


def test_a_name_with_a_slash_in_front_is_the_name(core: Core) -> None:
    """``docker run --name /web``: dockerd takes it, and the name is ``web``."""
    core >> asks(0, "docker run --name /web bb", ANN) >> asks(0, "docker run bb", BOB)
    core >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)


@pytest.mark.parametrize(
    "line", ["docker update --restart=always web", "podman update --memory 1g web"]
)
def test_an_update_starts_nothing(core: Core, line: str) -> None:
    core >> asks(0, line, ANN) >> starts(WEB, 10)
    assert cause(core.start) == UNKNOWN


@pytest.mark.parametrize(
    "line",
    [
        "docker buildx --builder mine build .",
        "docker buildx --builder=mine bake",
        "docker buildx --debug build .",
    ],
)
def test_a_build_with_a_builder_of_its_own_may_have_started_it(core: Core, line: str) -> None:
    core >> asks(0, line, ANN) >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, INFERRED, ANN)


COMPOSED = (
    ("com.docker.compose.project", "shop"),
    ("com.docker.compose.service", "web"),
    ("com.docker.compose.project.working_dir", "/home/ann"),
)


@pytest.mark.parametrize(
    "line",
    [
        "docker compose up -w web",
        "docker compose up --watch web db",
        "docker compose up -w web db",
        "docker compose up -dw web db",
        "docker compose up -y --menu=false web",
        "docker compose up -V --no-deps web",
        "docker compose -p shop up --scale web=2 -d web",
    ],
)
def test_a_service_behind_a_switch_of_compose_is_named(core: Core, line: str) -> None:
    core >> asks(0, line, ANN) >> asks(0, "docker run bb", BOB)
    core >> starts(WEB, 10, labels=COMPOSED)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)
