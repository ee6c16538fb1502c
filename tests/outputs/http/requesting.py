"""Requests to a made HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sensor.outputs.http.client import HttpClient
from sensor.outputs.http.message import HttpUrl
from tests.outputs.fake_http import Answer, FakeHttp, Fault, fake_http

TOKEN = "Splunk 5f4dcc3b-5aa7-65d6"
BODY = b'{"a": 1}'


def talk(
    scenario: Callable[[HttpClient, FakeHttp], Awaitable[None]],
    *script: Answer | Fault,
    request_seconds: float = 5.0,
    answer_limit: int = 1 << 20,
) -> None:
    async def run() -> None:
        async with fake_http(*script) as fake:
            client = HttpClient(
                HttpUrl.parse(fake.url + "in?x=1"),
                headers=(("Authorization", TOKEN),),
                request_seconds=request_seconds,
                answer_limit=answer_limit,
            )
            try:
                await scenario(client, fake)
            finally:
                await client.close()
                assert not client.connected

    asyncio.run(asyncio.wait_for(run(), 20))
