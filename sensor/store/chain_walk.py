"""A log walked from its first event to its last: every digest computed anew.

The walk reads page by page, so no snapshot holds back the agent that writes meanwhile. What
retention drops in between is not a hole: its anchor is read again.
"""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.store import anchors
from sensor.store.chain import Anchor, AnchorReason, digest_of, genesis
from sensor.store.compression import Unpacker
from sensor.store.entry import INT64, blob, number, string, unpack
from sensor.store.event_line import EventLine
from sensor.store.reader import connect, unreadable
from sensor.store.time_range import Range, spans

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE_ROWS = 4000

HEADS_KNOWN = 16_384
"""Newest digests that are remembered, for the heads that later events carry."""

_PAGE = (
    "SELECT sequence, link, digest, id, type, body, container, name FROM event NOT INDEXED"
    " WHERE sequence > ? ORDER BY sequence LIMIT ?"
)


class ProblemKind(StrEnum):
    """What is wrong at a place of the chain."""

    MISSING = "missing"
    """Numbers that no event of the log has."""
    CHANGED = "changed"
    """The digest is not that of the event's line and of what came before."""
    UNORDERED = "unordered"
    """A number that is not higher than the one before, or an event without one."""
    UNREADABLE = "unreadable"
    """The row cannot be read."""
    COLUMNS = "columns"
    """The columns by which events are found say something else than the event."""
    HEAD = "head"
    """A head that an event of the log carries is not the chain's."""
    ANCHOR = "anchor"
    """The chain's beginning is not what its log's name gives."""


@dataclass(frozen=True, slots=True)
class ChainProblem:
    """Something wrong with numbers ``first`` to ``last``, as a sentence.

    ``explained`` is the reason that the node wrote down when it happened; None for none.
    """

    kind: ProblemKind
    first: int
    last: int
    what: str
    explained: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An event of the log on a walk. ``line`` is None where it cannot be read.

    ``digest`` is what the row says, ``number`` None for events from before the chain.
    """

    sequence: int
    number: int | None
    digest: bytes
    line: bytes | None
    problems: tuple[ChainProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the columns of a row say of its event."""

    id: str | None
    type: str | None
    container: str | None
    name: object

    def agree(self, line: bytes) -> bool:
        """Return whether the line has them where it has them as a rule; no means nothing."""
        begin = f'{{"schema":"castoff.event/1","type":"{self.type}","id":"{self.id}",'
        wanted = f'"id":"{self.container}"' if self.container else '"container":null'
        named = f'"name":"{self.name}"' if self.container and self.name else wanted
        return line.startswith(_bytes(begin)) and _bytes(wanted) in line and _bytes(named) in line

    def agree_with(self, line: EventLine) -> bool:
        """Return whether what the line says is the same, as far as it says anything."""
        container = None if line.container is None else _unpacked(line.container)
        return (
            line.id in {None, self.id}
            and line.type in {None, self.type}
            and (line.id is None or (container, line.name) == (self.container, self.name))
        )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _unpacked(cell: object) -> str | None:
    try:
        return None if cell is None else unpack(cell)
    except ValueError:
        return None


