"""Answers of log stores, also damaged ones: values of wrong types are unknown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.sources.controlplane.log_stores import (
    DEPTH_LIMIT,
    is_stream,
    is_table,
    of_key_values,
    of_stream,
    of_table,
)


def test_a_stream_of_loki_holds_lines_with_times_and_perhaps_labels() -> None:
    stream = {"stream": {}, "values": [["1", '{"a":1}'], ["2", '{"a":2}', {"b": "c"}]]}
    assert is_stream(stream)
    assert of_stream(stream) == [{"a": 1}, {"a": 2}]


def test_a_row_of_a_table_gets_the_names_of_its_columns() -> None:
    columns = [{"name": "Verb", "type": "string"}, {"name": "ObjectRef"}]
    table = {"columns": columns, "rows": [["create", {"name": "a"}], ["get"]]}
    assert is_table(table)
    assert of_table(table) == [{"Verb": "create", "ObjectRef": {"name": "a"}}, {"Verb": "get"}]


def test_values_of_otlp_are_plain_json() -> None:
    value = {
        "kvlistValue": {
            "values": [
                {"key": "a", "value": {"stringValue": "x"}},
                {"key": "b", "value": {"arrayValue": {"values": [{"boolValue": True}]}}},
                {"key": "c", "value": {"intValue": "12"}},
                {"key": "d", "value": {"unknownValue": 1}},
            ]
        }
    }
    assert of_key_values(value) == {"a": "x", "b": [True], "c": "12", "d": None}


def test_values_of_otlp_without_end_are_cut() -> None:
    value: object = {"stringValue": "x"}
    for _ in range(DEPTH_LIMIT + 2):
        value = {"arrayValue": {"values": [value]}}
    found = of_key_values(value)
    depth = 0
    while isinstance(found, list):
        found, depth = found[0], depth + 1
    assert (found, depth) == (None, DEPTH_LIMIT + 1)


ODD = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["values", "rows", "columns", "name", "stream", "kvlistValue", "key", "value"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(["values", "rows", "columns", "stream"]), ODD))
def test_any_object_is_taken(value: dict[str, object]) -> None:
    if is_stream(value):
        assert isinstance(of_stream(value), list)
    if is_table(value):
        assert all(isinstance(row, dict) for row in of_table(value))
    of_key_values(value)
