"""A verification beside what was shipped: what root changed afterwards is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sensor.errors import StateUnusable
from sensor.evidence.check import verify
from sensor.evidence.verdict import Verification
from sensor.store.log import Store, StoreSettings
from tests.evidence.logs import append, execute, make_log, rename, rewrite, shipped

COUNT = 50


def written(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def against(log: Path | None, file: Path) -> Verification:
    return verify(log, None, (file,))


def numbers(verdict: Verification) -> list[int | None]:
    return [finding.first for finding in verdict.findings.listed]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return make_log(tmp_path / "state", COUNT)


@pytest.fixture
def collected(log: Path, tmp_path: Path) -> Path:
    return written(tmp_path / "collected.ndjson", shipped(log))


def test_a_log_and_all_that_it_shipped_agree(log: Path, collected: Path) -> None:
    verdict = against(log, collected)
    assert verdict.is_sound
    assert not verdict.findings.count
    assert (verdict.compared, verdict.heads) == (COUNT, COUNT // 10)
    assert verdict.log is not None
    assert (verdict.log.first, verdict.log.last, verdict.log.begins) == (1, COUNT, "begun")
    # All but the ten before the first sign of life.
    assert verdict.shipped[0].chained == COUNT - 9


def test_a_middle_that_root_wrote_anew_with_a_fixed_up_database_is_seen(
    log: Path, collected: Path
) -> None:
    rewrite(log, 22, rename, digests=True, heads=True)
    assert verify(log, None, ()).is_sound
    verdict = against(log, collected)
    assert not verdict.is_sound
    first = verdict.findings.listed[0]
    assert (first.first, first.what) == (22, "the event in the log is not the one that was shipped")


def test_one_shipped_head_is_enough_to_see_it(log: Path, collected: Path, tmp_path: Path) -> None:
    head = collected.read_bytes().splitlines(keepends=True)[39]
    assert b'"alive"' in head
    rewrite(log, 22, rename, digests=True, heads=True)
    verdict = against(log, written(tmp_path / "head.ndjson", [head]))
    assert numbers(verdict) == [39, 40]


def test_a_head_before_the_change_shows_nothing(log: Path, collected: Path, tmp_path: Path) -> None:
    head = collected.read_bytes().splitlines(keepends=True)[19]
    rewrite(log, 22, rename, digests=True, heads=True)
    assert against(log, written(tmp_path / "head.ndjson", [head])).is_sound


def test_a_log_whose_end_was_cut_off_is_seen(log: Path, collected: Path) -> None:
    execute(log, "DELETE FROM event WHERE link > 44")
    assert verify(log, None, ()).is_sound
    (finding,) = against(log, collected).findings.listed
    assert (finding.first, finding.last) == (45, 50)
    assert finding.what == "the log ends at number 44, but events up to 50 were shipped"


def test_what_a_collector_lacks_is_named(log: Path, tmp_path: Path) -> None:
    lines = shipped(log)
    file = written(tmp_path / "holes.ndjson", [*lines[:3], *lines[7:20], *lines[21:]])
    found = against(log, file).findings.listed
    assert [(one.first, one.last) for one in found] == [(4, 7), (21, 21)]
    assert all("but the log has them" in one.what for one in found)


def test_what_retention_dropped_is_neither_missing_nor_changed(tmp_path: Path) -> None:
    log = make_log(tmp_path / "state", COUNT)
    file = written(tmp_path / "collected.ndjson", shipped(log))
    store = Store(tmp_path / "state", StoreSettings(max_age=1.0))
    append(store, [51])
    store.close()
    verdict = against(log, file)
    assert verdict.is_sound, verdict.findings.listed
    assert verdict.compared < COUNT


def test_an_anchor_that_was_moved_further_than_retention_did_is_seen(
    log: Path, collected: Path
) -> None:
    """Root drops events and writes an anchor: a digest of its own does not fit what was shipped."""
    execute(log, "DELETE FROM event WHERE link <= 29")
    execute(log, "UPDATE anchor SET reason = 'retention', link = 29, digest = zeroblob(32)")
    verdict = against(log, collected)
    assert 29 in numbers(verdict)


def test_the_order_of_delivery_does_not_matter(log: Path, tmp_path: Path) -> None:
    lines = shipped(log)
    file = written(tmp_path / "twice.ndjson", [*lines[25:], *lines, *lines[:10]])
    assert against(log, file).is_sound


def test_events_whose_json_was_written_anew_agree(log: Path, tmp_path: Path) -> None:
    rows = [json.dumps({"event": line.decode(), "received": "2026"}) for line in shipped(log)]
    clickhouse = written(tmp_path / "rows.json", [row.encode() + b"\n" for row in rows])
    hits = [
        json.dumps({"_id": "1", "_source": json.loads(line)}, indent=None, sort_keys=True)
        for line in shipped(log)
    ]
    opensearch = written(tmp_path / "hits.json", [hit.encode() + b"\n" for hit in hits])
    for file in (clickhouse, opensearch):
        verdict = against(log, file)
        assert verdict.is_sound, verdict.findings.listed
        assert verdict.compared == COUNT
    rewrite(log, 22, rename, digests=True, heads=True)
    assert 22 in numbers(against(log, opensearch))


def test_a_file_alone_shows_an_event_that_was_changed_in_it(collected: Path) -> None:
    lines = collected.read_bytes().splitlines(keepends=True)
    lines[14] = lines[14].replace(b'"web-7"', b'"innocent"')
    collected.write_bytes(b"".join(lines))
    (finding, *_) = against(None, collected).findings.listed
    assert finding.first == 19
    assert "another digest than the events up to it give" in finding.what


def test_two_events_of_one_number_are_named(collected: Path) -> None:
    lines = collected.read_bytes().splitlines(keepends=True)
    forged = lines[14].replace(b'"web-7"', b'"innocent"')
    collected.write_bytes(b"".join([*lines, forged]))
    assert 15 in numbers(against(None, collected))


def test_a_truncated_file_is_named_with_its_line(collected: Path) -> None:
    raw = collected.read_bytes()
    collected.write_bytes(raw[:-200])
    (finding,) = against(None, collected).findings.listed
    assert finding.where == f"{collected}, line {COUNT}"
    assert finding.what == "it is not a JSON document, and the file ends in it"


def test_several_hosts_are_kept_apart(log: Path, collected: Path, tmp_path: Path) -> None:
    other = make_log(tmp_path / "other", 20)
    written(tmp_path / "other.ndjson", [*shipped(other)[:9], *shipped(other)[10:]])
    both = written(
        tmp_path / "both.ndjson",
        [collected.read_bytes(), (tmp_path / "other.ndjson").read_bytes()],
    )
    (finding,) = against(log, both).findings.listed
    assert (finding.first, finding.last) == (10, 10)


def test_an_empty_log_and_an_empty_file_are_sound(tmp_path: Path) -> None:
    log = make_log(tmp_path / "state", 0)
    assert against(log, written(tmp_path / "empty.ndjson", [])).is_sound


def test_an_empty_directory_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (finding,) = against(None, tmp_path / "nothing").findings.listed
    assert finding.what == "it holds no file with events"


def test_a_missing_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable):
        verify(tmp_path / "castoff.db", None, ())
