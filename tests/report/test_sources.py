"""Events come from a log, exports of several hosts or a collector; each has its state."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from sensor.evidence.export import FILE, ExportRequest, export
from sensor.report.sources import Sources
from tests.evidence.logs import execute, make_log, rename, rewrite, shipped


def read(sources: Sources) -> list[int | None]:
    return [document["log"]["sequence"] if document.get("log") else None for document in sources]  # type: ignore[index]  # the log is an object


def states(sources: Sources) -> dict[str, str]:
    return {Path(chain.source).name: chain.state for chain in sources.chains}


def test_the_log_of_the_node_is_verified_while_it_is_read(tmp_path: Path) -> None:
    path = make_log(tmp_path, 30)
    sources = Sources(path, (), None, None)
    assert read(sources) == list(range(1, 31))
    assert states(sources) == {"castoff.db": "whole"}
    rewrite(path, 7, rename)
    sources = Sources(path, (), None, None)
    read(sources)
    assert states(sources) == {"castoff.db": "broken"}


def test_one_damaged_host_of_three_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        log = make_log(tmp_path / "logs" / name, 20)
        export(ExportRequest(log, tmp_path / "exports" / name))
    damaged = tmp_path / "exports" / "b" / FILE
    raw = damaged.read_bytes()
    damaged.write_bytes(raw[: len(raw) // 2])
    sources = Sources(None, (tmp_path / "exports",), None, None)
    found = read(sources)
    assert 40 < len(found) < 60
    assert states(sources) == {"a": "whole", "b": "broken", "c": "whole"}


def test_a_host_whose_manifest_is_damaged_is_broken_and_not_fatal(tmp_path: Path) -> None:
    export(ExportRequest(make_log(tmp_path / "log", 20), tmp_path / "a"))
    (tmp_path / "a" / "manifest.json").write_text("{")
    sources = Sources(None, (tmp_path / "a",), None, None)
    read(sources)
    assert states(sources) == {"a": "broken"}


def test_a_hole_in_what_a_collector_gives_out_is_a_finding(tmp_path: Path) -> None:
    lines = shipped(make_log(tmp_path / "log", 30))
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"".join(lines[:12] + lines[14:]))
    sources = Sources(None, (file,), None, None)
    assert len(read(sources)) == 28
    (chain,) = sources.chains
    assert [(one.first, one.last) for one in chain.findings.listed] == [(13, 14)]


def test_standard_input_is_read_and_promises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shipped(make_log(tmp_path, 5))
    rows = [json.dumps({"event": line.decode()}).encode() + b"\n" for line in lines]
    stdin = io.TextIOWrapper(io.BytesIO(b"".join([*rows, b"not json\n"])))
    monkeypatch.setattr(sys, "stdin", stdin)
    sources = Sources(None, (Path("-"),), None, None)
    assert read(sources) == [1, 2, 3, 4, 5]
    assert states(sources) == {"standard input": "broken"}


def test_events_of_before_the_chain_are_read_and_prove_nothing(tmp_path: Path) -> None:
    path = make_log(tmp_path, 5)
    execute(path, "UPDATE event SET link = NULL, digest = NULL")
    sources = Sources(path, (), None, None)
    assert read(sources) == [None] * 5
    (chain,) = sources.chains
    assert (chain.state, chain.outside) == ("unproven", 5)


def test_an_export_shows_its_digest_and_the_digest_of_its_policy(tmp_path: Path) -> None:
    log = make_log(tmp_path / "log", 12)
    made, _ = export(ExportRequest(log, tmp_path / "a", policy="cd" * 32))
    sources = Sources(None, (tmp_path / "a",), None, None)
    read(sources)
    (chain,) = sources.chains
    assert (chain.digest, chain.policy) == (made.digest, "cd" * 32)
