"""A conversation takes what curl sends and answers or ends whatever it is not sure of."""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.api.http import HEAD_LIMIT, Conversation, HttpRequest, Response


async def _talk(data: bytes, asked: list[HttpRequest]) -> bytes:
    """Send ``data`` to a conversation, close the sending side, and return all that came back."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    other_reader, other_writer = await asyncio.open_connection(sock=theirs)

    async def answer(request: HttpRequest) -> Response:
        asked.append(request)
        return Response(HTTPStatus.OK, b"{}\n")

    def refuse(status: HTTPStatus, reason: str) -> Response:
        return Response(status, reason.encode("ascii", "replace"))

    other_writer.write(data)
    other_writer.write_eof()
    try:
        await Conversation(reader, writer).serve(answer, refuse)
    finally:
        writer.close()
        await writer.wait_closed()
    received = await other_reader.read()
    other_writer.close()
    await other_writer.wait_closed()
    return received


def converse(data: bytes) -> tuple[bytes, list[HttpRequest]]:
    asked: list[HttpRequest] = []
    return asyncio.run(_talk(data, asked)), asked


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
            [HttpRequest("GET", "/v1/status", "")],
            id="curl",
        ),
        pytest.param(
            b"HEAD /a?b=c&d HTTP/1.1\r\nHost: x\r\n\r\n",
            [HttpRequest("HEAD", "/a", "b=c&d")],
            id="query",
        ),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", [HttpRequest("GET", "/", "")], id="1.0"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\ncontent-length:  0 \r\n\r\n",
            [HttpRequest("GET", "/", "")],
            id="an empty body",
        ),
        pytest.param(
            b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
            [HttpRequest("GET", "/1", ""), HttpRequest("GET", "/2", "")],
            id="two on one connection",
        ),
        pytest.param(
            b"GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
            [HttpRequest("GET", "/1", "")],
            id="nothing after close",
        ),
    ],
)
def test_requests_are_answered_in_order(data: bytes, expected: list[HttpRequest]) -> None:
    received, asked = converse(data)
    assert asked == expected
    assert received.count(b"HTTP/1.1 200 OK\r\n") == len(expected)


def test_a_head_request_gets_the_length_and_no_body() -> None:
    received, _ = converse(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"content-length: 3" in received.lower()
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="space in the target"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400, id="space before the colon"
        ),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"\x16\x03\x01\x02\x00\r\n\r\n", 400, id="TLS"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", 413, id="a body"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            413,
            id="chunks",
        ),
        pytest.param(
            b"GET /" + b"a" * (2 * HEAD_LIMIT) + b" HTTP/1.1\r\n\r\n", 431, id="a long head"
        ),
    ],
)
def test_requests_that_are_refused_end_the_conversation(data: bytes, status: int) -> None:
    received, asked = converse(data + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert received.count(b"HTTP/1.1 ") == 1
    assert asked == []


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_answered_or_ended(data: bytes) -> None:
    received, _ = converse(data)
    assert received == b"" or received.startswith(b"HTTP/1.1 ")
