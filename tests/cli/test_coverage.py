"""``castoff coverage``: the period that it really covers, and the sources that disagree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.api.coverage import CoverageReport, Disagreement, report
from sensor.cli.coverage import lines
from sensor.model.requests import CoverageRow
from sensor.model.vocabulary import ContainerId

REPORT = CoverageReport(
    since="2026-03-01T10:00:00Z",
    covers_since="2026-03-01T10:00:00Z",
    until="2026-03-01T11:00:00Z",
    starts=3,
    layers=(("kernel", 3), ("runtime", 3), ("audit", 0), ("engine", 2)),
    listening=2,
    disagreements=(),
)


def test_a_period_that_began_before_the_agent_says_from_when_it_covers() -> None:
    shown = lines(replace(REPORT, covers_since="2026-03-01T10:50:00Z"))
    assert shown[0] == "3 starts since 2026-03-01 10:50:00 UTC"
    assert "no record of the time since 2026-03-01 10:00:00 UTC" in shown[1]


def test_a_period_that_is_covered_whole_has_no_remark() -> None:
    shown = lines(REPORT)
    assert shown[0] == "3 starts since 2026-03-01 10:00:00 UTC"
    assert shown[-1] == "every source that should have reported a start did"
    assert len(shown) == 6


def test_the_engines_count_is_of_starts_whose_engine_was_followed() -> None:
    assert "  engine   2 of 2 whose engine was followed" in lines(REPORT)


def test_a_start_that_an_engine_reported_counts_as_followed() -> None:
    # The stream was lost for a moment, or found after the start.
    row = CoverageRow(
        ContainerId("ab" * 32),
        "web",
        7,
        kernel=True,
        runtime=True,
        audit=False,
        engine=True,
        engine_listening=False,
        reason=None,
    )
    made = report((row,), ("T",), since="S", covers_since="S", until="U")
    assert (dict(made.layers)["engine"], made.listening) == (1, 1)


@pytest.mark.parametrize("name", ["web", None])
def test_a_disagreement_names_the_container_and_the_sources(name: str | None) -> None:
    row = Disagreement("ab" * 32, name, "T", ("kernel",), ("engine",), "it was silent")
    line = lines(replace(REPORT, disagreements=(row,)))[-1]
    assert line == f"! T  {name or 'abababababab'}: seen by kernel; not by engine: it was silent"


def test_the_document_reads_back_as_it_was() -> None:
    assert CoverageReport.from_json(REPORT.to_json()) == REPORT
