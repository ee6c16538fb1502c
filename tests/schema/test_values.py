"""Values of a document: what is of another type than asked reads as unknown."""

from __future__ import annotations

import pytest

from sensor.model.vocabulary import Trigger
from sensor.schema import values


@pytest.mark.parametrize("value", [None, "", 1, True, [], {}])
def test_what_is_no_text_is_unknown(value: object) -> None:
    assert values.text(value) is None


def test_of_a_list_only_texts_are_read() -> None:
    assert values.texts(["a", 1, None, ["b"], "c"]) == ("a", "c")
    assert values.texts([]) == ()
    assert values.texts("ab") is None


def test_true_is_no_number_and_one_is_no_flag() -> None:
    no, yes, one = {"x": [False, True, 1]}["x"]
    assert values.number(yes) is None
    assert values.number(one) == 1
    assert values.flag(one) is None
    assert values.flag(no) is False
    assert values.seconds_of(yes) is None
    assert values.seconds_of(one) == 1.0


def test_a_member_is_found_by_its_value_alone() -> None:
    assert values.member(Trigger, "api_client") is Trigger.API_CLIENT
    assert values.member(Trigger, "API_CLIENT") is None
    assert values.member(Trigger, ["api_client"]) is None


def test_a_block_that_is_no_object_is_empty() -> None:
    assert values.block({"a": {"b": 1}}, "a") == {"b": 1}
    assert values.block({"a": [1]}, "a") == {}
