"""Shipped events beside each other: which numbers there are, what each event was, which heads.

One pass over the files keeps eight bytes an event. The walk over the log then asks for each number.
"""

from __future__ import annotations

from array import array
from dataclasses import field
from hashlib import blake2b
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.evidence.shipped import canonical, document_of
from sensor.evidence.verdict import Discrepancy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.evidence.shipped import ShippedLine

CHUNK_BITS = 12
CHUNKS_MAX = 8192
"""Stretches of 4,096 numbers that are compared: 32 million events, 256 MiB."""

HEADS_MAX = 200_000
"""Heads of chains that are compared: signs of life of 20 years."""

LOGS_MAX = 4096
"""Logs that one verification keeps apart."""

_CHUNK = 1 << CHUNK_BITS
_VERBATIM = 1
_THERE = 2


def verbatim_mark(line: bytes) -> int:
    """Return the mark of an event that was shipped as its log keeps it."""
    return int.from_bytes(blake2b(line, digest_size=8).digest(), "big") | _VERBATIM | _THERE


def rewritten_mark(document: dict[str, object]) -> int:
    """Return the mark of an event whose JSON was written anew on the way."""
    return (int.from_bytes(canonical(document)[:8], "big") & ~_VERBATIM) | _THERE


def is_same(mark: int, line: bytes) -> bool:
    """Return whether the event of a mark is that of a line of the log."""
    if mark & _VERBATIM:
        return mark == verbatim_mark(line)
    return mark == rewritten_mark(document_of(line) or {})


@dataclass(frozen=True, slots=True)
class ShippedHead:
    """A head of a chain as it was shipped, and where."""

    sequence: int
    digest: str
    where: str
    skipped: int = 0


@dataclass(slots=True)
class ShippedLog:
    """What was shipped of one log."""

    log_id: str
    count: int = 0
    first: int | None = None
    last: int | None = None
    heads: dict[int, list[ShippedHead]] = field(default_factory=dict)
    _chunks: dict[int, array[int]] = field(default_factory=dict)

    def mark(self, number: int) -> int:
        """Return the mark of a number, 0 for none."""
        chunk = self._chunks.get(number >> CHUNK_BITS)
        return 0 if chunk is None else chunk[number & (_CHUNK - 1)]

    def put(self, number: int, mark: int) -> int | None:
        """Note an event; returns the mark that was there, None if there is no more room."""
        chunk = self._chunks.get(number >> CHUNK_BITS)
        if chunk is None:
            if len(self._chunks) >= CHUNKS_MAX:
                return None
            chunk = self._chunks[number >> CHUNK_BITS] = array("Q", bytes(8 * _CHUNK))
        before = chunk[number & (_CHUNK - 1)]
        if not before:
            chunk[number & (_CHUNK - 1)] = mark
            self.count += 1
            self.first = number if self.first is None else min(self.first, number)
            self.last = number if self.last is None else max(self.last, number)
        return before

    def holes(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of numbers that are missing between the first and the last."""
        if self.first is None or self.last is None:
            return
        expected = self.first
        for key in sorted(self._chunks):
            chunk = self._chunks[key]
            for place, mark in enumerate(chunk):
                number = (key << CHUNK_BITS) + place
                if not mark or number < expected:
                    continue
                if number > expected:
                    yield expected, number - 1
                expected = number + 1

    def skipped(self, first: int, last: int) -> bool:
        """Return whether a head says that the node gave these numbers up."""
        return any(
            head.sequence - head.skipped < first and last <= head.sequence
            for heads in self.heads.values()
            for head in heads
            if head.skipped
        )


class ShipmentComparison:
    """All that was shipped, by log."""

    def __init__(self) -> None:
        self.logs: dict[str, ShippedLog] = {}
        self.heads = 0
        self.without_place = 0
        self.overfull = False
        """More was shipped than is compared."""

    def add(self, where: str, shipped: ShippedLine) -> Iterator[Discrepancy]:
        """Take a line of a file that ``where`` names; yields what is wrong with it."""
        place = shipped.place
        if shipped.problem is not None:
            yield Discrepancy(f"{where}, line {shipped.number}", shipped.problem)
            return
        if place is None:
            self.without_place += 1
            return
        log = self.logs.get(place.log_id)
        if log is None:
            if len(self.logs) >= LOGS_MAX:
                self.overfull = True
                return
            log = self.logs[place.log_id] = ShippedLog(place.log_id)
        mark = (
            verbatim_mark(shipped.line)
            if shipped.line is not None
            else rewritten_mark(shipped.parsed())
        )
        before = log.put(place.number, mark)
        self.overfull |= before is None
        if before and before != mark and not (before ^ mark) & _VERBATIM:
            what = f"a second, other event of log {place.log_id} has the same number"
            yield Discrepancy(f"{where}, line {shipped.number}", what, place.number, place.number)
        if shipped.line is None or b'"digest":"' in shipped.line:
            yield from self._head(where, shipped, log)

    def _head(self, where: str, shipped: ShippedLine, log: ShippedLog) -> Iterator[Discrepancy]:
        head = head_of(shipped.parsed())
        if head is None or shipped.place is None:
            return
        log_id, sequence, digest, skipped = head
        line = f"{where}, line {shipped.number}"
        of = self.logs.get(log_id)
        if of is None or self.heads >= HEADS_MAX:
            return
        if log_id == log.log_id and sequence >= shipped.place.number:
            what = f"it carries the head of number {sequence}, which came later"
            yield Discrepancy(line, what, shipped.place.number, shipped.place.number)
        known = of.heads.setdefault(sequence, [])
        if all(one.digest != digest for one in known):
            if known:
                what = f"number {sequence} has another digest here than in {known[0].where}"
                yield Discrepancy(line, what, sequence, sequence)
            known.append(ShippedHead(sequence, digest, line, skipped))
            self.heads += 1


def head_of(document: dict[str, object]) -> tuple[str, int, str, int] | None:
    """Return log, number, digest and count of given-up numbers of an event's head."""
    note = document.get("sensor")
    head = note.get("log") if isinstance(note, dict) else None
    if not isinstance(head, dict):
        return None
    log_id, sequence, digest = head.get("id"), head.get("sequence"), head.get("digest")
    skipped = head.get("skipped")
    if not isinstance(log_id, str) or type(sequence) is not int or not isinstance(digest, str):
        return None
    return log_id, sequence, digest, skipped if type(skipped) is int else 0
