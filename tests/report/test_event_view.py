"""Parts of events are read whatever form they have."""

from __future__ import annotations

import pytest

from sensor.report import event_view
from sensor.report.event_view import Document


@pytest.mark.parametrize(
    ("initiator", "who"),
    [
        ({"user": {"auid_name": "alice", "name": "root"}, "unit": "x.service"}, "alice"),
        ({"user": {"name": "root"}, "unit": "x.service"}, "unit x.service"),
        ({"user": {"name": "root"}, "container_id": "ab" * 32}, "container abababababab"),
        ({"user": {"name": "root"}}, "account root"),
        ({"user": 7, "unit": []}, None),
        ("odd", None),
    ],
)
def test_the_caller_is_the_person_before_the_account(initiator: object, who: str | None) -> None:
    assert event_view.caller({"initiator": initiator}) == who


def test_what_is_of_another_type_is_unknown() -> None:
    document: Document = {"a": {"b": True, "c": "x" * 999, "d": [1, "two", None], "e": 1.5}}
    assert event_view.number(document, "a", "b") is None
    assert event_view.flag(document, "a", "b") is True
    assert event_view.text(document, "a", "c") == "x" * event_view.TEXT_LIMIT
    assert event_view.texts(document, "a", "d") == ("two",)
    assert event_view.seconds(document, "a", "e") == 1.5
    assert event_view.at(document, "a", "b", "c") is None


def test_a_container_without_a_name_is_called_by_its_id() -> None:
    assert event_view.container({"container": {"id": "ab" * 32}}) == "abababababab"
    assert event_view.container({}) == "unknown"
