"""The judge in the agent: reads its policy and keeps what it remembers.

    SIGHUP ─▶ files ─▶ policy, changes ─▶ Judge ◀── events of the pipeline
                                           │
                                           ├── rows ─▶ store
                                           └── notes ─▶ Notice ─▶ core ─▶ ``sensor`` events

Rules:

1. A policy that is wrong at the start: the last good one counts, and an event reports it.
2. A policy that is wrong at a reload: nothing changes, and an event reports it.
3. Files are read in a thread; what they hold takes effect in the loop.

What the socket asks of it is in ``judge_commands.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

from sensor import clock
from sensor.agent import baseline_file, damaged_rows, host_zone, policy_files
from sensor.agent.baseline_fill import BaselineFill
from sensor.agent.late_changes import LateChanges
from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.judge.findings.hidden_start import SECONDS as HIDDEN_SECONDS
from sensor.judge.judge import Judge
from sensor.judge.ledger import Note
from sensor.model.agent_records import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sensor.agent.policy_files import LoadedPolicy
    from sensor.judge.change import Change
    from sensor.model.events import Event
    from sensor.model.observations import Observation
    from sensor.store.batch import JudgedRows
    from sensor.store.reader import LogReader

NS_PER_SECOND = 1_000_000_000

log = logging.getLogger("castoff")


@dataclass(frozen=True, slots=True)
class _Read:
    """What the files held."""

    loaded: LoadedPolicy | None
    problem: ConfigError | None
    changes: tuple[Change, ...]
    errors: tuple[ConfigError, ...]
    fleet: tuple[dict[tuple[str, str, str], int], str] | None
    fleet_problem: ConfigError | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What follows from an event: alerts, and the rows to keep with it."""

    alerts: tuple[Event, ...]
    rows: JudgedRows


