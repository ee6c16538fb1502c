"""Starts by explanation, cause, person and hour, and those that need a look."""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from datetime import UTC, datetime

from sensor.dataclass import dataclass
from sensor.report.bounded import FairList, TallyTable
from sensor.report.event_view import (
    Document,
    at,
    caller,
    command,
    container,
    flag,
    host,
    image,
    number,
    seconds,
    text,
    texts,
    who,
)
from sensor.report.moments import SECOND, day

LISTED = 200
"""Starts that one list of the page shows."""

PEOPLE_MAX = 500
LOOPS_MAX = 2000
NAMES_MAX = 8
"""Images and hosts that a row names."""

DAYS_MAX = 400
"""Days of the chart."""

LOOP_STARTS = 5
LOOP_SPAN = 600 * SECOND
"""So many restarts of one workload in so many ns are a crash loop."""

NO_VERDICT = "no verdict"
NO_EXPLANATION = "no explanation on file"


@dataclass(frozen=True, slots=True)
class StartRow:
    """A start as a list shows it. ``wall`` in ns."""

    id: str
    wall: int
    host: str
    container: str
    image: str | None
    kind: str
    trigger: str
    who: str | None
    command: str | None
    confidence: str
    reasons: tuple[str, ...]
    findings: tuple[str, ...]
    dormant: float | None
    place: int | None


@dataclass(slots=True)
class PersonRow:
    """A person, and what this person started."""

    name: str
    starts: int = 0
    unexpected: int = 0
    last: int = 0
    hosts: set[str] = field(default_factory=set)
    images: Counter[str] = field(default_factory=Counter)
    commands: set[str] = field(default_factory=set)


@dataclass(slots=True)
class LoopRow:
    """A workload that was restarted again and again."""

    host: str
    workload: str
    restarts: int = 0
    worst: int = 0
    """Most restarts within ten minutes."""
    first: int = 0
    last: int = 0
    recent: list[int] = field(default_factory=list)

    def add(self, wall: int) -> None:
        """Count a restart."""
        self.restarts += 1
        self.first = self.first or wall
        self.last = max(self.last, wall)
        self.recent = [*[one for one in self.recent if wall - one < LOOP_SPAN][-99:], wall]
        self.worst = max(self.worst, len(self.recent))


class Starts:
    """All starts, fed one by one."""

    def __init__(self) -> None:
        self.count = 0
        self.older = 0
        """Starts of agents that gave no verdict."""
        self.explanations: Counter[str] = Counter()
        self.expected: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.triggers: Counter[str] = Counter()
        self.days: dict[str, Counter[str]] = {}
        self.hours: Counter[tuple[int, int]] = Counter()
        """Starts by people, by day of the week and hour, UTC."""
        self.all_hours: Counter[tuple[int, int]] = Counter()
        self.unexplained: FairList[StartRow] = FairList(LISTED)
        self.unexpected: FairList[StartRow] = FairList(LISTED)
        self.reactivations: FairList[StartRow] = FairList(LISTED)
        self.people: TallyTable[str, PersonRow] = TallyTable(PEOPLE_MAX)
        self.loops: TallyTable[tuple[str, str], LoopRow] = TallyTable(LOOPS_MAX)
        self.changes: Counter[str] = Counter()
        self.failed = 0

    def crash_loops(self) -> list[LoopRow]:
        """Return the crash loops, the worst first."""
        found = [row for row in self.loops.rows.values() if row.worst >= LOOP_STARTS]
        return sorted(found, key=lambda row: -row.restarts)

    def add(self, document: Document, wall: int) -> None:
        """Take a start."""
        self.count += 1
        kind = text(document, "start", "kind") or "unknown"
        trigger = text(document, "start", "trigger") or "unknown"
        self.kinds[kind] += 1
        self.triggers[trigger] += 1
        by_day = self.days.get(day(wall))
        if by_day is None and len(self.days) < DAYS_MAX:
            by_day = self.days[day(wall)] = Counter()
        if by_day is not None:
            by_day[trigger] += 1
        self._hour(document, wall)
        self._verdict(document, wall)
        if kind == "reactivation":
            self._list(self.reactivations, document, wall)
        elif kind == "restart":
            self._restart(document, wall, trigger)

    @staticmethod
    def _list(rows: FairList[StartRow], document: Document, wall: int) -> None:
        rows.add(host(document)[0], wall, row_of(document, wall))

    def _hour(self, document: Document, wall: int) -> None:
        moment = datetime.fromtimestamp(wall // SECOND, UTC)
        self.all_hours[moment.weekday(), moment.hour] += 1
        person = who(document)
        if person is None:
            return
        self.hours[moment.weekday(), moment.hour] += 1
        row = self.people.get(person, PersonRow(person))
        if row is None:
            return
        row.starts += 1
        row.last = max(row.last, wall)
        row.unexpected += flag(document, "verdict", "expected") is not True
        if len(row.hosts) < NAMES_MAX * 4:
            row.hosts.add(host(document)[1])
        name = image(document) or "unknown image"
        if name in row.images or len(row.images) < NAMES_MAX * 4:
            row.images[name] += 1
        words = (command(document) or "").split()[:2]
        if words and len(row.commands) < NAMES_MAX:
            row.commands.add(" ".join(words))

    def _verdict(self, document: Document, wall: int) -> None:
        if at(document, "verdict") is None:
            self.older += 1
            self.explanations[NO_VERDICT] += 1
            self.expected["unknown"] += 1
            return
        expected = flag(document, "verdict", "expected")
        explanation = text(document, "verdict", "explanation")
        for change in (text(document, "verdict", "change") or "").split(","):
            if change:
                self.changes[change.strip()] += 1
        if expected is True:
            self.expected["expected"] += 1
            self.explanations[explanation or "policy"] += 1
        elif expected is False:
            self.expected["not expected"] += 1
            self.explanations["not expected"] += 1
            self._list(self.unexpected, document, wall)
        else:
            self.expected["unexplained"] += 1
            self.explanations[NO_EXPLANATION] += 1
            self._list(self.unexplained, document, wall)

    def _restart(self, document: Document, wall: int, trigger: str) -> None:
        if trigger not in {"restart_policy", "orchestrator", "service_manager"}:
            return
        key, name = host(document)
        workload = text(document, "verdict", "workload") or container(document)
        row = self.loops.get((key, workload), LoopRow(name, workload))
        if row is not None:
            row.add(wall)


def row_of(document: Document, wall: int) -> StartRow:
    """Return a start as a list shows it."""
    return StartRow(
        id=text(document, "id") or "",
        wall=wall,
        host=host(document)[1],
        container=container(document),
        image=image(document),
        kind=text(document, "start", "kind") or "unknown",
        trigger=text(document, "start", "trigger") or "unknown",
        who=caller(document),
        command=command(document),
        confidence=text(document, "confidence", "initiator") or "none",
        reasons=texts(document, "verdict", "reasons")[:4],
        findings=texts(document, "verdict", "findings")[:8],
        dormant=seconds(document, "start", "dormant_seconds"),
        place=number(document, "log", "sequence"),
    )
