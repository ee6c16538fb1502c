"""Documents of formats are one line of ASCII that reads back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.outputs.formats.jsontext import line


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.booleans()))
def test_a_document_is_one_line_of_ascii(document: dict[str, object]) -> None:
    made = line(document)
    assert made.isascii()
    assert made.count(b"\n") == 1
    assert json.loads(made) == document


def test_a_number_that_json_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        line({"seconds": float("nan")})
