"""Packed answers: unpacked within their limit, whatever they hold."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.outputs.http.connection import AnswerTooLong
from sensor.outputs.http.message import HttpAnswer
from sensor.outputs.http.unpacking import unpacked

LIMIT = 1000


def packed(coding: str, body: bytes) -> HttpAnswer:
    return HttpAnswer(200, (("content-encoding", coding),), body)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"{}", mtime=0)),
        ("X-GZIP", gzip.compress(b"{}", mtime=0)),
        ("deflate", zlib.compress(b"{}")),
        ("identity", b"{}"),
        ("", b"{}"),
    ],
)
def test_a_body_is_what_was_packed(coding: str, body: bytes) -> None:
    assert unpacked(packed(coding, body), LIMIT).body == b"{}"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"{}"),
        ("gzip", b""),
        ("gzip", gzip.compress(b"x" * 100, mtime=0)[:-9]),
        ("br", b"\x0b\x02\x80{}\x03"),
    ],
    ids=["not packed", "empty", "cut", "unknown"],
)
def test_what_cannot_be_unpacked_stays_as_it_came(coding: str, body: bytes) -> None:
    assert unpacked(packed(coding, body), LIMIT).body == body


def test_a_bomb_is_an_answer_that_is_too_long() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(AnswerTooLong):
        unpacked(packed("gzip", bomb), LIMIT)


@given(st.binary(max_size=2 * LIMIT))
def test_a_body_is_unpacked_up_to_the_limit(body: bytes) -> None:
    try:
        assert unpacked(packed("gzip", gzip.compress(body)), LIMIT).body == body
        assert len(body) <= LIMIT
    except AnswerTooLong:
        assert len(body) > LIMIT


@given(st.sampled_from(["gzip", "deflate"]), st.binary())
def test_bytes_that_are_not_packed_stay_as_they_came(coding: str, body: bytes) -> None:
    made = unpacked(packed(coding, body), 10_000_000).body
    assert made == body or made == zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(body)
