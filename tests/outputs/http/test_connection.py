"""Connections are kept, shared, and given up when they are not sound."""

from __future__ import annotations

import asyncio

import pytest

from sensor.outputs.http import connection
from sensor.outputs.http.client import HttpClient
from tests.outputs.fake_http import Answer, FakeHttp, Fault
from tests.outputs.http.requesting import BODY, talk


def test_connections_are_kept_and_shared_by_requests_one_after_the_other() -> None:
    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        for _ in range(5):
            await client.post(BODY)
        assert fake.connections == 1
        await asyncio.gather(*(client.post(BODY) for _ in range(3)))
        assert fake.connections == 3
        assert len(fake.received) == 8

    talk(scenario)


def test_a_server_that_closes_after_each_answer_is_dialled_anew() -> None:
    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        for _ in range(3):
            assert (await client.post(BODY)).status == 200
        assert fake.connections == 3

    talk(scenario, Answer(and_close=True))


def test_a_kept_connection_that_the_server_closed_costs_no_failure() -> None:
    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        assert (await client.post(BODY)).status == 200
        assert (await client.post(BODY)).status == 200
        assert fake.connections == 2
        assert len(fake.received) == 3

    talk(scenario, Answer(), Fault.CLOSE, Answer())


def test_an_answer_that_no_request_asked_for_is_not_taken_for_the_next_ones() -> None:
    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        assert (await client.post(BODY)).status == 200
        await asyncio.sleep(0)
        assert (await client.post(BODY)).status == 503
        assert fake.connections == 2

    unasked = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    talk(scenario, Answer(unasked=unasked), Answer(503))


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"?", b""])
def test_a_kept_connection_on_which_the_server_spoke_or_closed_is_given_up(said: bytes) -> None:
    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        assert (await client.post(BODY)).status == 200
        if said:
            fake.writers[0].write(said)
        else:
            fake.writers[0].close()
        silence = client._idle[0]._silence
        assert silence is not None
        await asyncio.wait({silence})
        assert (await client.post(BODY)).status == 503
        assert fake.connections == 2
        assert len(fake.received) == 2

    talk(scenario, Answer(), Answer(503))


def test_a_connection_that_was_idle_for_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        await client.post(BODY)
        await client.post(BODY)
        assert fake.connections == 2

    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.0)
    talk(scenario)
