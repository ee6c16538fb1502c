"""The coverage document counts starts by layer and lists where layers disagree."""

from __future__ import annotations

import pytest

from sensor.api.coverage import ROWS_MAX, CoverageReport, report
from sensor.model.requests import CoverageRow
from tests.api.coverage_rows import row


def made(*rows: CoverageRow) -> CoverageReport:
    times = tuple(f"T{number}" for number in range(len(rows)))
    return report(rows, times, since="a", covers_since="b", until="c")


def test_starts_are_counted_by_the_layers_that_saw_them() -> None:
    found = made(row("1"), row("2", audit=True), row("3", engine=False, reason="late"))
    assert (found.starts, found.layers) == (
        3,
        (("kernel", 3), ("runtime", 3), ("audit", 1), ("engine", 2)),
    )
    (only,) = found.disagreements
    assert (only.id, only.time, only.missing, only.reason) == ("3", "T2", ("engine",), "late")


def test_an_engines_event_proves_that_its_stream_was_followed() -> None:
    assert made(row("1", engine_listening=False)).listening == 1
    assert made(row("1", engine=False, engine_listening=False)).listening == 0


def test_only_the_newest_disagreements_are_listed() -> None:
    rows = [row(str(n), reason="x") for n in range(ROWS_MAX + 5)]
    found = made(*rows)
    assert len(found.disagreements) == ROWS_MAX
    assert found.disagreements[-1].id == str(ROWS_MAX + 4)


def test_a_document_reads_back_and_another_is_refused() -> None:
    found = made(row("1", reason="x"), row("2"))
    assert CoverageReport.from_json(found.to_json()) == found
    with pytest.raises(ValueError, match="no coverage document"):
        CoverageReport.from_json(b'{"since": 1}')
