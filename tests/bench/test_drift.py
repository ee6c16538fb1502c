"""The gate names what got worse by more than its noise, on whatever machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from bench import drift
from bench.drift import METRICS, NOISE_MIN, UNIT, Known, compare, learn, metrics_of, report
from bench.rows import Row


def rows(p50: float, pss: float, unit: float = 1000.0) -> list[Row]:
    return [
        Row(UNIT, "", None, None, "c", {"unit_us": unit}),
        Row("init's execve to line read, 8 at a time", "", None, None, "c", {"p50_ms": p50}),
        Row("agent's memory (PSS) after 200 starts", "", None, None, "c", {"pss_mib": pss}),
    ]


def metrics(p50: float, pss: float, unit: float = 1000.0) -> dict[str, float]:
    return metrics_of(asdict(row) for row in rows(p50, pss, unit))


RUNS = [metrics(1.0, 40.0), metrics(1.1, 40.4), metrics(0.9, 40.2)]


def test_a_time_is_held_against_the_unit_and_a_size_is_not() -> None:
    slow = metrics(2.0, 40.0, unit=2000.0)
    assert slow["start p50"] == pytest.approx(metrics(1.0, 40.0)["start p50"])
    assert slow["memory"] == 40.0


def test_a_time_without_a_unit_is_no_metric() -> None:
    assert metrics_of(asdict(row) for row in rows(1.0, 40.0)[1:]) == {"memory": 40.0}


def test_noise_is_that_of_the_runs_and_never_too_little() -> None:
    known = learn(RUNS)
    assert known["start p50"].median == pytest.approx(1.0 / 1000)
    assert known["start p50"].noise == pytest.approx(0.15)
    assert known["memory"].noise == NOISE_MIN
    assert learn(RUNS[:2]) == {}


def test_no_run_that_the_baseline_is_made_of_is_worse_than_it() -> None:
    runs = [metrics(p50, 40.0) for p50 in (1.0, 1.01, 1.4)]
    assert not [one for run in runs for one in compare(run, learn(runs)) if one.is_worse]


@pytest.mark.parametrize(
    ("p50", "worse", "better"),
    [(1.1, False, False), (1.2, True, False), (0.9, False, False), (0.8, False, True)],
)
def test_what_is_beyond_the_noise_is_worse_or_better(
    p50: float, *, worse: bool, better: bool
) -> None:
    (found,) = [one for one in compare(metrics(p50, 40.2), learn(RUNS)) if one.name == "start p50"]
    assert (found.is_worse, found.is_better) == (worse, better)


def test_the_report_names_what_got_worse_first() -> None:
    text = report(rows(1.4, 40.2), learn(RUNS)).splitlines()
    assert text[0].startswith("WORSE: start p50 is 1.40 times")
    assert text[-1].startswith("2 metrics compared")
    assert text[-1].endswith("1 worse")


def test_files_of_runs_become_the_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for number, p50 in enumerate((1.0, 1.1, 0.9)):
        document = {"machine": {}, "rows": [asdict(row) for row in rows(p50, 40.0)]}
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setattr(drift, "FILE", tmp_path / "baseline.json")
    monkeypatch.setattr("sys.argv", ["drift", "--renew", *map(str, files)])
    drift.main()
    assert drift.read(tmp_path / "baseline.json") == {
        "start p50": Known(0.001, 0.15, 3),
        "memory": Known(40.0, NOISE_MIN, 3),
    }
    monkeypatch.setattr("sys.argv", ["drift", str(files[0])])
    monkeypatch.setattr(drift, "read", lambda: {"start p50": Known(0.0005, 0.05, 3)})
    with pytest.raises(SystemExit) as ended:
        drift.main()
    assert ended.value.code == 1


def test_the_committed_baseline_has_metrics_that_a_run_can_give() -> None:
    known = drift.read()
    assert known
    assert set(known) <= {metric.name for metric in METRICS}
