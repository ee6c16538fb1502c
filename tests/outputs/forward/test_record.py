"""What of an event goes over the wire: all that says something."""

from __future__ import annotations

import json
from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from sensor.outputs.delivery import Record
from sensor.outputs.forward import record
from sensor.outputs.forward.chunk import encode
from tests.outputs.batches import batch_of, golden_records
from tests.outputs.forward.records import PLAIN


def leaves(value: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Return every value of a document that says something, by its path."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {
            key: leaf for name, item in items for key, leaf in leaves(item, (*path, name)).items()
        }
    return {} if value is None else {path: value}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=6)
    ),
    max_leaves=30,
)


def of_document(document: object) -> Record:
    return Record(1, "id", "alert", 0, json.dumps(document).encode() + b"\n")


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=8))
def test_a_bare_record_says_all_that_its_document_says(document: dict[str, Any]) -> None:
    bare = record.native(of_document(document))
    assert leaves(bare) == leaves(document)
    assert msgpack.unpackb(encode(batch_of([of_document(document | {"id": ""})]), PLAIN).data)


def nothings(value: Any) -> int:
    if isinstance(value, dict):
        return sum(item is None or item in ([], {}) for item in value.values()) + sum(
            map(nothings, value.values())
        )
    return sum(map(nothings, value)) if isinstance(value, list) else 0


def test_no_golden_record_carries_nothings_and_each_says_all() -> None:
    for one in golden_records():
        bare = record.native(one)
        assert nothings(bare) == 0
        assert leaves(bare) == leaves(json.loads(one.line))


def test_a_compact_record_lacks_what_is_reported_and_nothing_else() -> None:
    for one in golden_records():
        whole, compact = leaves(record.native(one)), leaves(record.compact(one))
        assert compact.pop(("schema",)) == record.COMPACT_SCHEMA
        del whole[("schema",)]
        assert compact == {
            path: value
            for path, value in whole.items()
            if not any(path[: len(left)] == left for left in record.COMPACT_WITHOUT)
        }
