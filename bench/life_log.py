"""What the agent of a made-up node would log: its life as judged events, alerts and notes.

``python -m bench.life_log DIR`` writes the logs of three nodes below ``DIR``, one directory each,
with chains and heads as an agent's; ``castoff export`` and ``castoff report`` read them.

Beside the life of :mod:`bench.node_life` a node has a policy, signs of life, an administrator who
settles alerts on workdays, and a night on which the agent of the last node is killed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from bench.life_calendar import DAY, HOUR, MINUTE, SECOND, ZONE
from bench.month import Run
from bench.node_life import Life
from sensor.judge.findings.registry import KINDS
from sensor.judge.policy_text import SourceText, read
from sensor.model.alert import AlertClass, AlertState
from sensor.model.events import Event, Gap, SensorNote
from sensor.model.vocabulary import EventType, LastEnd
from sensor.schema.document import encode_line
from sensor.store.entry import NewEntry
from sensor.store.log import Store, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

SEEDS = (1, 21, 41)
"""Nodes whose lives begin on the same day: Friday, 2 October 2026."""
DAYS = 27
WEEK = 7
SATURDAY = 5
"""As datetime counts weekdays."""
"""Days at the end of which the reports of tests are: the summer time ends in them."""
POLICY = b"""\
[expect.timers]
unit = ["sync.service", "backup.service", "scrub.service"]

[expect.cluster]
trigger = "orchestrator"
namespace = "kube-system"
allows = ["privileged", "mount:kernel:rw"]

[forbid.strangers]
login = "mallory"

