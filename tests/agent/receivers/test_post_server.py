"""The server of posts: what is asked over TLS, and how long it waits."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from sensor.agent.receivers import post_server
from sensor.agent.receivers.post_server import Post, PostServer, RefusedPost, Reply
from tests.agent.test_audit_webhook import Place, place

__all__ = ["place"]


async def answer(post: Post) -> Reply:
    if post.path != "/ok":
        raise RefusedPost(404)
    return Reply(200, {"content-type": "text/plain"}, post.body + post.headers["x-a"].encode())


def admit(post: Post) -> int:
    if post.path == "/secret":
        raise RefusedPost(401)
    return 8


async def asked(where: Place, data: bytes, until: bytes = b"") -> bytes:
    """Return what a client without a certificate is answered."""
    settings = where.settings()
    server = PostServer(
        post_server.ListenSettings("127.0.0.1", 0, settings.certificate, settings.key),
        answer,
        admit=admit,
    )
    port = await server.start()
    try:
        context = ssl.create_default_context(cadata=where.authority.cert_pem.bytes().decode())
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        writer.write(data)
        async with asyncio.timeout(20):
            received = await (reader.readuntil(until) if until else reader.read())
        writer.close()
        return received
    finally:
        await server.close()


def test_a_client_without_a_certificate_is_answered_where_none_is_wanted(place: Place) -> None:
    data = b"POST /ok?b=1 HTTP/1.1\r\nHost: x\r\nX-A: header\r\nContent-Length: 5\r\n\r\nbody "
    received = asyncio.run(asked(place, data, b"header"))
    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(b"body header")


def test_a_refusal_has_its_status(place: Place) -> None:
    data = b"POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert asyncio.run(asked(place, data)).startswith(b"HTTP/1.1 404")


def test_a_connection_that_asks_nothing_ends(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(post_server, "IDLE_SECONDS", 0.2)
    assert asyncio.run(asked(place, b"")) == b""


def test_a_head_without_an_end_is_refused(place: Place) -> None:
    data = b"POST /ok HTTP/1.1\r\n" + b"X-A: " + b"a" * (post_server.HEAD_LIMIT + 10)
    assert asyncio.run(asked(place, data)) == b""


def test_a_stranger_is_refused_before_the_body_comes(place: Place) -> None:
    """The body that is announced never comes: the answer does not wait for it."""
    data = b"POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
    assert asyncio.run(asked(place, data)).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 9\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n",
    ],
    ids=["announced", "in chunks"],
)
def test_each_path_has_its_own_longest_body(place: Place, rest: bytes) -> None:
    data = b"POST /ok HTTP/1.1\r\nHost: x\r\nX-A: a\r\n" + rest
    assert asyncio.run(asked(place, data)).startswith(b"HTTP/1.1 413")
