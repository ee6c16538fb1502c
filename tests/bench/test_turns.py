"""Versions are compared within a round, so that what a round had in common does not count."""

from __future__ import annotations

from pathlib import Path

from bench.turns import Turn, rows


def test_a_ratio_is_that_of_one_round() -> None:
    quiet, busy = Turn(1.0, 4.0, 30.0), Turn(3.0, 12.0, 30.0)
    better = [Turn(one.p50 / 2, one.cpu / 4, one.pss / 3) for one in (quiet, busy)]
    first, second = rows({Path("first"): [quiet, busy], Path("second"): better})
    assert (first.values["p50_ratio"], first.values["cpu_ratio"]) == (1.0, 1.0)
    assert (second.values["p50_ratio"], second.values["cpu_ratio"]) == (0.5, 0.25)
    assert second.values["cpu_ms"] == 2.0
    assert (second.values["pss_mib"], second.values["pss_ratio"]) == (10.0, 1 / 3)
    assert second.measured == "1.00 ms (0.50), 2.00 ms (0.25), 10.00 MiB (0.33)"
