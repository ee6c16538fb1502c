"""The judge in the agent: reads its policy, keeps what it remembers, answers what the socket asks.

    SIGHUP ─▶ files ─▶ policy, changes ─▶ Judge ◀── events of the pipeline
                                           │
                                           ├── rows ─▶ store
                                           └── notes ─▶ Notice ─▶ core ─▶ ``sensor`` events

Rules:

1. A policy that is wrong at the start: the last good one counts, and an event reports it.
2. A policy that is wrong at a reload: nothing changes, and an event reports it.
3. Files are read in a thread; what they hold takes effect in the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor import clock
from sensor.agent import policy_files
from sensor.agent.baseline_fill import BaselineFill
from sensor.errors import ConfigError
from sensor.judge.change_text import Adder, of_json
from sensor.judge.judge import Judge
from sensor.judge.ledger import Note
from sensor.judge.state import PolicyState
from sensor.model.agent_records import Notice
from sensor.sources import accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sensor.agent.policy_files import LoadedPolicy
    from sensor.judge.change import Change
    from sensor.judge.ledger import Entry
    from sensor.judge.origin import WorkloadRecord
    from sensor.model.events import Event
    from sensor.model.observations import Observation
    from sensor.store.batch import JudgedRows
    from sensor.store.reader import Reader

log = logging.getLogger("castoff")


@dataclass(frozen=True, slots=True)
class _Read:
    """What the files held."""

    loaded: LoadedPolicy | None
    problem: ConfigError | None
    changes: tuple[Change, ...]
    errors: tuple[ConfigError, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """An event with its verdict, the alerts that follow from it, and the rows to keep with it."""

    event: Event
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
        self.judge_ = Judge(zone=policy_files.local_zone())
        self.defects: Counter[str] = Counter()
        """Events that the judge could not take, by error: each is a defect."""
        self.publish: Callable[[Sequence[Event]], None] = _not_published
        """Hands on alerts that follow from no event of the pipeline."""
        self._directory = directory
        self._state = state
        self._keep = keep
        self._feed = feed
        self._problem: ConfigError | None = None
        self._loop = asyncio.get_running_loop()
        self._reloading: asyncio.Task[None] | None = None
        self._again = False

    # ----------------------------------------------------------------- the pipeline's side

    def judge(self, event: Event) -> Judged:
        """Return an event with its verdict and what follows from it.

        One that the judge cannot take stays as it is.
        """
        try:
            event = self.judge_.judge(event)
        except Exception as error:
            kind = type(error).__name__
            self.defects[kind] += 1
            if self.defects[kind] == 1:
                log.exception("the judge failed on event %s", event.id)
        alerts = self.judge_.take_alerts()
        return Judged(event, alerts, _by_key(self.judge_.take_rows()))

    def settle(self) -> None:
        """Hand over what the judge remembers and has to report, after the events were kept."""
        rows = self.judge_.take_rows()
        if rows:
            self._keep(rows)
        notes = self.judge_.take_notes()
        if notes:
            self._loop.call_soon(self._report, notes)

    def tick(self) -> None:
        """Report what ended by itself, and alerts that waited."""
        self.judge_.tick(clock.boottime(), clock.realtime_offset())
        self._publish_alerts()

    def _publish_alerts(self) -> None:
        alerts = self.judge_.take_alerts()
        if alerts:
            # The rows that belong to them come back with them.
            self.publish(alerts)
        self.settle()

    # ----------------------------------------------------------------- start and reload

    def restore(self, rows: Mapping[tuple[str, str], bytes]) -> None:
        """Take over what an earlier judge remembered, before the first event."""
        self.judge_.restore(rows)
        if self.judge_.unreadable:
            log.warning(
                "%d records of the judge were unreadable and left out", self.judge_.unreadable
            )

    def start(self) -> None:
        """Read policy and changes, once."""
        read = self._read()
        last = None
        if read.problem is not None:
            last = policy_files.load_last_good(self._state, _wall())
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
            if not self._again:
                return

    def _read(self) -> _Read:
        now = _wall()
        loaded, problem = None, None
        try:
            loaded = policy_files.load_policy(self._directory, now)
        except ConfigError as error:
            problem = error
        if loaded is not None and loaded.files:
            try:
                policy_files.save_last_good(self._state, loaded.files)
            except OSError as error:
                log.warning("the policy could not be kept as the last good one: %s", error)
        changes, errors = policy_files.load_changes(self._directory, now)
        return _Read(loaded, problem, changes, errors)

    def _take(self, read: _Read, last: LoadedPolicy | None) -> None:
        notes: list[Note] = []
        if read.problem is not None:
            notes.append(self._refused(read.problem, last))
            loaded = last
        else:
            loaded = read.loaded
        self._problem = read.problem
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
        for refused in self.judge_.ledger.set_files(read.changes, _wall()):
            log.error("change refused: %s", refused)
            notes.append(Note("change_refused", refused))
        self._report(tuple(notes))
        self.settle()

    def _refused(self, problem: ConfigError, last: LoadedPolicy | None) -> Note:
        log.error("policy refused: %s. %s", problem.problem, problem.fix)
        if last is not None:
            digest = (last.policy.digest or "")[:16]
            return Note("policy_refused", f"{problem.problem}; the last good one {digest} counts")
        return Note("policy_refused", f"{problem.problem}; nothing changes")

    def _report(self, notes: tuple[Note, ...]) -> None:
        if notes:
            now = clock.boottime()
            self._feed([Notice(now, note.action, note.detail, note.by) for note in notes])

    async def fill(self, reader: Reader) -> None:
        """Fill a baseline that is new from the log."""
        fill = BaselineFill(self.judge_, reader)
        if fill.is_due:
            newest = fill.begin()
            self.settle()
            await fill.run(newest)
            self.settle()

    def on_silent(self, events: Sequence[Event]) -> None:
        """Raise the alerts of starts that their engines never spoke of."""
        for event in events:
            self.judge_.hidden(event)
        if events:
            self._publish_alerts()

    # ----------------------------------------------------------------- the socket's side

    def policy_state(self) -> PolicyState:
        """Return which policy is in force."""
        policy = self.judge_.policy
        problem = self._problem.problem if self._problem is not None else None
        return PolicyState(policy.digest, policy.files, len(policy.rules), problem)

    def workloads(self) -> tuple[tuple[str, WorkloadRecord], ...]:
        """Return the workloads that are remembered."""
        return self.judge_.memory.workloads()

    def changes(self) -> tuple[Entry, ...]:
        """Return the changes with what became of them."""
        return self.judge_.ledger.entries(_wall())

    def add_change(self, body: bytes, login: int | None, uid: int) -> Entry | None:
        """Record a change of a request's body. Raises :class:`ConfigError`."""
        now = _wall()
        change = of_json(body, now, Adder(_account(login, uid), uid))
        self.judge_.ledger.add(change, now)
        self.settle()
        return self.judge_.ledger.get(change.id, now)

    def end_change(self, id_: str, login: int | None, uid: int) -> bool:
        """End a change; False where there is none that goes on."""
        ended = self.judge_.ledger.end(id_, _wall(), _account(login, uid))
        self.settle()
        return ended

    def counters(self) -> tuple[tuple[str, int], ...]:
        """Return what ``castoff status`` counts of the judge."""
        return (
            ("judge.forgotten", self.judge_.memory.forgotten),
            ("judge.unreadable", self.judge_.unreadable),
            *((f"defect.judge {kind}", number) for kind, number in self.defects.items()),
        )

    def counts(self) -> tuple[tuple[str, str, int], ...]:
        """Return counters as (kind, name, number), kind ``explanation`` or ``finding``."""
        judge = self.judge_
        return tuple(
            (kind, name, number)
            for kind, counter in (("explanation", judge.explanations), ("finding", judge.findings))
            for name, number in counter.items()
        )


def _not_published(_events: Sequence[Event]) -> None:
    pass


def _by_key(rows: Sequence[tuple[str, str, bytes | None]]) -> JudgedRows:
    return {(kind, key): value for kind, key, value in rows}


def _account(login: int | None, uid: int) -> str:
    """Return the name of the login, of the account where there is no login; else its number."""
    number = uid if login is None else login
    return dict(accounts.read(0).names).get(number, str(number))


def _wall() -> int:
    return clock.boottime() + clock.realtime_offset()
