"""What goes wrong without an intruder, and the floods that one causes: windows over starts.

=================  ==============================================================================
``crash-loop``     many restarts by policy or kubelet within minutes; over after some calm ones
``restart-storm``  more workloads restart within minutes than a share of those that run
``failed-starts``  many starts of one container fail within minutes
``burst``          first starts by one initiator within minutes, twice the most ever
=================  ==============================================================================

:mod:`sensor.judge.findings` has the numbers: a policy may set them.

Docker waits 0.1 s, doubled up to 60 s, and a kubelet 0 s, 10 s, 20 s up to 300 s: in both a
container that crashes at once is started five times within ten minutes.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge.findings import burst, crash_loop, failed_starts, restart_storm
from sensor.judge.tuning import DEFAULT
from sensor.judge.workload import workload_of
from sensor.model.account import apart, share_in
from sensor.model.alert import AlertState, Fact, Strength
from sensor.model.container import KUBERNETES
from sensor.model.vocabulary import Finding, StartKind, Trigger
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensor.judge.alert_book import AlertBook
    from sensor.judge.case import Facts
    from sensor.judge.feature import Features
    from sensor.judge.ledger import Row, RowKey
    from sensor.model.events import Event

SECOND = 1_000_000_000
NS_PER_DAY = 86_400 * SECOND
MINUTE = 60 * SECOND
SLACK = 2 * SECOND
"""Starts may be seen that much out of order."""
SUBJECTS_MAX = 2048
"""Containers, and initiators, whose last starts are remembered: so many of root's, and an eighth of
that of each other account."""
FROM_NOW = -1
"""In place of a time: an earlier agent saw it begin, and calm is counted from the first tick on."""
BURST_ROW = "burst"
_STRONG = Strength.STRONG
_RESTARTS = frozenset({Trigger.RESTART_POLICY, Trigger.ORCHESTRATOR})


@dataclass(frozen=True, slots=True)
class Peak:
    """The most first starts within the window: of a day, and of the days before it."""

    day: int = -1
    today: int = 0
    most: int = 0


_NO_PEAK = Peak()
_Times = SharedTable[str, deque[int]]
"""When each subject was seen, in ns of the wall clock."""


class Operational:
    """Bounded; fed with every start and every start that failed."""

    def __init__(
        self, book: AlertBook, *, keeping: bool = True, rows: list[Row] | None = None
    ) -> None:
        """``rows`` is the list to leave rows in for the store; without ``keeping`` none are."""
        self._book = book
        self.tuning = DEFAULT
        self._keeping = keeping
        self._restarts: _Times = SharedTable(SUBJECTS_MAX)
        self._loops: dict[str, tuple[str | None, int]] = {}
        """Workloads with a container in a loop: which, and when it was restarted last.

        None is unknown: an earlier agent saw the loop begin.
        """
        self._failures: _Times = SharedTable(SUBJECTS_MAX)
        self._restarted: deque[tuple[int, str]] = deque(maxlen=SUBJECTS_MAX)
        self._storm: int | None = None
        """When restarts were too many the last time."""
        self._quiet_until = 0
        self._firsts: _Times = SharedTable(SUBJECTS_MAX)
        self._peaks: SharedTable[str, tuple[str, Peak]] = SharedTable(SUBJECTS_MAX)
        self.rows: list[Row] = [] if rows is None else rows

    def restore(self, rows: Mapping[RowKey, bytes]) -> list[RowKey]:
        """Take over how many starts each initiator made at most; returns the unreadable rows.

        What the book has open goes on: its end is reported, too.
        """
        for one in self._book.entries():
            if one.state is AlertState.RESOLVED:
                continue
            if one.finding is Finding.CRASH_LOOP:
                self._loops[one.value] = None, FROM_NOW
            elif one.finding is Finding.RESTART_STORM:
                self._storm = FROM_NOW
        unreadable: list[RowKey] = []
        for (kind, who), row in rows.items():
            if kind == BURST_ROW:
                try:
                    day, today, most = json.loads(row)
                    self._put_peak(who, Peak(int(day), int(today), int(most)))
                except (ValueError, TypeError):
                    unreadable.append((kind, who))
        return unreadable

    # ----------------------------------------------------------------- starts

    def on_start(
        self, facts: Facts, features: Features, event: Event, running: int, *, learning: bool
    ) -> None:
        """Look at a start; ``running`` is how many containers run."""
        if facts.trigger is Trigger.ENGINE_BOOT and facts.owner is None:
            self._quiet_until = facts.wall + self._quiet
        if facts.kind is StartKind.FIRST:
            self._first(features, event, facts.wall, learning=learning)
        elif facts.by_itself and facts.trigger in _RESTARTS:
            self._restart(facts, event, running)

    def _restart(self, facts: Facts, event: Event, running: int) -> None:
        subject = _subject(facts)
        limit, minutes = (
            self.tuning.number(crash_loop.RESTARTS),
            self.tuning.number(crash_loop.MINUTES),
        )
        # Replicas that restart once each are not a loop.
        instance = _instance(facts, subject)
        times = _within(self._restarts, instance, facts.wall, minutes * MINUTE)
        loop = self._loops.get(subject)
        if loop is not None and (loop[0] in {None, instance} or len(times) >= limit):
            self._loops[subject] = instance, facts.wall
        elif loop is None and len(times) >= limit:
            self._loops[subject] = instance, facts.wall
            seen = f"{len(times)} restarts in {minutes} minutes"
            fact = Fact("restarts", f"fewer than {limit}", seen, None, _STRONG)
            self._book.raise_(Finding.CRASH_LOOP, subject, (fact,), event)
        if facts.owner is None:
            # A storm is of what the host runs: no other user begins, hides or prolongs one.
            self._restarted.append((facts.wall, subject))
            self._look_for_storm(facts, event, running)

    def _look_for_storm(self, facts: Facts, event: Event, running: int) -> None:
        wall = facts.wall
        minutes = self.tuning.number(restart_storm.MINUTES)
        if event.time < self._quiet or wall < self._quiet_until:
            return
        while self._restarted and not _is_within(self._restarted[0][0], wall, minutes * MINUTE):
            self._restarted.popleft()
        workloads = {subject for _, subject in self._restarted}
        share = self.tuning.number(restart_storm.PERCENT) * running // 100
        least = max(self.tuning.number(restart_storm.WORKLOADS), share)
        limit = min(least, SUBJECTS_MAX - 1)
        if len(workloads) <= limit:
            return
        if self._storm is None:
            seen = f"{len(workloads)} of {running} in {minutes} minutes"
            fact = Fact("workloads that restart", f"at most {limit}", seen, None, Strength.STRONG)
            self._book.raise_(Finding.RESTART_STORM, "node", (fact,), event)
        self._storm = wall

    def _first(self, features: Features, event: Event, wall: int, *, learning: bool) -> None:
        if len(features.whos) != 1 or features.by_engine:
            return
        who = features.whos[0].value
        minutes, least = self.tuning.number(burst.MINUTES), self.tuning.number(burst.STARTS)
        times = _within(self._firsts, who, wall, minutes * MINUTE)
        _, peak = self._peaks.get(who) or (who, _NO_PEAK)
        count = len(times)
        day = wall // NS_PER_DAY
        if day > peak.day:
            peak = Peak(day, 0, max(peak.most, peak.today))
        most = max(least, self.tuning.number(burst.FACTOR) * peak.most)
        # No more are remembered: beyond that all are a burst.
        limit = min(most, SUBJECTS_MAX - 1)
        if count > limit and not learning:
            # This day does not count as the most ever.
            self._note_peak(who, Peak(day, 0, peak.most))
            seen = f"{count} in {minutes} minutes by {who}"
            if count == limit + 1:
                fact = Fact("first starts", f"at most {limit}", seen, None, _STRONG)
                self._book.raise_(Finding.BURST, who, (fact,), event)
        elif count > peak.today:
            self._note_peak(who, Peak(day, count, peak.most))

    def _note_peak(self, who: str, peak: Peak) -> None:
        if self._keeping:
            row = f"[{peak.day}, {peak.today}, {peak.most}]".encode()
            self.rows.append((BURST_ROW, who, row))
        self._put_peak(who, peak)

    def _put_peak(self, who: str, peak: Peak) -> None:
        gone = self._peaks.put(who, (who, peak), share_in(who))
        if gone is not None and self._keeping:
            self.rows.append((BURST_ROW, gone[0], None))

    def on_failed(self, event: Event) -> None:
        """Look at a start that failed."""
        if event.container is None:
            return
        wall, subject = event.time + event.realtime_offset, _failing(event)
        limit, minutes = (
            self.tuning.number(failed_starts.STARTS),
            self.tuning.number(failed_starts.MINUTES),
        )
        times = _within(self._failures, subject, wall, minutes * MINUTE)
        if subject and len(times) >= limit:
            times.clear()
            seen = f"{limit} in {minutes} minutes"
            fact = Fact("failed starts", f"fewer than {limit}", seen, None, _STRONG)
            self._book.raise_(Finding.FAILED_STARTS, subject, (fact,), event)

    # ----------------------------------------------------------------- calm

    def tick(self, now: Event) -> None:
        """Report loops and storms that are over."""
        wall = now.time + now.realtime_offset
        minutes = self.tuning.number(crash_loop.CALM_MINUTES)
        for subject, (instance, last) in list(self._loops.items()):
            if last == FROM_NOW:
                self._loops[subject] = instance, wall
            elif wall - last > minutes * MINUTE:
                del self._loops[subject]
                reason = f"no restart for {minutes} minutes"
                self._book.resolve(Finding.CRASH_LOOP, subject, now, reason)
        minutes = self.tuning.number(restart_storm.CALM_MINUTES)
        if self._storm == FROM_NOW:
            self._storm = wall
        elif self._storm is not None and wall - self._storm > minutes * MINUTE:
            self._storm = None
            reason = f"calm for {minutes} minutes"
            self._book.resolve(Finding.RESTART_STORM, "node", now, reason)

    @property
    def _quiet(self) -> int:
        """Nanoseconds after the boot of node or engine in which restarts make no storm."""
        return self.tuning.number(restart_storm.QUIET_MINUTES) * MINUTE


def _subject(facts: Facts) -> str:
    if facts.workload is not None:
        return facts.workload.row
    return facts.container_id or ""


def _failing(event: Event) -> str:
    """Return what names a container over its attempts to start; empty where nothing does."""
    subject = _failing_of_root(event)
    return apart(subject, event.owner) if subject else ""


def _failing_of_root(event: Event) -> str:
    container, pod = event.container, event.orchestrator
    if pod is not None and pod.type != KUBERNETES and (workload := workload_of(event)) is not None:
        return workload.row
    if pod is not None and pod.pod is not None:
        return f"{pod.namespace}/{pod.pod}#{pod.container}"
    return (container.name or container.id or "") if container is not None else ""


def _instance(facts: Facts, workload: str) -> str:
    """Return what names a container over its restarts."""
    return apart(_instance_of_root(facts, workload), facts.owner)


def _instance_of_root(facts: Facts, workload: str) -> str:
    pod = facts.event.orchestrator
    if pod is None:
        return facts.container_id or workload
    if pod.type != KUBERNETES:
        # Each restart is a task of its own.
        return workload
    return f"{pod.pod_uid or f'{pod.namespace}/{pod.pod}'}#{pod.container}"


def _within(table: _Times, subject: str, wall: int, window: int) -> deque[int]:
    times = table.get(subject)
    if times is None:
        times = deque(maxlen=SUBJECTS_MAX)
        table.put(subject, times, share_in(subject))
    else:
        table.renew(subject)
    times.append(wall)
    while times and not _is_within(times[0], wall, window):
        times.popleft()
    return times


def _is_within(earlier: int, wall: int, window: int) -> bool:
    """Whether a time lies in a window up to now: not one from before the clock was set back."""
    return -SLACK <= wall - earlier <= window
