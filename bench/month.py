"""``python -m bench.month``: what the judge reports on made-up nodes, and what that costs.

:mod:`bench.node_life` makes a node's five weeks from a seed. Seeds 1 to 21, 31 to 35 and 101 to 110
were for development, of which ``--development`` runs five. The reported ones are 201 to 210, each
with a second month in which the means are others (:mod:`bench.life_variants`). Of a third month
(:mod:`bench.life_routes`) 401 to 403 were for development and 404 to 413 are reported.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.life_calendar import DAY, HOUR, LEARNING, SECOND, ZONE
from bench.life_routes import Routes
from bench.life_variants import Variants
from bench.machine import machine
from bench.node_life import Life
from bench.rows import Row, missed, table
from sensor.judge.baseline import KINDS, Baseline
from sensor.judge.change_text import Adder, of_json
from sensor.judge.feature import Features, Who, WhoKind
from sensor.judge.judge import Judge
from sensor.judge.workload import workload_of
from sensor.model.alert import AlertClass, AlertState
from sensor.model.vocabulary import EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.life_world import Happening
    from sensor.judge.policy import Policy
    from sensor.model.events import Event

COMMAND = "python -m bench.month"
DEVELOPMENT = (1, 2, 3, 4, 5)
REPORTED = tuple(range(201, 211))
ROUTES = tuple(range(404, 414))
"""Seeds of the third month."""
FALSE_A_DAY, FALSE_IN_LEARNING, PRECISION, JUDGING_MS, MEMORY_MIB = 0.3, 3.0, 0.8, 0.15, 3.0
WORKLOADS, TERMS = 4096, 12
HIDDEN_AFTER = 60 * SECOND

Rows = dict[tuple[str, str], bytes]


@dataclass(slots=True)
class Result:
    """What became of one seed."""

    seed: int
    starts: int = 0
    days: int = 0
    false_later: list[str] = field(default_factory=list)
    false_learning: list[str] = field(default_factory=list)
    updates: int = 0
    true_alerts: int = 0
    planted: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    operational: int = 0
    explanations: Counter[str] = field(default_factory=Counter)
    cpu_ms: float = 0.0

    @property
    def missed(self) -> list[str]:
        """Intrusions that no alert is about."""
        return sorted(self.planted - self.found)

    @property
    def false_a_day(self) -> float:
        """False alerts a day after the learning week."""
        return len(self.false_later) / max(1, self.days - LEARNING)

    @property
    def precision(self) -> float:
        """Intrusions that were found, of these and the false alerts after the learning week."""
        alerts = len(self.found) + len(self.false_later)
        return len(self.found) / alerts if alerts else 1.0


class Run:
    """One node before a judge, with a store of rows that outlasts it."""

    def __init__(
        self,
        life: Life,
        killed_after: int | None = None,
        *,
        policy: Policy | None = None,
        keep: Callable[[Event, int], None] | None = None,
    ) -> None:
        """``keep`` takes each event as it is judged, and each alert, with its wall time in ns."""
        self.happenings = life.happenings()
        self.begin = life.begin
        self.offset = life.offset
        self.rows: Rows = {}
        self.judge = Judge(policy, zone=ZONE)
        self._keep = keep
        self.result = Result(0, days=life.days)
        self._killed_after = killed_after
        self._planted = {
            one.event.id: one.planted for one in self.happenings if one.planted is not None
        }
        self._of_container = {
            one.event.container.id: one.planted
            for one in self.happenings
            if one.planted is not None and one.event.container is not None
        }

    def go(self) -> Result:
        """Judge everything, with a tick an hour."""
        result = self.result
        result.planted = set(self._planted.values())
        ticked = self.begin
        waiting: list[Happening] = []
        for number, one in enumerate(self.happenings):
            if number == self._killed_after:
                self.judge = Judge(zone=ZONE)
                self.judge.restore(self.rows)
            while one.wall - ticked > HOUR:
                ticked += HOUR
                self.judge.tick(ticked - self.offset, self.offset)
                self._take(ticked)
            while waiting and one.wall - waiting[0].wall > HIDDEN_AFTER:
                self.judge.hidden(waiting.pop(0).event)
                self._take(one.wall)
            if one.change is not None:
                self._change(one)
            self._judge(one)
            if one.hidden:
                waiting.append(one)
        return result

    def _judge(self, one: Happening) -> None:
        begin = time.process_time_ns()
        event = self.judge.judge(one.event)
        rows = self.judge.take_rows()
        spent = time.process_time_ns() - begin
        self._write(rows)
        if self._keep is not None:
            self._keep(event, one.wall)
        if event.type is EventType.START:
            self.result.starts += 1
            self.result.cpu_ms += spent / 1e6
            verdict = event.verdict
            explanation = verdict.explanation if verdict is not None else None
            expected = verdict.expected if verdict is not None else None
            self.result.explanations[explanation or f"none, expected {expected}"] += 1
        self._take(one.wall)

    def _change(self, one: Happening) -> None:
        workload, by = workload_of(one.event), one.event.initiator
        body = {
            "id": one.change,
            "by": "dora",
            "for_seconds": 7200,
            "workload": workload.key if workload is not None else "?",
        }
        if by is not None and by.user is not None and by.user.auid_name is not None:
            body["login"] = by.user.auid_name
        wall = one.wall - 60 * SECOND
        change = of_json(json.dumps(body).encode(), wall, Adder("ci", 0))
        self.judge.ledger.add(change, wall)

    def _write(self, rows: tuple[tuple[str, str, bytes | None], ...]) -> None:
        for kind, key, value in rows:
            if value is None:
                self.rows.pop((kind, key), None)
            else:
                self.rows[kind, key] = value

    def _take(self, wall: int) -> None:
        self._write(self.judge.take_rows())
        for event in self.judge.take_alerts():
            if self._keep is not None:
                self._keep(event, wall)
            self._count(event, wall)

    def _count(self, event: Event, wall: int) -> None:
        alert, result = event.alert, self.result
        if alert is None or alert.state not in {AlertState.NEW, AlertState.UPDATE}:
            return
        if alert.class_ is AlertClass.OPERATIONAL:
            result.operational += 1
            return
        container = event.container.id if event.container is not None else None
        planted = self._planted.get(alert.start or "") or self._of_container.get(container)
        if planted is not None:
            result.found.add(planted)
            result.true_alerts += alert.state is AlertState.NEW
        elif alert.state is AlertState.UPDATE:
            result.updates += 1
        else:
            text = f"{alert.finding}: {'; '.join(fact.sentence for fact in alert.facts)}"
            learning = wall - self.begin < LEARNING * DAY
            (result.false_learning if learning else result.false_later).append(text)


def run(seed: int, *, early: bool = False) -> Result:
    """Judge one node."""
    found = Run(Life(seed, early_intruder=early)).go()
    found.seed = seed
    return found


def run_variants(seed: int) -> Result:
    """Judge one node with other intrusions and other ordinary changes."""
    found = Run(Life(seed, variants=(*Variants.plants(), *Variants.habits()))).go()
    found.seed = seed
    return found


def run_routes(seed: int) -> Result:
    """Judge one node with the same kinds of intrusions and changes by yet other routes."""
    found = Run(Life(seed, variants=(*Routes.plants(), *Routes.habits()))).go()
    found.seed = seed
    return found


def killed_is_the_same(seed: int) -> bool:
    """Whether a judge that is killed in the middle leaves the same rows of the baseline."""
    whole = Run(Life(seed))
    whole.go()
    half = Run(Life(seed), killed_after=len(whole.happenings) // 2)
    half.go()
    return _baseline(whole.rows) == _baseline(half.rows)


def _baseline(rows: Rows) -> Rows:
    return {key: value for key, value in rows.items() if key[0] in KINDS}


def memory() -> float:
    """Return the MiB of a baseline of many workloads."""
    gc.collect()
    tracemalloc.start()
    baseline = Baseline()
    for day in range(2):
        for number in range(WORKLOADS):
            baseline.learn(_features(number), 1_790_000_000 + day * 86_400 + number)
            baseline.rows.clear()
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / (1 << 20)


def _features(number: int) -> Features:
    return Features(
        workload=f"compose/project-{number % 64}/service-{number}",
        instance=f"compose/project-{number % 64}/service-{number}",
        container=None,
        namespace=None,
        static=False,
        repository=f"registry.example.com/team/service-{number % 512}",
        organisation="registry.example.com/team",
        base=f"service-{number % 512}",
        tag="1@sha256:0011223344556677",
        entrypoint="server",
        shell=False,
        strong_atoms=frozenset({"cap:NET_ADMIN", "mount:host:rw", "ns:network", "ns:pid"}),
        weak_atoms=frozenset({"seccomp:unconfined", "apparmor:unconfined"}),
        whos=(Who(WhoKind.PERSON, "login deploy"),),
        late=False,
        special=None,
    )


def of_seeds(results: list[Result], what: str) -> list[Row]:
    """Return a row for each seed."""
    rows = []
    for one in results:
        good = not one.missed and one.false_a_day <= FALSE_A_DAY and one.precision >= PRECISION
        good = good and len(one.false_learning) <= FALSE_IN_LEARNING
        rows.append(
            Row(
                f"{what} {one.seed}: {one.starts:,} starts, found of {len(one.planted)} planted,"
                " false alerts a day, in the learning week, precision",
                f"{len(one.found)}, {one.false_a_day:.2f}, {len(one.false_learning)},"
                f" {one.precision:.2f}",
                f"all, ≤ {FALSE_A_DAY}, ≤ {FALSE_IN_LEARNING:.0f}, ≥ {PRECISION}",
                good,
                COMMAND,
                {"false_a_day": one.false_a_day, "precision": one.precision},
            )
        )
    return rows


def report(results: list[Result], variants: list[Result], routes: list[Result]) -> list[Row]:
    """Return the table of the seeds."""
    rows = of_seeds(results, "seed") + of_seeds(variants, "variants of seed")
    rows += of_seeds(routes, "routes of seed")
    cost = statistics.median(one.cpu_ms / one.starts for one in results)
    rows.append(
        Row(
            "CPU time of judging a start with the baseline",
            f"{cost:.3f} ms",
            f"≤ {JUDGING_MS} ms",
            cost <= JUDGING_MS,
            COMMAND,
            {"judging_ms": cost},
        )
    )
    used = memory()
    rows.append(
        Row(
            f"memory of a baseline of {WORKLOADS:,} workloads, {TERMS} terms each",
            f"{used:.1f} MiB",
            f"≤ {MEMORY_MIB:.0f} MiB",
            used <= MEMORY_MIB,
            COMMAND,
            {"memory_mib": used},
        )
    )
    same = killed_is_the_same(results[0].seed)
    rows.append(
        Row(
            "rows of the baseline after a kill in the middle, against none",
            "equal" if same else "different",
            "equal",
            same,
            COMMAND,
            {"same": float(same)},
        )
    )
    return rows


def main() -> None:
    """Judge the seeds and print one table."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("--development", action="store_true", help="seeds 1 to 5 only")
    parser.add_argument("--early", action="store_true", help="with an intruder in the first week")
    parser.add_argument("--details", action="store_true", help="list false and missed ones")
    arguments = parser.parse_args()
    seeds = DEVELOPMENT if arguments.development else REPORTED
    results = [run(seed, early=arguments.early) for seed in seeds]
    variants = [run_variants(seed) for seed in seeds]
    routes = [] if arguments.development else [run_routes(seed) for seed in ROUTES]
    if arguments.details:
        for one in (*results, *variants, *routes):
            print(
                f"seed {one.seed}: missed {one.missed}, operational {one.operational},"
                f" alerts about planted {one.true_alerts},"
                f" updates {one.updates}, {dict(one.explanations)}"
            )
            for text in one.false_learning:
                print(f"   learning: {text[:220]}")
            for text in one.false_later:
                print(f"   later: {text[:220]}")
    rows = report(results, variants, routes)
    print(f"{machine()}\n\n{table(rows)}")
    sys.exit(1 if missed(rows) else 0)


if __name__ == "__main__":
    main()
