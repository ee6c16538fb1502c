"""A made-up node over some weeks: what runs on it, what people do, and what an intruder does.

Everything follows from a seed. The node has compose services, Kubernetes deployments, DaemonSets
and CronJobs, timers, a CI runner and three people; a summer time ends in the month. Intrusions are
spread over the days after the learning week, one a day at most; each is named.

Benign: deploys by a pipeline, hot fixes and new services with a change, autoscaling, liveness and
out-of-memory restarts at any hour, crash loops that end, reboots, engine upgrades, timers of a
quarter of an hour, an hour, a day and a week with jitter, CI jobs with generated names and new
languages, people who debug by day, privileged DaemonSets that roll, evictions at night, a clock
that is set, new deployments that the scheduler places here.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bench.life_calendar import DAY, ZONE, Calendar
from bench.life_events import Maker
from bench.life_intruder import Intruder
from bench.life_people import People
from bench.life_routes import Routes
from bench.life_workloads import Workloads
from bench.life_world import Happening, World
from sensor.model.agent_records import HostFacts

if TYPE_CHECKING:
    from collections.abc import Sequence


class Life:
    """The happenings of one node."""

    def __init__(
        self,
        seed: int,
        days: int = 35,
        *,
        early_intruder: bool = False,
        variants: Sequence[str] | None = None,
    ) -> None:
        """``variants`` stand in place of the intruder.

        They are names of :mod:`bench.life_variants` and of :mod:`bench.life_routes`.
        """
        choose = random.Random(seed)
        begin = datetime(2026, 10, 1, tzinfo=ZONE) + timedelta(days=seed % 20)
        calendar = Calendar(choose, begin, days)
        self.begin = calendar.begin
        self.days = days
        self.offset = self.begin - 40 * DAY
        """Of the wall clock against the time since boot, in ns."""
        host = HostFacts(
            f"node-{seed}", f"boot-{seed}-0", f"machine-{seed}", "6.1", None, ("apparmor",)
        )
        self._world = World(choose, calendar, Maker(host, self.offset))
        self._early = early_intruder
        self._variants = variants

    def happenings(self) -> list[Happening]:
        """Return all of it in its order. The seed decides, so the order of the calls stays."""
        workloads, people = Workloads(self._world), People(self._world)
        workloads.first_day()
        for day in range(self.days):
            workloads.timers(day)
            people.jobs(day)
            people.work(day)
            workloads.restarts(day)
            workloads.pods(day)
            people.deploys(day)
        workloads.crash_loops()
        workloads.boots()
        workloads.evictions()
        people.novelties()
        if self._variants is None:
            Intruder(self._world, early=self._early).act()
        else:
            more = Routes(self._world)
            for name in self._variants:
                more.add(name)
        return sorted(self._world.found, key=lambda one: one.wall)
