"""Texts that are read together are those that are read one by one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sensor.sources.controlplane.json_text import TEXT_LIMIT, Keys, fields, text

NAMES = ("kind", "name", "uid")
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.text())
LONG = "x" * (TEXT_LIMIT + 1)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
@example({"kind": "Pod", "name": "web", "uid": "u"})
@example({"kind": "Pod", "name": LONG, "uid": "u"})
@example({"kind": "x" * TEXT_LIMIT, "name": "web", "uid": "u"})
@example({"kind": "Pod", "name": "", "uid": "u"})
@example({"kind": "Pod", "name": ["web"], "uid": ["u"]})
@example({"kind": ["a"], "name": ["b"], "uid": ["c"]})
def test_several_texts_are_each_as_alone(value: dict[str, object]) -> None:
    assert list(fields(value, Keys(*NAMES))) == [text(value, name) for name in NAMES]


@pytest.mark.parametrize("value", [None, 1, "kind", ["kind", "name", "uid"], [[0, 1, 2]]])
def test_what_is_no_object_has_none(value: object) -> None:
    assert list(fields(value, Keys(*NAMES))) == [None, None, None]
