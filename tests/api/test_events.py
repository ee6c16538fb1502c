"""Events are sent once each, from the log and as they come, whatever the clients do."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sensor.api import http as http_module
from sensor.api.limits import LIMITS
from sensor.api.server import ControlServer
from tests.api.sample_agent import DATABASE, Following, Log, ask, documents, line, serving

SMALL = replace(LIMITS, page_rows=3, heartbeat_seconds=0.1)


def publish(server: ControlServer, number: int, name: str = "web") -> None:
    server.publish(number, lambda: line(number, name=name))


def sequences(found: list[dict[str, object]]) -> list[int]:
    return [int(str(one["cursor"]).rpartition("-")[2]) for one in found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], id="everything"),
        pytest.param("limit=2", [1, 2], id="the first"),
        pytest.param("tail=2", [9, 10], id="the last"),
        pytest.param("tail=4", [7, 8, 9, 10], id="the last of two pages"),
        pytest.param("tail=99", list(range(1, 11)), id="more than there are"),
        pytest.param("since=1970-01-01T00:00:08", [8, 9, 10], id="since"),
        pytest.param("until=1970-01-01T00:00:02", [1, 2], id="until"),
        pytest.param("tail=1&until=1970-01-01T00:00:05", [5], id="the last until then"),
        pytest.param("after=abc123-7", [8, 9, 10], id="after a cursor"),
        pytest.param("after=abc123-10", [], id="after the last"),
        pytest.param("filter=name=db", [4], id="a name"),
        pytest.param(f"filter=container={DATABASE[:5]}", [4], id="the beginning of an id"),
        pytest.param("filter=name=db&filter=name=web&limit=4", [1, 2, 3, 4], id="or"),
        pytest.param("filter=name=db&filter=runtime=podman", [], id="and"),
        pytest.param("type=stop", [6], id="a short type"),
        pytest.param("type=container.stop,gap", [6], id="types"),
        pytest.param("tail=1&filter=name=db", [4], id="the last of a name"),
    ],
)
def test_the_log_is_asked(query: str, expected: list[int]) -> None:
    log = Log(10)
    log.events[4] = line(4, id=DATABASE, name="db")
    log.events[6] = line(6, "container.stop")

    async def scenario(_: ControlServer, path: Path) -> None:
        found = await documents(path, f"/v1/events?{query}")
        assert sequences(found) == expected
        assert all(one["schema"] == "castoff.event/1" for one in found)

    serving(scenario, log=log, limits=SMALL)


def test_a_line_is_the_document_with_its_cursor() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        body = (await ask(path, "/v1/events"))[1]
        assert body.startswith(b'{"cursor":"abc123-1","schema":"castoff.event/1",')
        assert json.loads(body) == {"cursor": "abc123-1", **json.loads(line(1))}

    serving(scenario, log=Log(1))


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("nope=1", 400, "'nope' is not a parameter"),
        ("limit=0", 400, "limit is a number from 1"),
        ("limit=x", 400, "limit is a number from 1"),
        ("limit=%D9%A3", 400, "limit is a number from 1"),
        ("limit=1&limit=2", 400, "given twice"),
        ("tail=1&limit=1", 400, "tail stands alone"),
        ("follow=maybe", 400, "follow is 1 or 0"),
        ("since=yesterday", 400, "is not a time"),
        ("after=7", 400, "is not a cursor"),
        ("filter=name", 400, "write key=value"),
        ("filter=colour=red", 400, "'colour' is not a filter"),
        ("filter=kind=fast", 400, "'fast' is not a value of kind"),
        ("type=nothing", 400, "is not a type of event"),
        ("limit", 400, "bad query field"),
        ("filter=name=%ff", 400, "utf-8"),
        ("&".join(f"filter=name={n}" for n in range(40)), 400, "more than 32 filters"),
        ("&".join(f"filter=name={n}" for n in range(99)), 400, "Max number of fields"),
        ("after=other1-3", 410, "not kept"),
        ("after=abc123-1", 410, "not kept"),
        ("after=abc123-99", 410, "not kept"),
    ],
)
def test_what_makes_no_sense_is_said(query: str, status: int, reason: str) -> None:
    log = Log(5)
    log.dropped = 2

    async def scenario(_: ControlServer, path: Path) -> None:
        answer, body = await ask(path, f"/v1/events?{query}")
        assert (answer, reason in json.loads(body)["error"]) == (status, True), body
        if status == 410:
            assert json.loads(body)["oldest"] == "abc123-2"

    serving(scenario, log=log)


def test_a_follower_gets_what_was_and_what_comes_once_each() -> None:
    log = Log(10)

    async def scenario(server: ControlServer, path: Path) -> None:
        following = await Following.begin(path, "&since=1970-01-01T00:00:01")
        found: list[dict[str, object]] = []
        for number in range(11, 31):
            log.events[number] = line(number)
            publish(server, number)
            await asyncio.sleep(0.001)
        while len(found) < 30:
            document = await following.next()
            assert document is not None
            if document["schema"] == "castoff.event/1":
                found.append(document)
        assert sequences(found) == list(range(1, 31))
        following.close()

    serving(scenario, log=log, limits=SMALL)


def test_a_follower_without_more_gets_only_what_comes_and_only_what_it_asks_for() -> None:
    async def scenario(server: ControlServer, path: Path) -> None:
        following = await Following.begin(path, "&filter=name=db")
        server.publish(4, lambda: line(4))
        server.publish(5, lambda: line(5, name="db"))
        document = await following.next()
        assert document is not None
        assert sequences([document]) == [5]
        # The cursor of a heartbeat has passed what was not wanted.
        server.publish(6, lambda: line(6))
        document = await following.next()
        assert document is not None
        assert (document["type"], sequences([document])) == ("heartbeat", [6])
        following.close()

    serving(scenario, log=Log(3), limits=SMALL)


def test_a_limit_and_an_until_end_a_follower() -> None:
    async def scenario(server: ControlServer, path: Path) -> None:
        following = await Following.begin(path, "&limit=2")
        for number in (4, 5, 6):
            publish(server, number)
        assert [await following.next() is None for _ in range(3)] == [False, False, True]
        late = await Following.begin(path, "&until=1s")
        assert await late.next() is None

    serving(scenario, log=Log(3), limits=SMALL)


def test_nothing_is_encoded_without_a_follower() -> None:
    def never() -> bytes:
        raise AssertionError

    async def scenario(server: ControlServer, path: Path) -> None:
        server.publish(1, never)
        following = await Following.begin(path)
        assert server.following == 1
        following.close()
        while server.following:
            await asyncio.sleep(0.01)
        server.publish(2, never)

    serving(scenario, log=Log())


def test_an_event_is_encoded_once_for_all() -> None:
    asked: list[int] = []

    def encode() -> bytes:
        asked.append(1)
        return line(1)

    async def scenario(server: ControlServer, path: Path) -> None:
        clients = [await Following.begin(path, "&filter=name=web") for _ in range(3)]
        clients += [await Following.begin(path) for _ in range(3)]
        server.publish(1, encode)
        for client in clients:
            document = await client.next()
            assert document is not None
            assert document["id"] == "id-1"
            client.close()
        assert asked == [1]

    serving(scenario, log=Log())


def test_one_stuck_follower_is_cut_with_a_gap_and_49_others_miss_nothing() -> None:
    limits = replace(LIMITS, queue_lines=100)
    padding = "x" * 4000

    async def scenario(server: ControlServer, path: Path) -> None:
        stuck = await Following.begin(path)
        others = [await Following.begin(path) for _ in range(49)]

        async def read(client: Following, last: int) -> list[int]:
            found: list[int] = []
            while not found or found[-1] < last:
                document = await client.next()
                assert document is not None
                found += sequences([document])
            return found

        stuck.reader._transport.pause_reading()  # type: ignore[attr-defined]  # private to asyncio
        # In pieces that every queue has room for, however slow the machine is.
        for piece in (range(begin, begin + 50) for begin in range(1, 401, 50)):
            for number in piece:
                publish(server, number, padding)
            found = await asyncio.gather(*(read(client, piece[-1]) for client in others))
            assert all(one == list(piece) for one in found)
        stuck.reader._transport.resume_reading()  # type: ignore[attr-defined]  # private to asyncio
        seen = []
        while (document := await stuck.next()) is not None:
            seen.append(document)
        *events, gap = seen
        loss = gap["gap"]
        assert (gap["schema"], gap["type"]) == ("castoff.stream/1", "gap")
        assert isinstance(loss, dict)
        assert sequences(events) == list(range(1, len(events) + 1))
        assert loss["lost"] == 400 - len(events)
        assert gap["cursor"] == events[-1]["cursor"]
        assert server._followers.cut == 1
        for client in others:
            client.close()

    serving(scenario, log=Log(), limits=limits)


def test_a_follower_that_never_reads_again_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(http_module, "WRITE_SECONDS", 0.2)

    async def scenario(server: ControlServer, path: Path) -> None:
        stuck = await Following.begin(path)
        stuck.reader._transport.pause_reading()  # type: ignore[attr-defined]  # private to asyncio
        for number in range(1, 200):
            publish(server, number, "x" * 4000)
        while server.following or server._clients:
            await asyncio.sleep(0.02)
        stuck.close()

    serving(scenario, log=Log())


def test_one_follower_too_many_is_refused_and_a_place_becomes_free() -> None:
    async def scenario(server: ControlServer, path: Path) -> None:
        first = await Following.begin(path)
        second = await Following.begin(path)
        status, body = await ask(path, "/v1/events?follow=1")
        assert (status, b"too many followers" in body) == (503, True)
        assert (await ask(path, "/v1/events"))[0] == 200
        first.close()
        while server.following > 1:
            await asyncio.sleep(0.01)
        (await Following.begin(path)).close()
        second.close()

    serving(scenario, log=Log(3), limits=replace(LIMITS, followers=2))


def test_a_head_request_takes_no_follower_s_place() -> None:
    async def scenario(server: ControlServer, path: Path) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"HEAD /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.read()
        assert head.startswith(b"HTTP/1.1 200 ")
        assert head.endswith(b"\r\n\r\n")
        writer.close()
        while server.following:
            await asyncio.sleep(0.01)

    serving(scenario, log=Log(3))


def test_a_query_that_takes_too_long_ends_with_a_cursor() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        found = await documents(path, "/v1/events?filter=name=nobody")
        assert [one["type"] for one in found] == ["more"]
        assert sequences(found) == [3]

    serving(scenario, log=Log(10), limits=replace(SMALL, query_seconds=0))


def test_following_ends_in_time() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        following = await Following.begin(path)
        assert await following.next() is None

    serving(scenario, log=Log(), limits=replace(LIMITS, follow_seconds=0.1))


def test_an_unreadable_log_is_reported_by_status_or_by_a_line() -> None:
    log = Log(10)

    async def scenario(_: ControlServer, path: Path) -> None:
        log.failing = "castoff.db cannot be read"
        assert await ask(path, "/v1/events") == (503, b'{"error":"castoff.db cannot be read"}\n')
        log.failing = None
        following = await Following.begin(path, "&after=abc123-1")
        log.failing = "gone"
        last: dict[str, object] = {}
        while (document := await following.next()) is not None:
            last = document
        assert (last["type"], last["error"]) == ("error", "gone")

    serving(scenario, log=log, limits=SMALL)


def test_without_a_log_what_comes_can_still_be_followed() -> None:
    async def scenario(server: ControlServer, path: Path) -> None:
        assert (await ask(path, "/v1/events"))[0] == 503
        following = await Following.begin(path)
        server.publish(9, lambda: line(9))
        document = await following.next()
        assert document is not None
        assert document["cursor"] == "live-9"
        following.close()

    serving(scenario)
