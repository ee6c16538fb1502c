"""Texts inside of envelopes: what is opened, what is too much, what is damaged."""

from __future__ import annotations

import base64
import gzip

import pytest

from sensor.sources.controlplane.carried_text import (
    UNPACKED_LIMIT,
    UnreadText,
    is_packed,
    parsed,
    unpacked,
    values_of,
)
from sensor.sources.controlplane.json_text import JsonInvalid


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_several_values_of_a_text_are_a_list() -> None:
    assert parsed('{"a":1}') == {"a": 1}
    assert parsed('{"a":1}{"a":2}\n{"a":3}\n') == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert unpacked(packed(b'{"a":1}\n{"a":2}\n')) == [{"a": 1}, {"a": 2}]


def test_all_members_of_a_gzip_text_are_read() -> None:
    data = gzip.compress(b'{"a":1}\n') + gzip.compress(b'{"a":2}\n')
    assert unpacked(packed(data)) == [{"a": 1}, {"a": 2}]


def test_a_text_of_another_program_is_harmless_and_a_damaged_record_is_not() -> None:
    text, damaged = parsed("I0302 klog"), parsed('{"a":')
    assert isinstance(text, UnreadText)
    assert text.harmless
    assert isinstance(damaged, UnreadText)
    assert not damaged.harmless


def test_a_cut_audit_event_is_named_by_its_id() -> None:
    """CloudWatch cuts a record at 256 KB, and nothing parses what is left."""
    found = parsed('{"kind":"Event","auditID":"3f0c-1","stage":"ResponseComplete","requestObj')
    assert isinstance(found, UnreadText)
    assert found.reason.endswith("(auditID 3f0c-1)")


@pytest.mark.parametrize(
    "data",
    [gzip.compress(b'{"a":1}')[:-9], b"\x1f\x8b\x08", b"\xff\xfe", gzip.compress(b"no", mtime=0)],
    ids=["cut", "no data", "no text", "no JSON"],
)
def test_a_payload_that_is_damaged_is_a_failure(data: bytes) -> None:
    found = unpacked(packed(data))
    assert isinstance(found, UnreadText)
    assert not found.harmless


def test_a_payload_that_unpacks_to_too_much_is_refused() -> None:
    bomb = gzip.compress(b'{"a":"' + b"x" * (UNPACKED_LIMIT + 1) + b'"}')
    found = unpacked(packed(bomb))
    assert isinstance(found, UnreadText)
    assert "more than" in found.reason


def test_one_damaged_value_of_several_damages_the_text() -> None:
    with pytest.raises(JsonInvalid):
        values_of(b'{"a":1} and more')


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (packed(gzip.compress(b"{}", mtime=0)), True),
        (packed(b'{"a":1}'), True),
        (packed(b'[{"a":1}]'), True),
        (packed(b"plain text"), False),
        ("eyes on the road", False),
        ("", False),
    ],
)
def test_base64_is_recognised_by_its_begin_and_its_letters(given: str, *, expected: bool) -> None:
    assert is_packed(given) is expected