class ChainWalk:
    """One walk over the log at ``path``; iterate once. Raises :class:`StateUnusable`."""

    def __init__(self, path: Path, since: int | None = None, until: int | None = None) -> None:
        """``since`` and ``until`` are wall times in ns.

        What came before is taken as it is. The walk is a stretch without holes: events that were
        written late may be older, and those of two seconds behind ``until`` are in it.
        """
        self._path = path
        self._since = since
        self._until = until
        self._end = INT64
        self.before: tuple[int, bytes] | None = None
        """Number and digest in front of the first event, once the walk has begun."""
        self.log_id = ""
        self.begins: Anchor | None = None
        """What the chain rests on; None where the walk began in the middle of it."""
        self._anchors: tuple[Anchor, ...] = ()
        self._known: OrderedDict[int, bytes] = OrderedDict()
        self._expected: int | None = None
        self._before = b""
        self._types: dict[int, str] = {}

    def __iter__(self) -> Iterator[Kept]:
        try:
            with closing(connect(self._path)) as connection:
                yield from self._walk(connection)
        except (sqlite3.Error, ValueError, OSError) as error:
            raise unreadable(self._path, error) from error

    def _walk(self, connection: sqlite3.Connection) -> Iterator[Kept]:
        self.log_id = string(connection.execute("SELECT stream FROM state").fetchone()[0])
        self._anchors = anchors.read(connection)
        position = self._start(connection)
        first = self._begin()
        self.before = None if self._expected is None else (self._expected - 1, self._before)

        def dictionary(name: int) -> bytes | None:
            row = connection.execute(
                "SELECT line FROM dictionary WHERE name = ?", (name,)
            ).fetchone()
            return None if row is None else blob(row[0])

        unpacker = Unpacker(dictionary)
        while True:
            rows = connection.execute(_PAGE, (position, PAGE_ROWS)).fetchall()
            if not rows:
                return
            self._types = dict(connection.execute("SELECT number, name FROM type"))
            if rows[0][1] != self._expected:
                self._anchors = anchors.read(connection)
                self._follow_retention()
            for row in rows:
                if number(row[0]) > self._end:
                    return
                kept = self._kept(row, unpacker, first)
                first = ()
                yield kept
            position = number(rows[-1][0])

    def _start(self, connection: sqlite3.Connection) -> int:
        """Return the sequence behind which the walk begins."""
        if self._since is None and self._until is None:
            return 0
        newest = number(connection.execute("SELECT max(sequence) FROM event").fetchone()[0] or 0)
        found = spans(connection, Range(1, newest, self._since, self._until), None)
        position = (found[0].first if found else newest + 1) - 1
        if self._until is not None:
            self._end = max((span.last for span in found), default=0)
        row = connection.execute(
            "SELECT link, digest FROM event WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1",
            (position,),
        ).fetchone()
        if row is None or row[0] is None:
            return 0
        self._expected, self._before = number(row[0]) + 1, blob(row[1])
        self._known[number(row[0])] = self._before
        return position

    def _begin(self) -> tuple[ChainProblem, ...]:
        """Take up the chain at its first anchor, where the walk begins with the log."""
        if self._expected is not None:
            return ()
        if not self._anchors:
            what = "the chain has no beginning: its anchor is missing"
            return (ChainProblem(ProblemKind.ANCHOR, 0, 0, what),)
        anchor = self.begins = self._anchors[0]
        self._expected, self._before = anchor.link + 1, anchor.digest
        self._known[anchor.link] = anchor.digest
        fresh = anchor.reason in {AnchorReason.BEGUN, AnchorReason.UPGRADED}
        if fresh and anchor.digest != genesis(self.log_id):
            what = "the first digest is not that of this log's name"
            return (ChainProblem(ProblemKind.ANCHOR, anchor.link, anchor.link, what),)
        return ()

    def _follow_retention(self) -> None:
        anchor = next((one for one in self._anchors if one.reason is AnchorReason.RETENTION), None)
        if anchor is not None and self._expected is not None and anchor.link >= self._expected:
            self._expected, self._before = anchor.link + 1, anchor.digest

    # ----------------------------------------------------------------- one event

    def _kept(
        self, row: tuple[object, ...], unpacker: Unpacker, first: tuple[ChainProblem, ...]
    ) -> Kept:
        sequence, link, stored, id_, kind, packed, container, name_ = row
        if link is None:
            return self._outside(number(sequence), packed, unpacker, first)
        place, digest = number(link), blob(stored)
        problems = [*first]
        try:
            line: bytes | None = unpacker.unpack(blob(packed))
        except ValueError as error:
            line = None
            what = f"the event cannot be read: {error}"
            problems.append(ChainProblem(ProblemKind.UNREADABLE, place, place, what))
        problems += self._place(place)
        if line is not None:
            if self._before and digest_of(self._before, place, line) != digest:
                what = "the digest is not that of this event behind the one before it"
                problems.append(ChainProblem(ProblemKind.CHANGED, place, place, what))
            name = self._types.get(number(kind))
            columns = _Columns(_unpacked(id_), name, _unpacked(container), name_)
            problems += self._columns(place, line, columns)
            if name == "sensor":
                problems += self._heads(place, line)
        self._expected, self._before = place + 1, digest
        self._known[place] = digest
        if len(self._known) > HEADS_KNOWN:
            self._known.popitem(last=False)
        return Kept(number(sequence), place, digest, line, tuple(problems))

    def _outside(
        self, sequence: int, packed: object, unpacker: Unpacker, first: tuple[ChainProblem, ...]
    ) -> Kept:
        """An event without a number: right before the chain, and nowhere else."""
        problems = list(first)
        place = (self._expected or 1) - 1
        if self._known and place in self._known and len(self._known) > 1:
            what = f"an event without a number stands behind number {place}"
            problems.append(ChainProblem(ProblemKind.UNORDERED, place, place, what))
        try:
            line: bytes | None = unpacker.unpack(blob(packed))
        except ValueError as error:
            line = None
            what = f"an event from before the chain cannot be read: {error}"
            problems.append(ChainProblem(ProblemKind.UNREADABLE, place, place, what))
        return Kept(sequence, None, b"", line, tuple(problems))

    def _place(self, place: int) -> list[ChainProblem]:
        """Compare an event's number with the one that has to follow."""
        expected = self._expected
        if expected is None or place == expected:
            return []
        if place < expected:
            self._before = b""
            what = f"number {place} stands behind number {expected - 1}"
            return [ChainProblem(ProblemKind.UNORDERED, place, place, what)]
        self._before = b""
        last = place - 1
        excuse = next(
            (
                one
                for one in self._anchors
                if one.skipped and one.excuses(expected) and one.excuses(last)
            ),
            None,
        )
        count = place - expected
        what = f"{count} events are missing" if count > 1 else "an event is missing"
        reason = None if excuse is None else "lost with a damaged file, which the agent replaced"
        return [ChainProblem(ProblemKind.MISSING, expected, last, what, reason)]

    def _columns(self, place: int, line: bytes, columns: _Columns) -> list[ChainProblem]:
        """Compare the columns by which an event is found with its line."""
        if columns.agree(line) or columns.agree_with(EventLine.of(line)):
            return []
        what = "the log's columns of type, id, container or name are not those of the event"
        return [ChainProblem(ProblemKind.COLUMNS, place, place, what)]

    def _heads(self, place: int, line: bytes) -> list[ChainProblem]:
        """Compare the head that a sign of life carries with the chain."""
        note = (_document(line) or {}).get("sensor")
        head = note.get("log") if isinstance(note, dict) else None
        if not isinstance(head, dict) or head.get("id") != self.log_id:
            return []
        at, digest = head.get("sequence"), head.get("digest")
        if not isinstance(at, int) or not -INT64 < at < INT64:
            return []
        if at >= place:
            what = f"it carries the head of number {at}, which came later"
            return [ChainProblem(ProblemKind.HEAD, place, place, what)]
        known = self._known.get(at)
        if known is None or known.hex() == digest:
            return []
        what = f"number {at} had another digest when event {place} was written"
        return [ChainProblem(ProblemKind.HEAD, at, at, what)]


def _document(line: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