class Judging:
    """Owns the judge. ``keep`` takes rows for the store, ``feed`` observations for the core."""

    def __init__(
        self,
        directory: Path,
        state: Path,
        keep: Callable[[Sequence[tuple[str, str, bytes | None]]], None],
        feed: Callable[[Sequence[Observation]], None],
    ) -> None:
        self.judge_ = Judge(zone=host_zone.local_zone())
        self.defects: Counter[str] = Counter()
        """Events that the judge could not take, by error: each is a defect."""
        self.publish: Callable[[Sequence[Event]], None] = _not_published
        """Hands on alerts that follow from no event of the pipeline."""
        self.flush: Callable[[float], bool] = _nothing_waits
        """Waits, at most for so many seconds, until all that was handed to the store is on disk."""
        self.reader: LogReader | None = None
        """The log; None before it is open."""
        self.notices: Counter[str] = Counter()
        """What became of notices of alerts."""
        self.directory = directory
        """Where policy and changes are."""
        self._state = state
        self._keep = keep
        self._feed = feed
        self.problem: ConfigError | None = None
        """What is wrong with the policy of the files."""
        self._loop = asyncio.get_running_loop()
        self._reloading: asyncio.Task[None] | None = None
        self._again = False

    # ----------------------------------------------------------------- the pipeline's side

    def judge(self, event: Event) -> Event:
        """Return an event with its verdict; one that the judge cannot take stays as it is."""
        try:
            return self.judge_.look_at(event)
        except Exception as error:  # noqa: BLE001 - a defect of the judge must not lose the event
            self._failed(event, error)
            return event

    def conclude(self, event: Event) -> Judged:
        """Return what follows from an event that was judged; its line is on its way."""
        try:
            self.judge_.conclude()
        except Exception as error:  # noqa: BLE001 - a defect of the judge must not hold up later events
            self._failed(event, error)
        return Judged(self.judge_.take_alerts(), _by_key(self.judge_.take_rows()))

    def _failed(self, event: Event, error: Exception) -> None:
        kind = type(error).__name__
        self.defects[kind] += 1
        if self.defects[kind] == 1:
            log.error("the judge failed on event %s", event.id, exc_info=error)

    def settle(self) -> None:
        """Hand over what the judge remembers and has to report, after the events were kept."""
        rows = self.judge_.take_rows()
        if rows:
            self._keep(rows)
        notes = self.judge_.take_notes()
        if notes:
            self._loop.call_soon(self.report, notes)

    def tick(self) -> None:
        """Report what ended by itself, and alerts that waited."""
        self.judge_.tick(clock.boottime(), clock.realtime_offset())
        self.publish_alerts()

    def publish_alerts(self) -> None:
        """Hand on the alerts that were raised, and keep what belongs to them."""
        alerts = self.judge_.take_alerts()
        if alerts:
            # The rows that belong to them come back with them.
            self.publish(alerts)
        self.settle()

    # ----------------------------------------------------------------- start and reload

    def restore(self, rows: Mapping[tuple[str, str], bytes]) -> None:
        """Take over what an earlier judge remembered, before the first event."""
        self.judge_.restore(rows)
        damaged = self.judge_.damaged
        if damaged:
            aside = damaged_rows.move_aside(self._state, damaged)
            log.warning("%d damaged records of the judge %s", len(damaged), aside)

    def start(self) -> None:
        """Read policy and changes, once."""
        read = self._read()
        last = None
        if read.problem is not None:
            last = policy_files.load_last_good(self._state)
        self._take(read, last)

    def reload(self) -> None:
        """Read policy and changes again soon; a request during a reload is answered after it."""
        if self._reloading is not None and not self._reloading.done():
            self._again = True
            return
        self._reloading = self._loop.create_task(self._reload())

    async def _reload(self) -> None:
        while True:
            self._again = False
            self._take(await asyncio.to_thread(self._read), None)
            await self.look_back(self.judge_.ledger.take_fresh())
            if not self._again:
                return

    async def look_back(self, ids: Sequence[str]) -> None:
        """Acknowledge the open alerts of earlier starts that changes cover, as the log has them."""
        if self.reader is not None:
            await LateChanges(self.judge_, self.reader, self.flush).look_back(ids)
            self.publish_alerts()

    def _read(self) -> _Read:
        now = wall_now()
        loaded, problem = None, None
        try:
            accepted = policy_files.last_good_digest(self._state)
            loaded = policy_files.load_policy(self.directory, now, accepted)
        except ConfigError as error:
            problem = error
        if loaded is not None and loaded.files:
            try:
                policy_files.save_last_good(self._state, loaded.files)
            except OSError as error:
                log.warning("the policy could not be kept as the last good one: %s", error)
        changes, errors = policy_files.load_changes(self.directory, now)
        fleet, wrong = None, None
        try:
            fleet = baseline_file.load_fleet(self.directory)
        except ConfigError as error:
            wrong = error
        return _Read(loaded, problem, changes, errors, fleet, wrong)

    def _take(self, read: _Read, last: LoadedPolicy | None) -> None:
        notes: list[Note] = []
        if read.problem is not None:
            notes.append(self._refused(read.problem, last))
            loaded = last
        else:
            loaded = read.loaded
        self.problem = read.problem
        if loaded is not None and loaded.policy.digest != self.judge_.policy.digest:
            self.judge_.policy = loaded.policy
            count, files = len(loaded.policy.rules), len(loaded.files)
            digest = (loaded.policy.digest or "none")[:16]
            detail = f"{count} rules of {files} files, sha256 {digest}"
            log.info("policy loaded: %s", detail)
            notes.append(Note("policy_loaded", detail))
        for error in read.errors:
            log.error("changes refused: %s. %s", error.problem, error.fix)
            notes.append(Note("change_refused", error.problem))
        for refused in self.judge_.ledger.set_files(read.changes, wall_now()):
            log.error("change refused: %s", refused)
            notes.append(Note("change_refused", refused))
        notes += self._take_fleet(read)
        self.report(tuple(notes))
        self.settle()

    def _take_fleet(self, read: _Read) -> list[Note]:
        fleet = self.judge_.alerting.fleet
        if read.fleet_problem is not None:
            log.error("fleet's baseline refused: %s", read.fleet_problem.problem)
            return [Note("baseline_refused", f"{read.fleet_problem.problem}; nothing changes")]
        if read.fleet is None:
            return self._drop_fleet()
        if read.fleet[1] == fleet.origin:
            return []
        hosts, origin = read.fleet
        fleet.replace(hosts, origin)
        log.info("baseline of the fleet: %d values of %s", len(hosts), origin)
        return [Note("baseline_imported", f"{len(hosts)} values of {origin}")]

    def _drop_fleet(self) -> list[Note]:
        fleet = self.judge_.alerting.fleet
        origin = fleet.origin
        if origin is None:
            return []
        fleet.clear()
        log.info("baseline of the fleet: forgotten, its file is gone")
        return [Note("baseline_forgotten", f"values of {origin}, whose file is gone")]

    def _refused(self, problem: ConfigError, last: LoadedPolicy | None) -> Note:
        log.error("policy refused: %s. %s", problem.problem, problem.fix)
        if last is not None:
            digest = (last.policy.digest or "")[:16]
            return Note("policy_refused", f"{problem.problem}; the last good one {digest} counts")
        return Note("policy_refused", f"{problem.problem}; nothing changes")

    def report(self, notes: tuple[Note, ...]) -> None:
        """Have the core make events of what happened to policy, changes and baseline."""
        if notes:
            now = clock.boottime()
            self._feed([Notice(now, note.action, note.detail, note.by) for note in notes])

    async def fill(self, reader: LogReader) -> None:
        """Fill a baseline that is new from the log, and look back for changes of files."""
        fill = BaselineFill(self.judge_, reader)
        if fill.is_due:
            newest = fill.begin()
            self.settle()
            await fill.run(newest)
            self.settle()
        await self.look_back(self.judge_.ledger.take_fresh())

    @property
    def silence(self) -> int:
        """Nanoseconds within which an engine must report a start."""
        return self.judge_.policy.tuning.number(HIDDEN_SECONDS) * NS_PER_SECOND

    def on_silent(self, events: Sequence[Event]) -> None:
        """Raise the alerts of starts that their engines did not report."""
        for event in events:
            self.judge_.hidden(event)
        if events:
            self.publish_alerts()

    def counters(self) -> tuple[tuple[str, int], ...]:
        """Return what ``castoff status`` counts of the judge."""
        return (
            ("judge.forgotten", self.judge_.memory.forgotten),
            ("judge.damaged", len(self.judge_.damaged)),
            ("baseline.forgotten", self.judge_.alerting.baseline.forgotten),
            ("baseline.replaced", self.judge_.alerting.baseline.replaced.total()),
            ("alerts.held_back", self.judge_.alerting.book.held_back),
            ("alerts.silent", self.judge_.alerting.book.suppressed),
            ("alerts.dropped", self.judge_.alerting.book.dropped),
            *((f"notify.{kind}", number) for kind, number in self.notices.items()),
            *((f"defect.judge {kind}", number) for kind, number in self.defects.items()),
        )


def _nothing_waits(_seconds: float) -> bool:
    return True


def _not_published(_events: Sequence[Event]) -> None:
    pass


def _by_key(rows: Sequence[tuple[str, str, bytes | None]]) -> JudgedRows:
    return {(kind, key): value for kind, key, value in rows}


def wall_now() -> int:
    """Return the wall clock in ns since the Unix epoch."""
    return clock.boottime() + clock.realtime_offset()
