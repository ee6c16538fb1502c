"""The block ``alert`` has every field of an alert, with times as text."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from sensor.model.alert import Alert
from sensor.schema.alert_block import alert_block
from tests.outputs.sample_events import EVENTS

SCHEMA = Path(__file__).parents[2] / "docs/schema/castoff.event.1.schema.json"


def sample() -> Alert:
    alert = EVENTS["alert"].alert
    assert alert is not None
    return alert


def test_no_field_of_an_alert_is_left_out() -> None:
    assert list(alert_block(sample())) == [one.name.rstrip("_") for one in fields(Alert)]


def test_the_schema_knows_the_same_fields() -> None:
    text = SCHEMA.read_text()
    for name in alert_block(sample()):
        assert json.dumps(name) in text


def test_times_are_text_and_an_end_that_is_not_set_is_unknown() -> None:
    block = alert_block(sample())
    assert str(block["first"]).endswith("Z")
    assert block["until"] is None
