"""Events are found in the files of outputs and collectors, whatever else is in them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.errors import StateUnusable
from sensor.evidence.shipped import LINE_LIMIT, canonical, files_of, lines_of
from sensor.outputs.formats import cloudevents
from sensor.schema.document import encode_line
from sensor.schema.log_stamp import LogPlace, stamped
from tests.outputs.formats.records import record_of
from tests.outputs.sample_events import EVENTS

LOG = "0f1e2d3c4b5a6978"
PLACE = LogPlace(LOG, 17)
LINE = encode_line(EVENTS["start"])
SHIPPED = stamped(LINE, LOG, 17)


def read(path: Path, raw: bytes) -> list[LogPlace | None]:
    path.write_bytes(raw)
    return [line.place for line in lines_of(path)]


@pytest.mark.parametrize(
    "line",
    [
        SHIPPED,
        cloudevents.FORMAT.line(record_of(SHIPPED)),
        json.dumps({"event": SHIPPED.decode(), "id": "x"}).encode(),
        json.dumps({"_index": "castoff", "_source": json.loads(SHIPPED)}).encode(),
        json.dumps(json.loads(SHIPPED), indent=None, sort_keys=True).encode(),
        SHIPPED.replace(b'"sequence":17', b'"sequence":"17"'),
    ],
    ids=["native", "cloudevents", "clickhouse", "opensearch", "sorted", "numbers as text"],
)
def test_an_event_is_found_in_what_collectors_make_of_it(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_bytes(line)
    (found,) = lines_of(path)
    assert found.place == PLACE
    assert canonical(found.parsed()) == canonical(json.loads(LINE))


def test_other_documents_have_no_place(tmp_path: Path) -> None:
    assert read(tmp_path / "a", b'{"a":1}\n{"event":{"a":{}}}\n\n' + LINE) == [None, None, None]


@pytest.mark.parametrize("log", [7, {"id": 7}, {"id": LOG, "sequence": -1}, {"id": LOG}])
def test_a_place_that_makes_no_sense_is_none(log: object, tmp_path: Path) -> None:
    document = json.loads(LINE) | {"log": log}
    assert read(tmp_path / "a", json.dumps(document).encode()) == [None]


def test_packed_files_are_read_and_one_that_is_cut_ends_with_a_problem(tmp_path: Path) -> None:
    packed = gzip.compress(SHIPPED * 3)
    assert read(tmp_path / "a.ndjson.gz", packed) == [PLACE] * 3
    path = tmp_path / "b.ndjson.gz"
    path.write_bytes(packed[:-9])
    *_, last = lines_of(path)
    assert last.problem is not None


def test_a_line_without_an_end_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b'{"a":"' + b"x" * (LINE_LIMIT + 10))
    (line,) = lines_of(path)
    assert line.problem == f"it is longer than {LINE_LIMIT} bytes"


@given(raw=st.binary(max_size=400))
def test_any_bytes_are_lines(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / "events.ndjson"
    path.write_bytes(raw)
    for line in lines_of(path):
        assert line.place is None
        line.parsed()


def test_a_directory_gives_its_files_with_events(tmp_path: Path) -> None:
    for name in ("b.ndjson", "a.jsonl.gz", "manifest.json", "notes.txt", "c.json"):
        (tmp_path / name).touch()
    (tmp_path / "d.ndjson").mkdir()
    assert [path.name for path in files_of(tmp_path)] == ["a.jsonl.gz", "b.ndjson", "c.json"]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable):
        list(lines_of(tmp_path / "missing"))
