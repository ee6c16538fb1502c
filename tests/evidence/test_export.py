"""An export proves itself, wherever it is taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sensor.errors import StateUnusable
from sensor.evidence import manifest
from sensor.evidence.check import verify
from sensor.evidence.export import FILE, ExportRequest, export
from tests.evidence.logs import event, execute, make_log, rename, rewrite, shipped

COUNT = 60


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return make_log(tmp_path / "state", COUNT)


def wall(number: int) -> int:
    made = event(number)
    return made.time + made.realtime_offset


def whats(directory: Path, log: Path | None = None) -> list[str]:
    return [one.what for one in verify(log, None, (directory,)).findings.listed]


@pytest.mark.parametrize("packed", [False, True])
def test_an_export_is_sound_without_its_node_and_beside_it(
    log: Path, tmp_path: Path, *, packed: bool
) -> None:
    out = tmp_path / "out"
    made, findings = export(ExportRequest(log, out, packed=packed, policy="ab" * 32))
    assert not findings.count
    assert (made.events, made.first, made.last, made.sound) == (COUNT, 1, COUNT, True)
    assert made.policy == "ab" * 32
    assert manifest.read(out) == made
    for of in (None, log):
        verdict = verify(of, None, (out,))
        assert verdict.is_sound, verdict.findings.listed
        assert verdict.shipped[0].chained == COUNT
    if not packed:
        assert (out / FILE).read_bytes() == b"".join(shipped(log))


def test_a_period_is_one_stretch_with_the_digest_in_front_of_it(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made, _ = export(ExportRequest(log, out, wall(21), wall(40)))
    # Two seconds more: what was written late may lie behind.
    assert (made.first, made.last) == (21, 42)
    assert not whats(out)


def test_a_period_without_events_is_an_empty_export(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made, _ = export(ExportRequest(log, out, wall(900)))
    assert (made.events, made.first, made.digest) == (0, None, None)
    assert not whats(out)


def test_an_export_of_a_broken_chain_says_so(log: Path, tmp_path: Path) -> None:
    rewrite(log, 22, rename)
    made, findings = export(ExportRequest(log, tmp_path / "out"))
    assert not made.sound
    assert [one.first for one in findings.listed] == [22]


def test_a_changed_event_of_an_export_is_seen(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(ExportRequest(log, out))
    file = out / FILE
    file.write_bytes(file.read_bytes().replace(b'"web-27"', b'"web-99"'))
    found = whats(out)
    assert "its SHA-256 is not the manifest's" in found
    assert "the chain of the file's events does not end with the manifest's digest" in found


def test_a_manifest_that_was_changed_with_its_file_is_seen_beside_the_log(
    log: Path, tmp_path: Path
) -> None:
    """Who makes both anew is found by any head that was shipped, or by the log."""
    other = make_log(tmp_path / "forged", COUNT)
    execute(other, "UPDATE state SET stream = (SELECT stream FROM state)")
    out = tmp_path / "out"
    export(ExportRequest(log, out))
    rewrite(log, 27, rename, digests=True, heads=True)
    assert any("not the one that was shipped" in what for what in whats(out, log))


def test_a_truncated_export_says_where(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(ExportRequest(log, out))
    file = out / FILE
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:45]) + lines[45][:100])
    found = whats(out)
    assert "it is not a JSON document, and the file ends in it" in found
    assert f"it says {COUNT} events, the file has 45" in found
    assert "the chain can be computed up to number 45 only" in found


def test_a_truncated_packed_export_says_so(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made, _ = export(ExportRequest(log, out, packed=True))
    file = out / made.file
    file.write_bytes(file.read_bytes()[:-30])
    assert any("the packed file was cut off" in what for what in whats(out))


def test_a_missing_file_and_one_too_many_are_named(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(ExportRequest(log, out))
    (out / "more.ndjson").write_bytes(b"{}\n")
    assert "the manifest does not name more.ndjson" in whats(out)
    (out / FILE).unlink()
    assert f"the manifest names {FILE}, which is missing" in whats(out)


def test_a_directory_with_something_in_it_is_refused(log: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(StateUnusable, match="is not empty"):
        export(ExportRequest(log, tmp_path))
    assert (tmp_path / "kept").read_text() == "mine"


def test_what_was_exported_is_for_its_owner_only(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(ExportRequest(log, out))
    modes = {path.name: path.stat().st_mode & 0o777 for path in out.iterdir()}
    assert set(modes.values()) == {0o600}
    assert out.stat().st_mode & 0o777 == 0o700
    assert json.loads((out / manifest.NAME).read_text())["format"] == manifest.FORMAT
