"""Databases of bbolt, read while others may write them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensor.identity.bolt import ATTEMPTS_MAX, Bucket, Damaged, read
from tests.identity.bolt_file import PAGE_SIZE, BoltFile, Items, meta

KEYS = st.binary(min_size=1, max_size=40)
TREES: st.SearchStrategy[Items] = st.recursive(
    st.dictionaries(KEYS, st.binary(max_size=80), max_size=40),
    lambda below: st.dictionaries(KEYS, st.binary(max_size=40) | below, max_size=12),
    max_leaves=20,
)


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda length, offset: data[offset : offset + length]


def content(bucket: Bucket) -> Items:
    found: Items = dict(bucket.items())
    for name in bucket.buckets():
        below = bucket.bucket(name)
        assert below is not None
        found[name] = content(below)
    return found


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(TREES, st.integers(2, 1000))
def test_what_was_written_is_found(items: Items, transaction: int) -> None:
    def check(root: Bucket, items: Items = items) -> None:
        for key, value in items.items():
            if isinstance(value, bytes):
                assert root.get(key) == value
                assert root.bucket(key) is None
            else:
                below = root.bucket(key)
                assert below is not None
                check(below, value)
        assert root.get(b"no such key" * 5) is None

    read(reader(BoltFile(items, transaction, per_leaf=3).data), check)


def test_a_value_larger_than_a_page_is_read() -> None:
    value = bytes(range(256)) * 100
    data = BoltFile({b"big": value, b"small": b"x"}).data
    assert read(reader(data), lambda root: root.get(b"big")) == value


def test_the_newer_meta_page_decides() -> None:
    data = BoltFile({b"key": b"value"}, transaction=8).data
    assert data[:PAGE_SIZE] != data[PAGE_SIZE : 2 * PAGE_SIZE]
    broken = b"\0" * PAGE_SIZE + data[PAGE_SIZE:]
    assert read(reader(broken), lambda root: root.get(b"key")) == b"value"


def test_a_commit_while_reading_is_noticed_and_read_again() -> None:
    old = BoltFile({b"key": b"old"}, transaction=8).data
    new = BoltFile({b"key": b"new"}, transaction=10).data
    current = [old]
    seen = []

    def take(root: Bucket) -> bytes | None:
        value = root.get(b"key")
        seen.append(value)
        current[0] = new
        return value

    found = read(lambda length, offset: current[0][offset : offset + length], take)
    assert (found, seen) == (b"new", [b"old", b"new"])


def test_a_database_that_never_rests_is_given_up() -> None:
    transaction = [8]
    pages = BoltFile({b"key": b"value"}).data

    def pread(length: int, offset: int) -> bytes:
        first = meta(0, 3, len(pages) // PAGE_SIZE, transaction[0])
        return (first + pages[PAGE_SIZE:])[offset : offset + length]

    def take(_: Bucket) -> None:
        transaction[0] += 2

    with pytest.raises(Damaged):
        read(pread, take)
    assert transaction[0] == 8 + 2 * ATTEMPTS_MAX


@settings(deadline=None)
@given(st.data())
def test_damage_never_raises_anything_else_and_always_ends(data: st.DataObject) -> None:
    items: Items = {b"v1": {b"%d" % n: {b"image": b"x" * n} for n in range(20)}}
    damaged = bytearray(BoltFile(items, per_leaf=4).data)
    for _ in range(data.draw(st.integers(1, 8))):
        page = data.draw(st.integers(0, len(damaged) // PAGE_SIZE - 1))
        damaged[page * PAGE_SIZE + data.draw(st.integers(0, 200))] = data.draw(st.integers(0, 255))

    def walk(root: Bucket) -> None:
        version = root.bucket(b"v1")
        if version is not None:
            for name in list(version.buckets()):
                below = version.bucket(name)
                if below is not None:
                    below.get(b"image")
            list(version.items())

    with suppress(Damaged):
        read(reader(bytes(damaged)), walk)