[suppress.ci]
finding = "new-entrypoint"
unit = "gitlab-runner.service"
until = 2026-12-01
reason = "builds run shells until the runner has images of its own"
"""
DOWN = 90 * MINUTE
"""How long the last node has no agent, from 01:10 of the fourth day of the week on."""
_SETTLED = (AlertState.NEW, AlertState.UPDATE)


@dataclass(frozen=True, slots=True)
class Logged:
    """An event and its wall time in ns."""

    event: Event
    wall: int


class LifeLog:
    """The events of one node, in the order in which its agent has them."""

    def __init__(self, seed: int, days: int = DAYS) -> None:
        self._life = Life(seed, days + 8)
        self.begin = self._life.begin
        self.end = self.begin + days * DAY
        policy = read([SourceText("/etc/castoff/policy.toml", POLICY)], _zone, self.begin)
        self._run = Run(self._life, policy=policy, keep=self._keep)
        self._run.happenings = [one for one in self._run.happenings if one.wall < self.end]
        self._found: list[Logged] = []
        self._next_alive = self.begin
        self._next_morning = self.begin + 33 * HOUR
        self._numbers = 0
        self._host = self._run.happenings[0].event.host
        loaded = f"{len(policy.rules)} rules of 1 files, sha256 {(policy.digest or '')[:16]}"
        self._note(self.begin, SensorNote("policy_loaded", detail=loaded))

    def events(self, *, killed: bool = False) -> list[Logged]:
        """Return all of it; ``killed``: the agent is gone for a while in the last week."""
        self._run.go()
        found = sorted(self._found, key=lambda one: one.wall)
        return self._without_agent(found) if killed else found

    # ----------------------------------------------------------------- what is kept

    def _keep(self, event: Event, wall: int) -> None:
        while self._next_alive <= wall:
            self._note(self._next_alive, SensorNote("alive", containers=len(self._run.rows) % 60))
            self._next_alive += HOUR
        for note in self._run.judge.take_notes():
            self._note(wall, SensorNote(note.action, detail=note.detail, by=note.by))
        if event.host is not None:
            self._host = replace(event.host, machine_id=_hash(event.host.machine_id)[:32])
        event = replace(event, host=self._host, id=_hash(event.id)[:32])
        self._found.append(Logged(event, wall))
        if wall >= self._next_morning:
            self._next_morning += DAY
            self._settle(wall)

    def _note(self, wall: int, note: SensorNote) -> None:
        self._numbers += 1
        time = wall - self._life.offset
        self._found.append(
            Logged(
                Event(
                    type=EventType.SENSOR,
                    id=_hash(f"{self._life.begin} note {self._numbers}")[:32],
                    time=time,
                    observed=time,
                    realtime_offset=self._life.offset,
                    host=self._host,
                    sensor=note,
                ),
                wall,
            )
        )

    def _settle(self, wall: int) -> None:
        """Let an administrator look at the alerts of a workday: some stay open."""
        if datetime.fromtimestamp(wall // SECOND, ZONE).weekday() >= SATURDAY:
            return
        judge, offset = self._run.judge, self._life.offset
        moment, book = judge.moment(wall - offset, offset), judge.alerting.book
        for number, one in enumerate(book.entries()):
            operational = KINDS[one.finding].class_ is AlertClass.OPERATIONAL
            if one.state not in _SETTLED or operational or number % 3 == 0:
                continue
            if number % 7 == 1:
                book.suppress(one.id, "dora", "known to the team, moves next week",
                              wall + 20 * DAY, moment)  # fmt: skip
            else:
                book.acknowledge(one.id, "dora", "looked at, ticket OPS-17", moment)

    # ----------------------------------------------------------------- an agent that was killed

    def _without_agent(self, found: list[Logged]) -> list[Logged]:
        since = self.end - (WEEK - 3) * DAY + 70 * MINUTE
        until = since + DOWN
        left = [one for one in found if not since <= one.wall < until]
        self._found = []
        note = SensorNote(
            "probes_attached",
            probes_surviving=False,
            down_seconds=DOWN / SECOND,
            last_end=LastEnd.KILLED,
        )
        self._note(until, note)
        judge = self._run.judge
        judge.judge(self._found[0].event)
        self._found += [Logged(one, until) for one in judge.take_alerts()]
        time = until - self._life.offset
        gap = replace(
            self._found[0].event,
            type=EventType.GAP,
            id=_hash(f"{self._life.begin} gap")[:32],
            sensor=None,
            gap=Gap("agent", "no agent ran, and the probes were gone", time - DOWN, time, None),
        )
        return sorted([*left, *self._found, Logged(gap, until)], key=lambda one: one.wall)


def week(seeds: tuple[int, ...] = SEEDS) -> Iterator[Event]:
    """Yield the last week of some nodes; the agent of the last one is killed in it."""
    for seed in seeds:
        log = LifeLog(seed)
        since = log.end - WEEK * DAY
        for one in log.events(killed=seed == seeds[-1]):
            if one.wall >= since:
                yield one.event


def write(directory: Path, seed: int, *, killed: bool, days: int = DAYS) -> Path:
    """Write a node's log as an agent does, with the chain's head in signs of life."""
    store = Store(directory, StoreSettings(sync="normal"))
    batch: list[NewEntry] = []
    for one in LifeLog(seed, days).events(killed=killed):
        event = one.event
        if event.sensor is not None and event.sensor.action == "alive":
            store.append(batch)
            store.flush(60)
            batch = []
            event = replace(event, sensor=replace(event.sensor, log=store.health().head))
        batch.append(_entry(event, one.wall))
    store.append(batch)
    store.close()
    return store.path


def _entry(event: Event, wall: int) -> NewEntry:
    container = event.container
    return NewEntry(
        id=event.id,
        type=event.type,
        time=event.time,
        wall=wall,
        boot_id="" if event.host is None else event.host.boot_id,
        container_id=None if container is None else container.id,
        name=None if container is None else container.name,
        body=encode_line(event),
    )


def _hash(text: str | None) -> str:
    return sha256((text or "").encode()).hexdigest()


def _zone(_: str | None) -> tzinfo:
    return ZONE


def main() -> None:
    """Write the logs."""
    parser = argparse.ArgumentParser(prog="python -m bench.life_log", description=__doc__)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    for seed in SEEDS:
        print(write(arguments.directory / f"node-{seed}", seed, killed=seed == SEEDS[-1]))


if __name__ == "__main__":
    main()
