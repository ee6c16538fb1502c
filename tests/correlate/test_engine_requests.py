"""What becomes of a request decides whether it can have caused a start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.authority import HOST_ROOT, RequestFate
from sensor.correlate.engine_api.calls import Action, EngineCall
from sensor.correlate.engine_reach import Home
from sensor.correlate.engine_requests import REQUESTS_OF_ONE_MAX, Asked, EngineConnection
from sensor.correlate.naming import Names
from sensor.correlate.past import RecentPast
from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiRequest, ConnectionClosed
from tests.correlate.observations import DOCKER_SOCKET, caller, connects, ns, requests
from tests.correlate.scenario import WEB

# ------------------------------------------------------------------ answers


def followed(at: float, connection: int = 7) -> ApiConnect:
    return replace(connects(at, caller(70)), connection=connection)


def request(at: float, line: str, *, offset: int = 0, connection: int = 7) -> ApiRequest:
    text = f"{line} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"
    return replace(requests(at, caller(70), text.encode()), connection=connection, offset=offset)


def answer(at: float, status: str, connection: int = 7) -> ApiAnswer:
    text = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    return ApiAnswer(ns(at), f"ref:{at:g}", connection, DOCKER_SOCKET, text, offset=0)


START = "POST /v1.41/containers/web/start"
AFTERWARDS: dict[str, tuple[list[ApiAnswer | ConnectionClosed], RequestFate]] = {
    "nothing-yet": ([], RequestFate.WAITED),
    "accepted-afterwards": ([answer(20, "204 No Content")], RequestFate.WAITED),
    "accepted-before": ([answer(5, "204 No Content")], RequestFate.DONE),
    "refused": ([answer(5, "400 Bad Request")], RequestFate.REFUSED),
    "refused-afterwards": ([answer(20, "500 Internal Server Error")], RequestFate.REFUSED),
    "no-such-container": ([answer(5, "404 Not Found")], RequestFate.REFUSED),
    "closed-before": ([ConnectionClosed(ns(5), "r", 7)], RequestFate.DONE),
    "closed-afterwards": ([ConnectionClosed(ns(20), "r", 7)], RequestFate.WAITED),
}


@pytest.mark.parametrize(("then", "expected"), AFTERWARDS.values(), ids=AFTERWARDS)
def test_a_request_counts_by_what_became_of_it(
    empty: RecentPast, then: list[ApiAnswer | ConnectionClosed], expected: RequestFate
) -> None:
    """sec-refused-request-is-exact."""
    empty.add_connect(followed(0))
    empty.add_request(request(1, START))
    for one in then:
        if isinstance(one, ApiAnswer):
            empty.add_answer(one)
        else:
            empty.add_closed(one)
    (found,) = empty.requests(Names(WEB.id, "web"), Home(), 0, ns(100))
    assert found.answer(ns(10)) is expected


@pytest.mark.parametrize("late", [False, True], ids=["connect-first", "request-first"])
def test_a_request_to_a_users_own_engine_is_that_users_affair(
    empty: RecentPast, *, late: bool
) -> None:
    """sec-forged-client-is-exact: the connect was not followed, the request is read later."""
    connect = replace(followed(0), connection=None, foreign=True)
    if not late:
        empty.add_connect(connect)
    empty.add_request(request(1, START))
    if late:
        empty.add_connect(connect)
    (found,) = empty.requests(Names(WEB.id, "web"), Home(), 0, ns(100))
    assert found.foreign


def test_an_answer_that_is_seen_before_its_request_is_its_answer(empty: RecentPast) -> None:
    """sec-refused-request-is-exact: of a send to a port the end is seen."""
    empty.add_connect(followed(0))
    assert empty.add_answer(answer(1, "404 Not Found")) == []
    ((refused, _),) = empty.add_request(request(2, START))
    assert refused.answer(ns(10)) is RequestFate.REFUSED


@pytest.mark.parametrize(("at", "offset"), [(2, 60), (2000, 0)], ids=["second", "much-later"])
def test_an_answer_to_another_request_is_not_taken_for_the_answer(
    empty: RecentPast, at: float, offset: int
) -> None:
    empty.add_connect(followed(0))
    empty.add_answer(answer(1, "200 OK"))
    assert empty.add_request(request(at, START, offset=offset)) == []
    (found,) = empty.requests(Names(WEB.id, "web"), Home(), 0, ns(5000))
    assert found.answer(ns(at + 1)) is RequestFate.WAITED


def test_a_request_in_two_segments_is_one(empty: RecentPast) -> None:
    """sec-refused-request-is-exact: "P", and a moment later the rest."""
    empty.add_connect(followed(0))
    whole = request(2, START)
    empty.add_request(replace(whole, time=ns(1), payload=whole.payload[:1], offset=0))
    empty.add_request(replace(whole, payload=whole.payload[1:], offset=1))
    assert len(list(empty.requests(Names(WEB.id, "web"), Home(), 0, ns(100)))) == 1


POLLS: dict[str, tuple[list[object], bool]] = {
    "asked-nothing-that-starts": ([followed(0)], False),
    "asked-for-a-start": ([followed(0), request(1, START)], True),
    "could-not-be-read": ([followed(0), replace(request(1, START), payload=b"")], True),
    "ended-before": ([followed(0), request(1, START), ConnectionClosed(ns(5), "r", 7)], False),
    "is-not-followed": ([connects(0, caller(70))], True),
    "stopped-something": ([followed(0), request(1, "POST /containers/web/stop")], False),
}


@pytest.mark.parametrize(("story", "suspect"), POLLS.values(), ids=POLLS)
def test_a_connection_that_asked_for_no_start_is_not_a_suspect(
    empty: RecentPast, story: list[object], *, suspect: bool
) -> None:
    """monitor-that-polls."""
    for one in story:
        if isinstance(one, ApiConnect):
            empty.add_connect(one)
        elif isinstance(one, ApiRequest):
            empty.add_request(one)
        else:
            assert isinstance(one, ConnectionClosed)
            empty.add_closed(one)
    assert bool(list(empty.connects(0, ns(10)))) is suspect


def asked(action: Action, target: str | None = "web", number: int = 1) -> Asked:
    call = EngineCall(number, 7, ns(1), action, None, (target,) if target else ())
    who = caller(70)
    return Asked(call, who, "/run/docker.sock", ns(1), "r", HOST_ROOT, foreign=False, watched=True)


SENT: dict[str, tuple[Asked, bool, bool]] = {
    # What was asked, and whether its connection may have asked for another container's start
    # before the answer and after it.
    "start": (asked(Action.START), True, False),
    "restart": (asked(Action.RESTART), True, False),
    "prepare": (asked(Action.PREPARE), True, False),
    "start-that-names-none": (asked(Action.START, None), True, True),
    "build": (asked(Action.INDIRECT, None), True, True),
    "could-not-be-read": (asked(Action.UNKNOWN, None), True, True),
    "create": (asked(Action.CREATE), False, False),
    "stop": (asked(Action.STOP), False, False),
    "list": (asked(Action.NOTHING, None), False, False),
}


@pytest.mark.parametrize(("one", "before", "after"), SENT.values(), ids=SENT)
def test_a_connection_may_have_asked_until_its_request_is_used_up(
    one: Asked, *, before: bool, after: bool
) -> None:
    connection = EngineConnection()
    found = [connection.may_have_asked]
    connection.follow(one)
    found.append(connection.may_have_asked)
    del connection.waiting[one.call.number]
    found.append(connection.may_have_asked)
    assert found == [False, before, after]


def test_requests_beyond_the_limit_make_a_connection_a_suspect() -> None:
    connection = EngineConnection()
    for number in range(REQUESTS_OF_ONE_MAX):
        connection.follow(asked(Action.START, number=number))
    found = [connection.suspect]
    connection.follow(asked(Action.START, number=REQUESTS_OF_ONE_MAX))
    assert [*found, connection.suspect] == [False, True]
    assert len(connection.waiting) == REQUESTS_OF_ONE_MAX


def test_a_connect_that_is_looked_up_after_its_request_takes_nothing_from_it(
    empty: RecentPast,
) -> None:
    """The first client of an engine that has just begun."""
    empty.add_request(request(1, START))
    empty.add_connect(replace(followed(0), foreign=True))
    empty.add_answer(answer(5, "404 Not Found"))
    (found,) = empty.requests(Names(WEB.id, "web"), Home(), 0, ns(100))
    assert found.answer(ns(10)) is RequestFate.REFUSED
    assert found.foreign
