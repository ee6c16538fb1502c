"""docs/fields.md says what the encoders do, of every field of the schema."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from tests.outputs.formats import field_table


def test_the_page_is_what_the_encoders_do() -> None:
    assert field_table.TARGET.read_text() == field_table.page(), "run make fields"


@pytest.mark.parametrize("type_", field_table.BLOCKS)
def test_the_events_that_are_traced_are_valid(type_: str) -> None:
    event = field_table.event_of(type_)
    check = Draft202012Validator(field_table.SCHEMA)
    assert [error.message for error in check.iter_errors(event)] == []
    for path in field_table.leaves(event):
        if path not in {"type", "schema"}:
            after = field_table.changed(event, path)
            assert json.dumps(after) != json.dumps(event)
            assert [error.message for error in check.iter_errors(after)] == [], path


def test_the_events_that_are_traced_have_every_field() -> None:
    whole = field_table.made(field_table.SCHEMA)
    traced = {
        path
        for type_ in field_table.BLOCKS
        for path in field_table.leaves(field_table.event_of(type_))
    }
    assert set(field_table.leaves(whole)) <= traced


def test_no_field_is_lost_in_a_format_that_has_room_for_all() -> None:
    lost = {
        name: [path for path, cells in field_table.rows() if cells[number] == field_table.NOWHERE]
        for number, name in enumerate(field_table.COLUMNS)
        if name != "cef"
    }
    assert lost == {"ocsf": [], "ecs": [], "otel": []}
