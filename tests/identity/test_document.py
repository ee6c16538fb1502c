"""JSON of foreign origin."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.identity.document import (
    MAX_ITEMS,
    MAX_VALUES,
    JsonDocument,
    parse,
    parse_array,
    parse_text,
)
from sensor.identity.files import Failure

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)

BAD = [
    pytest.param(b"", Failure.MALFORMED, id="empty"),
    pytest.param(b"{]", Failure.MALFORMED, id="invalid"),
    pytest.param(b"[]", Failure.WRONG_TYPE, id="array"),
    pytest.param(b"null", Failure.WRONG_TYPE, id="null"),
    pytest.param(b'"x"', Failure.WRONG_TYPE, id="string"),
    pytest.param(b'{"a":' * 100_000, Failure.TOO_DEEP, id="deep objects"),
    pytest.param(b"[" * 100_000, Failure.TOO_DEEP, id="deep arrays"),
    pytest.param(b"[" + b"1," * MAX_VALUES + b"1]", Failure.TOO_MANY_VALUES, id="many"),
    pytest.param(b'{"a":' + b"9" * 5000 + b"}", Failure.MALFORMED, id="long integer"),
]


@pytest.mark.parametrize(("data", "failure"), BAD)
def test_bad_documents_are_named(data: bytes, failure: Failure) -> None:
    assert parse(data) is failure


def test_many_bytes_are_not_many_values() -> None:
    text = b"," * (MAX_VALUES + 1)
    assert parse(b'{"a":"' + text + b'"}') is Failure.TOO_MANY_VALUES
    document = parse(b'{"a":"' + b"x" * (MAX_VALUES + 1) + b'"}')
    assert isinstance(document, JsonDocument)


def test_undecodable_bytes_survive() -> None:
    document = parse(b'{"a": "\xff\xfe"}')
    assert isinstance(document, JsonDocument)
    assert document.text("a") == "\udcff\udcfe"


def test_a_member_of_the_wrong_type_reads_as_absent() -> None:
    document = parse(
        b'{"s":"x","e":"","n":1,"b":true,"o":{"k":"v"},"l":["a"],"m":["a",1],"z":null}'
    )
    assert isinstance(document, JsonDocument)
    assert (document.text("s"), document.text("e"), document.text("n")) == ("x", None, None)
    assert (document.number("n"), document.number("b"), document.number("s")) == (1, None, None)
    assert (document.flag("b"), document.flag("n")) == (True, None)
    assert document.part("o").text("k") == "v"
    assert not document.part("s")
    assert document.texts("l") == ("a",)
    assert document.texts("m") is None
    assert document.texts("o") is None
    assert document.parts("l") == ()
    assert document.has("s")
    assert not document.has("z")
    assert document.pairs() == (("s", "x"), ("e", ""))
    assert [key for key, _ in document.named_parts()] == ["o"]


def test_numbers_of_items_are_bounded() -> None:
    document = JsonDocument({"l": ["x"] * (MAX_ITEMS + 1)})
    assert document.texts("l") is None


def test_an_index_may_be_null() -> None:
    assert parse_array(b"null") == ()
    assert parse_array(b"{}") is Failure.WRONG_TYPE
    found = parse_array(b'[{"id":"x"}, 1]')
    assert not isinstance(found, Failure)
    assert [entry.text("id") for entry in found] == ["x"]


def test_json_within_json_may_hold_lone_surrogates() -> None:
    assert isinstance(parse_text('{"a": "\ud800"}'), JsonDocument)
    assert parse_text("\ud800") is Failure.MALFORMED


@given(st.binary())
def test_no_bytes_make_it_raise(data: bytes) -> None:
    assert isinstance(parse(data), JsonDocument | Failure)
    assert isinstance(parse_array(data), tuple | Failure)


@given(st.dictionaries(st.text(), JSON), st.text())
def test_no_document_makes_an_access_raise(value: dict[str, object], other: str) -> None:
    document = parse(json.dumps(value).encode())
    assert isinstance(document, JsonDocument)
    for key in (*value, other):
        document.text(key), document.number(key), document.flag(key), document.texts(key)
        document.part(key).pairs(), document.parts(key), document.has(key)
    document.pairs(), document.named_parts()
