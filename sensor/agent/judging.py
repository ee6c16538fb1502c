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

from sensor import __version__, clock
from sensor.agent import baseline_file, policy_files
from sensor.agent.baseline_fill import BaselineFill
from sensor.errors import ConfigError
from sensor.judge import baseline_text
from sensor.judge.alert_book import OPEN, group_of
from sensor.judge.change_text import Adder, of_json
from sensor.judge.feature import Feature
from sensor.judge.judge import Judge
from sensor.judge.ledger import Note
from sensor.judge.state import PolicyState
from sensor.model.agent_records import Notice
from sensor.model.alert import AlertSeverity
from sensor.schema.times import rfc3339
from sensor.sources import accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sensor.agent.policy_files import LoadedPolicy
    from sensor.judge.alert_row import Entry as AlertEntry
    from sensor.judge.change import Change
    from sensor.judge.ledger import Entry
    from sensor.judge.origin import WorkloadRecord
    from sensor.model.events import Event
    from sensor.model.observations import Observation
    from sensor.store.batch import JudgedRows
    from sensor.store.reader import Reader

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
        self.judge_ = Judge(zone=policy_files.local_zone())
        self.defects: Counter[str] = Counter()
        """Events that the judge could not take, by error: each is a defect."""
        self.publish: Callable[[Sequence[Event]], None] = _not_published
        """Hands on alerts that follow from no event of the pipeline."""
        self.notices: Counter[str] = Counter()
        """What became of notices of alerts."""
        self._directory = directory
        self._state = state
        self._keep = keep
        self._feed = feed
        self._problem: ConfigError | None = None
        self._loop = asyncio.get_running_loop()
        self._reloading: asyncio.Task[None] | None = None
        self._again = False

    # ----------------------------------------------------------------- the pipeline's side

    def judge(self, event: Event) -> Event:
        """Return an event with its verdict; one that the judge cannot take stays as it is."""
        try:
            return self.judge_.look_at(event)
        except Exception as error:  # noqa: BLE001 - the event goes on without a verdict
            self._failed(event, error)
            return event

    def conclude(self, event: Event) -> Judged:
        """Return what follows from an event that was judged; its line is on its way."""
        try:
            self.judge_.conclude()
        except Exception as error:  # noqa: BLE001 - as above
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
        fleet, wrong = None, None
        try:
            fleet = baseline_file.load_fleet(self._directory)
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
        notes += self._take_fleet(read)
        self._report(tuple(notes))
        self.settle()

    def _take_fleet(self, read: _Read) -> list[Note]:
        fleet = self.judge_.alerting.fleet
        if read.fleet_problem is not None:
            log.error("fleet's baseline refused: %s", read.fleet_problem.problem)
            return [Note("baseline_refused", f"{read.fleet_problem.problem}; nothing changes")]
        if read.fleet is None or read.fleet[1] == fleet.origin:
            return []
        hosts, origin = read.fleet
        fleet.replace(hosts, origin)
        log.info("baseline of the fleet: %d values of %s", len(hosts), origin)
        return [Note("baseline_imported", f"{len(hosts)} values of {origin}")]

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

    def alerts(self) -> tuple[tuple[str, AlertEntry], ...]:
        """Return the alerts by group, the latest first."""
        entries = self.judge_.alerting.book.entries()
        return tuple((group_of(one.finding, one.value), one) for one in entries)

    def acknowledge(
        self, id_: str, reason: str, by: tuple[int | None, int], *, expected: bool
    ) -> AlertEntry | None:
        """Acknowledge an alert; with ``expected`` what it is about is learnt."""
        now = clock.boottime()
        moment = self.judge_.moment(now, clock.realtime_offset())
        book = self.judge_.alerting.book
        entry = book.acknowledge(id_, _account(*by), reason, moment)
        if entry is None:
            return None
        if expected:
            self.judge_.alerting.released(entry.id, _wall() // NS_PER_SECOND)
        self._publish_alerts()
        return book.get(entry.id)

    def suppress(
        self, id_: str, reason: str, seconds: int, by: tuple[int | None, int]
    ) -> AlertEntry | None:
        """Keep an alert's group silent for so many seconds."""
        now = clock.boottime()
        moment = self.judge_.moment(now, clock.realtime_offset())
        until = _wall() + seconds * NS_PER_SECOND
        entry = self.judge_.alerting.book.suppress(id_, _account(*by), reason, until, moment)
        self._publish_alerts()
        return entry

    def baseline(self, *, logins: bool) -> dict[str, object]:
        """Return header and rows of what the node has learnt."""
        baseline, wall = self.judge_.alerting.baseline, _wall()
        state = baseline.state
        host = self.judge_.host
        header = {
            "format": baseline_text.EXPORT,
            "host": (host.machine_id or host.boot_id) if host is not None else None,
            "name": host.name if host is not None else None,
            "sequence": wall // NS_PER_SECOND,
            "from": rfc3339(None if state.began is None else state.began * NS_PER_SECOND),
            "until": rfc3339(wall),
            "version": __version__,
            "starts": state.starts,
            "phase": baseline.phase(wall // NS_PER_SECOND),
            "fleet": self.judge_.alerting.fleet.origin,
        }
        rows = [one.document() for one in baseline_text.rows(baseline, logins=logins)]
        held = [
            {"profile": term.profile or "", "feature": term.feature, "value": term.value}
            for term, _ in self.judge_.alerting.held.items()
        ]
        return {"header": header, "rows": rows, "held_back": held}

    def forget(self, what: dict[str, str], by: tuple[int | None, int]) -> bool:
        """Forget a profile or a value of the node; an event names who asked."""
        baseline = self.judge_.alerting.baseline
        try:
            if "profile" in what:
                done = baseline.forget(what["profile"])
            else:
                done = baseline.forget_node(Feature(what["feature"]), what["value"])
        except ValueError:
            return False
        if done:
            detail = ", ".join(f"{key} {value}" for key, value in what.items())
            self._report((Note("baseline_forgotten", detail, _account(*by)),))
            self.settle()
        return done

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
            ("baseline.forgotten", self.judge_.alerting.baseline.forgotten),
            ("baseline.replaced", self.judge_.alerting.baseline.replaced.total()),
            ("alerts.held_back", self.judge_.alerting.book.held_back),
            ("alerts.silent", self.judge_.alerting.book.suppressed),
            ("alerts.dropped", self.judge_.alerting.book.dropped),
            *((f"notify.{kind}", number) for kind, number in self.notices.items()),
            *((f"defect.judge {kind}", number) for kind, number in self.defects.items()),
        )

    def counts(self) -> tuple[tuple[str, str, int], ...]:
        """Return numbers as (kind, name, number): ``explanation``, ``finding``, open ``alert``."""
        judge = self.judge_
        is_open = Counter(
            one.severity for one in judge.alerting.book.entries() if one.state in OPEN
        )
        numbers: dict[str, dict[str, int]] = {
            "explanation": dict(judge.explanations),
            "finding": dict(judge.findings),
            "alert": {severity: is_open[severity] for severity in AlertSeverity},
        }
        return tuple(
            (kind, name, number)
            for kind, counted in numbers.items()
            for name, number in counted.items()
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
