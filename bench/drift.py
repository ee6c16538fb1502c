"""What got worse since the numbers were committed: ``python -m bench.drift``.

``bench/baseline.json`` holds the median of each metric over several runs, and its noise. A time is
divided by the *unit*, the processor time of a fixed piece of Python on the same machine in the same
minute, so that another machine or a slower day gives the same ratio. Sizes and ratios stand as they
are. A metric that is above its median by more than its noise is named.

    make bench                                            names what got worse
    python -m bench --json A.json; … ; python -m bench.drift --renew A.json B.json C.json

Renew it with a change that is meant to cost something, from three runs or more, and say why in
docs/bench.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COMMAND = "python -m bench.drift"
FILE = Path(__file__).with_name("baseline.json")
UNIT = "the unit: processor time of a fixed piece of Python on this machine"
UNIT_ROUNDS = 15
UNIT_SIZE = 400
RUNS_MIN = 3
NOISE_MIN = 0.05
"""Share of the median that counts as noise at the least: three runs may be alike by chance."""
NOISE_FACTOR = 1.5
"""By which the largest distance of a run from the median is multiplied: they are few."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a row: the row whose ``what`` begins with a text, and the key of its value."""

    name: str
    row: str
    value: str
    timed: bool = True
    """A time, and so divided by the unit."""


METRICS = (
    Metric("start p50", "init's execve to line read", "p50_ms"),
    Metric("start p99", "init's execve to line read", "p99_ms"),
    Metric("CPU of a start", "agent's CPU for one start", "cpu_ms_per_start"),
    Metric("memory", "agent's memory (PSS)", "pss_mib", timed=False),
    Metric("bytes of a start", "bytes of a start event", "json", timed=False),
    Metric("stage event", "core, from the init's execve", "warm_us"),
    Metric("stage judge", "judge, to the verdict", "warm_us"),
    Metric("stage encode", "encoder, one line", "warm_us"),
    Metric("stage conclude", "judge, what it remembers", "warm_us"),
    Metric("stage core", "core, all records of a start", "warm_us"),
    Metric("exec loop", "exec loop", "ratio", timed=False),
    Metric("system call loop", "syscalls loop", "ratio", timed=False),
    Metric("unix socket loop", "unix-send loop", "ratio", timed=False),
)


@dataclass(frozen=True, slots=True)
class Known:
    """The committed median of a metric, its noise as a share of that, and of how many runs."""

    median: float
    noise: float
    runs: int


@dataclass(frozen=True, slots=True)
class Drift:
    """A metric of this run against the committed one."""

    name: str
    ratio: float
    """This run's value, in committed medians."""
    noise: float

    @property
    def is_worse(self) -> bool:
        """Whether it is above the median by more than its noise."""
        return self.ratio > 1 + self.noise

    @property
    def is_better(self) -> bool:
        """Whether it is below the median by more than its noise."""
        return self.ratio < 1 - self.noise


def unit_row(command: str) -> Row:
    """Measure the unit: the least of some rounds, since the others were disturbed."""
    taken = []
    for _ in range(UNIT_ROUNDS):
        began = time.thread_time_ns()
        _work()
        taken.append(time.thread_time_ns() - began)
    unit = min(taken) / 1000
    return Row(UNIT, f"{unit:.0f} us", None, None, command, {"unit_us": unit})


def _work() -> int:
    """What the agent does most: small objects, mappings, text and JSON."""
    known: dict[str, tuple[int, str]] = {}
    size = 0
    for number in range(UNIT_SIZE):
        key = f"container-{number % 97:08x}"
        known[key] = number, key.upper()
        document = {"id": key, "n": number, "words": key.split("-"), "known": len(known)}
        size += len(json.dumps(document))
        size += sum(1 for one in known.values() if one[0] & 1)
    return size


def metrics_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the metrics that rows of one run hold, times in units; ``rows`` as in ``--json``."""
    rows = list(rows)
    unit = next((row["values"]["unit_us"] for row in rows if row["what"] == UNIT), None)
    found: dict[str, float] = {}
    for metric in METRICS:
        for row in rows:
            value = row["values"].get(metric.value)
            if not row["what"].startswith(metric.row) or value is None:
                continue
            if not metric.timed:
                found[metric.name] = value
            elif unit:
                found[metric.name] = value / unit
            break
    return found


def learn(runs: Sequence[dict[str, float]]) -> dict[str, Known]:
    """Return medians and noise of several runs; of a metric that some lack, of the others."""
    found: dict[str, Known] = {}
    for metric in METRICS:
        values = [run[metric.name] for run in runs if metric.name in run]
        if len(values) >= RUNS_MIN:
            median = statistics.median(values)
            spread = max(abs(value - median) for value in values) / median
            noise = max(NOISE_MIN, NOISE_FACTOR * spread)
            found[metric.name] = Known(round(median, 9), round(noise, 3), len(values))
    return found


def compare(run: Mapping[str, float], known: Mapping[str, Known]) -> list[Drift]:
    """Hold the metrics of a run against the committed ones."""
    return [
        Drift(name, run[name] / one.median, one.noise) for name, one in known.items() if name in run
    ]


def read(file: Path = FILE) -> dict[str, Known]:
    """Read what is committed; nothing where there is no file."""
    if not file.exists():
        return {}
    document = json.loads(file.read_text(encoding="utf-8"))
    return {name: Known(**one) for name, one in document["metrics"].items()}


def report(rows: Sequence[Row], known: Mapping[str, Known]) -> str:
    """Return what got worse and what got better, a line each."""
    drifts = compare(metrics_of(asdict(row) for row in rows), known)
    lines = [
        f"{'WORSE' if one.is_worse else 'better'}: {one.name} is {one.ratio:.2f} times the"
        f" committed median, noise {one.noise:.0%}"
        for one in sorted(drifts, key=lambda one: -one.ratio)
        if one.is_worse or one.is_better
    ]
    worse = sum(one.is_worse for one in drifts)
    lines.append(f"{len(drifts)} metrics compared with {FILE.name}, {worse} worse")
    return "\n".join(lines)


def main() -> None:
    """Compare the files of ``make bench --json``, or make a new baseline of them."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", help="files of python -m bench --json")
    parser.add_argument("--renew", action="store_true", help=f"write them to {FILE.name}")
    arguments = parser.parse_args()
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in arguments.runs]
    runs = [metrics_of(document["rows"]) for document in documents]
    if arguments.renew:
        known = learn(runs)
        document = {
            "machine": documents[-1]["machine"],
            "metrics": {name: asdict(one) for name, one in known.items()},
        }
        FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"{len(known)} metrics of {len(runs)} runs")
        return
    known, worse = read(), False
    for file, run in zip(arguments.runs, runs, strict=True):
        for one in compare(run, known):
            word = "worse" if one.is_worse else "better" if one.is_better else "equal"
            print(f"{file.name}: {one.name}: {one.ratio:.2f} ({word}, noise {one.noise:.0%})")
            worse |= one.is_worse
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
