"""Chunks hold their events in order, and cannot grow beyond reason."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import msgpack
import pytest

from sensor.outputs.delivery import Batch, Record
from sensor.outputs.forward import record
from sensor.outputs.forward.chunk import Encoding, Unencodable, encode
from tests.outputs.batches import batch_of, golden_records, starts
from tests.outputs.forward.records import PLAIN

GZIP = Encoding("castoff.event", 6, record.native)
COMPACT = Encoding("castoff.event", 6, record.compact)


def unpacked(data: bytes) -> tuple[str, list[tuple[int, Any]], dict[str, Any]]:
    """Return tag, entries (ns since the epoch, record) and options of a message."""
    tag, events, options = msgpack.unpackb(data, raw=False)
    assert isinstance(events, bytes)
    if options.get("compressed") == "gzip":
        events = gzip.decompress(events)
    unpacker = msgpack.Unpacker(raw=False)
    unpacker.feed(events)
    entries = []
    for time, document in unpacker:
        assert time.code == 0
        assert len(time.data) == 8
        seconds, ns = (int.from_bytes(part, "big") for part in (time.data[:4], time.data[4:]))
        entries.append((seconds * 10**9 + ns, document))
    return tag, entries, options


@pytest.mark.parametrize("encoding", [PLAIN, GZIP], ids=["plain", "gzip"])
def test_a_chunk_holds_its_events_in_order_with_their_times(encoding: Encoding) -> None:
    records = golden_records()
    batch = batch_of(records)
    chunk = encode(batch, encoding)
    tag, entries, options = unpacked(chunk.data)
    assert tag == "castoff.event"
    assert chunk.id == base64.b64encode(batch.id)
    assert options["chunk"].encode() == chunk.id
    assert options["size"] == chunk.size == len(records) == len(entries)
    assert [time for time, _ in entries] == [one.wall for one in records]
    assert [document["id"] for _, document in entries] == [one.id for one in records]


def test_a_batch_has_the_same_bytes_whenever_it_is_sent() -> None:
    batch = batch_of(starts(1, 20))
    assert encode(batch, GZIP) == encode(batch, GZIP)
    # No time in gzip's header.
    message = msgpack.unpackb(encode(batch, GZIP).data)
    assert message[1][4:8] == bytes(4)


def test_text_that_is_not_unicode_is_sent_as_its_escape() -> None:
    made = Record(1, "id", "alert", 0, b'{"name":"a\\ud800b"}')
    ((_, document),) = unpacked(encode(Batch(bytes(16), (made,)), PLAIN).data)[1]
    assert document == {"name": "a\\ud800b"}


@pytest.mark.parametrize(
    ("wall", "sent"),
    [(0, 0), (-1, 0), (1_700_000_000_123_456_789,) * 2, (2**32 * 10**9, (2**32 - 1) * 10**9)],
)
def test_times_beyond_an_event_time_are_cut(wall: int, sent: int) -> None:
    made = Record(1, "id", "alert", wall, b"{}")
    ((time, _),) = unpacked(encode(Batch(bytes(16), (made,)), PLAIN).data)[1]
    assert time == sent


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b'"text"', b"\xff", b'{"a":' + b"9" * 30 + b"}", b'{"a":' + b"[" * 2000],
    ids=["empty", "cut", "list", "text", "bytes", "number", "deep"],
)
def test_what_cannot_be_sent_is_reported(line: bytes) -> None:
    with pytest.raises(Unencodable) as caught:
        encode(Batch(bytes(16), (Record(1, "id", "alert", 0, line),)), PLAIN)
    assert str(caught.value).isprintable()


def test_a_full_chunk_of_compact_starts_is_smaller_than_one_of_whole_ones() -> None:
    batch = batch_of(starts(1, 500))
    sizes = [len(encode(batch, encoding).data) for encoding in (PLAIN, GZIP, COMPACT)]
    assert sizes == sorted(sizes, reverse=True)
