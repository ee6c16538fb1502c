"""Requests over HTTP/1.1: whole answers, faults in words, secrets blotted out."""

from __future__ import annotations

import asyncio

import pytest

from sensor.outputs.http.client import HttpClient, HttpFailed
from sensor.outputs.http.message import HttpUrl
from tests.outputs.fake_http import Answer, FakeHttp, Fault, fake_http
from tests.outputs.http.requesting import BODY, TOKEN, talk


async def reason_of(client: HttpClient, body: bytes = BODY) -> str:
    with pytest.raises(HttpFailed) as failed:
        await client.post(body)
    return failed.value.reason


def test_a_request_carries_its_headers_and_body_and_the_answer_comes_whole() -> None:
    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        answer = await client.post(BODY, (("Content-Type", "application/json"),))
        assert (answer.status, answer.body) == (201, b"made")
        assert answer.header("x-thing") == "7"
        (request,) = fake.received
        assert (request.method, request.target, request.body) == ("POST", "/in?x=1", BODY)
        assert request.headers["host"] == f"127.0.0.1:{fake.port}"
        assert request.headers["authorization"] == TOKEN
        assert request.headers["content-type"] == "application/json"

    talk(scenario, Answer(201, b"made", (("X-Thing", "7"),)))


def test_a_redirect_is_not_followed() -> None:
    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        assert (await client.post(BODY)).status == 307
        assert len(fake.received) == 1

    talk(scenario, Answer(307, headers=(("Location", "/elsewhere"),)))


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (Fault.HANG, "no whole answer within 0.2 s"),
        (Fault.DEAF, "no whole answer within 0.2 s"),
        (Fault.CLOSE, "closed the connection without an answer"),
        (Fault.GARBAGE, "the answer is not HTTP"),
        (Fault.CUT, "the answer is not HTTP"),
        (Fault.ENDLESS, "the answer is longer than 65536 bytes"),
    ],
)
def test_each_fault_is_reported_in_words_and_within_its_limit(fault: Fault, shown: str) -> None:
    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        reason = await reason_of(client, b"x" * 5_000_000)
        assert shown in reason
        assert reason.startswith(f"127.0.0.1:{fake.port}: ")
        assert reason.isprintable()
        assert not client.connected

    talk(
        scenario,
        fault,
        request_seconds=0.2 if fault in {Fault.HANG, Fault.DEAF} else 10.0,
        answer_limit=65536,
    )


@pytest.mark.parametrize("fault", [Fault.EARLY, Fault.SLAM])
@pytest.mark.parametrize("size", [100_000, 20_000_000])
def test_an_answer_that_comes_before_the_request_is_sent_is_read(fault: Fault, size: int) -> None:
    """Or a batch that is too large would be sent again and again, and never be split."""

    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        assert (await client.post(b"x" * size)).status == 413
        assert fake.connections == 1

    talk(scenario, fault, Answer())


def test_a_port_without_a_listener_is_refused_in_words() -> None:
    async def scenario() -> None:
        async with fake_http() as fake:
            url = fake.url
        client = HttpClient(HttpUrl.parse(url))
        assert "refused" in await reason_of(client)
        await client.close()

    asyncio.run(scenario())


def test_a_tls_client_reports_that_a_plain_server_is_not_a_tls_server() -> None:
    async def scenario() -> None:
        async with fake_http(Fault.GARBAGE) as fake:
            url = fake.url.replace("http:", "https:")
            client = HttpClient(HttpUrl.parse(url), request_seconds=5)
            reason = await reason_of(client)
            assert "does not speak TLS" in reason or "within the handshake" in reason
            await client.close()

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_what_a_server_repeats_of_a_secret_is_blotted_out() -> None:
    async def scenario(client: HttpClient, fake: FakeHttp) -> None:
        answer = await client.post(BODY)
        assert fake.received[0].headers["authorization"] == TOKEN
        shown = client.excerpt(answer)
        assert "5f4dcc3b" not in shown
        assert shown.startswith("HTTP 403: no such token: *** *** \\x1b[2J")
        assert shown.isprintable()
        assert len(shown) < 230

    text = f"no such token:\n {TOKEN} {TOKEN.split()[1]} \x1b[2J".encode() + b"\xff" * 4000
    talk(scenario, Answer(403, text))
