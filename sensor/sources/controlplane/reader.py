"""From the bytes of a file to its records: decoding, framing, unwrapping, and what was skipped."""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import maker
from sensor.model.control_plane import ControlRecord, Effect, RecordRef, RequestSource, Standing
from sensor.sources.controlplane import (
    docker_records,
    kubernetes_audit,
    kubernetes_legacy,
    kubernetes_record,
)
from sensor.sources.controlplane.carried_text import PACKED_LINE, unpacked, values_of
from sensor.sources.controlplane.encoding import EncodingBroken, utf8
from sensor.sources.controlplane.envelopes import UNKNOWN, Lost, unwrap
from sensor.sources.controlplane.framing import BadFrame, Frame, Framer
from sensor.sources.controlplane.json_text import JsonInvalid, parse
from sensor.sources.controlplane.log_lines import LogLines
from sensor.sources.controlplane.speakers import of_workload

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from sensor.sources.controlplane.addresses import Proxies
    from sensor.sources.controlplane.carried_text import UnreadText

OPERATIONS_LIMIT = 1000
"""Names of skipped operations that are counted apart; more count as one."""
OTHER = "other operations"
OTHER_TEXT = "text of another program"
_ref = maker(RecordRef)
_EVENTS = (b'{"kind":"Event"', b'{"level":"')
"""How audit events begin, in a log and in a list."""


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be read."""

    ref: RecordRef
    reason: str


@dataclass(frozen=True, slots=True)
class Loss:
    """A source's own note that it lost events."""

    ref: RecordRef
    source: RequestSource
    reason: str


Found = ControlRecord | BadRecord | Loss


@dataclass(slots=True)
class Counts:
    """What a reader met."""

    records: int = 0
    """Records that could be read, skipped ones among them."""
    bad: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Records that concern no container, by operation."""

    @property
    def foreign(self) -> bool:
        """Whether nothing was read but what no source writes: it is the wrong file."""
        return 0 < self.records == self.skipped[UNKNOWN]

    def skip(self, operation: str) -> None:
        """Count a record that concerns no container."""
        if operation not in self.skipped and len(self.skipped) >= OPERATIONS_LIMIT:
            operation = OTHER
        self.skipped[operation] += 1


class Reader:
    """Reads one stream. ``whole`` gives also records that concern no container."""

    def __init__(
        self,
        name: str,
        *,
        proxies: Proxies = (),
        whole: bool = False,
        sources: frozenset[RequestSource] | None = None,
        counts: Counts | None = None,
    ) -> None:
        self._name = name
        self._proxies = proxies
        self._whole = whole
        self._sources = sources
        self._framer = Framer()
        self._log_lines = LogLines()
        self.counts = counts or Counts()

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their record."""
        return self._framer.pending

    @property
    def line(self) -> int:
        """The line of the next record."""
        return self._framer.line

    def goes_on_at(self, line: int) -> None:
        """Count lines from here: what is fed does not begin at the file's begin."""
        self._framer.line = line

    def feed(self, piece: bytes) -> Iterator[Found]:
        """Take more of the stream, in UTF-8, and yield the records that are complete."""
        for frame in self._framer.feed(piece):
            found = self._frame(frame)
            if found is not None:
                yield from found

    def close(self) -> Iterator[Found]:
        """Yield what is left at the end of the stream."""
        for frame in self._framer.close():
            found = self._frame(frame)
            if found is not None:
                yield from found

    def broken(self, reason: str) -> BadRecord:
        """Return the rest of a stream that cannot be decoded as one bad record."""
        self.counts.bad += 1
        return BadRecord(RecordRef(self._name, self._framer.line), reason)

    def _frame(self, frame: Frame | BadFrame) -> Iterable[Found] | None:
        """Return what stands in a frame; None where nothing that concerns containers does."""
        if isinstance(frame, BadFrame):
            ref = RecordRef(self._name, frame.line, frame.item or 0)
            return (self._bad(ref, frame.reason),)
        data = frame.data
        head = kubernetes_audit.head_of(data)
        if head is not None and not self._whole:
            operation = kubernetes_audit.skipped(data, head)
            if operation is not None:
                self.counts.records += 1
                self.counts.skip(operation)
                return None
        ref = _ref(self._name, frame.line, frame.item or 0)
        if data.startswith(_EVENTS):
            return self._event(data, head, ref)
        return self._other(data, ref)

    def _event(
        self, data: bytes, head: re.Match[bytes] | None, ref: RecordRef
    ) -> Iterable[Found] | None:
        """Return the record of a line that begins as an audit event: the common case."""
        try:
            value, who = kubernetes_audit.parsed(data, head)
        except JsonInvalid:
            return self._other(data, ref)
        if not kubernetes_audit.is_event(value) or of_workload(value):
            return self._read([value if who is None else parse(data)], ref)
        call = kubernetes_audit.read(value, who=who)
        found = kubernetes_record.record(call, ref, self._proxies)
        if self._sources is not None and found.request.source not in self._sources:
            return self._found(found, ref)
        self.counts.records += 1
        if self._whole or concerns_containers(found):
            return (found,)
        self.counts.skip(found.request.action or "-")
        return None

    def _other(self, data: bytes, ref: RecordRef) -> Iterator[Found]:
        """Yield what stands in any other line."""
        if docker_records.is_debug_line(data):
            parsed = docker_records.read_line(data, ref)
            if parsed is None:
                self.counts.records += 1
                self.counts.skip("dockerd log")
            else:
                yield from self._record(parsed)
            return
        if kubernetes_legacy.is_line(data):
            yield from self._found(kubernetes_legacy.read(data, ref), ref)
            return
        text = None if data.startswith(b"{") else self._log_lines.text(data)
        if text == b"":
            return  # The rest of its line follows.
        try:
            values = values_of(data) if text is None else _values_in(text)
        except JsonInvalid as error:
            if data.startswith(PACKED_LINE):
                yield from self._read([unpacked(data)], ref)
            elif text is not None and not text.lstrip().startswith(b"{"):
                self.counts.records += 1
                self.counts.skip(OTHER_TEXT)
            else:
                yield self._bad(ref, f"not JSON: {error}")
            return
        yield from self._read(values, ref)

    def _read(self, values: list[object], ref: RecordRef) -> Iterator[Found]:
        first = ref.item
        for value in values:
            if isinstance(value, dict) and (call := docker_records.read_object(value, ref)):
                yield from self._found(call, ref)
                first += 1
                continue
            number = 0
            for number, found in unwrap(value, RecordRef(ref.file, ref.line, first), self._proxies):
                yield from self._found(found, RecordRef(ref.file, ref.line, first + number))
            first += number + 1

    def _found(self, found: ControlRecord | UnreadText | Lost, ref: RecordRef) -> Iterator[Found]:
        if isinstance(found, ControlRecord):
            if self._sources is None or found.request.source in self._sources:
                yield from self._record(found)
            else:
                self.counts.records += 1
                self.counts.skip(f"another source: {found.request.source}")
        elif isinstance(found, Lost):
            yield Loss(ref, found.source, found.reason)
        elif found.harmless:
            self.counts.records += 1
            self.counts.skip(found.reason)
        else:
            yield self._bad(ref, found.reason)

    def _record(self, record: ControlRecord) -> Iterator[ControlRecord]:
        self.counts.records += 1
        if self._whole or concerns_containers(record):
            yield record
        else:
            self.counts.skip(record.request.action or "-")

    def _bad(self, ref: RecordRef, reason: str) -> BadRecord:
        self.counts.bad += 1
        return BadRecord(ref, reason)


def _values_in(text: bytes) -> list[object]:
    """Return the values in the text of a log's line, which a collector may have packed."""
    return [unpacked(text)] if text.startswith(PACKED_LINE) else values_of(text)


_ENDS = frozenset({Effect.STOP, Effect.SCALE_DOWN})


def concerns_containers(record: ControlRecord) -> bool:
    """Return whether a record makes an event or is needed to explain one."""
    if record.write is not None or record.operation is not None or record.ecs is not None:
        return True
    if record.request.effect is Effect.CONFIG and record.request.containers:
        return True  # A task definition: it says which images its tasks have.
    return record.standing is not Standing.NO or record.request.effect in _ENDS


def read(pieces: Iterable[bytes], reader: Reader) -> Iterator[Found]:
    """Yield the records of a whole stream, whatever its encoding."""
    try:
        for piece in utf8(pieces):
            yield from reader.feed(piece)
    except EncodingBroken as error:
        yield from reader.close()
        yield reader.broken(str(error))
        return
    yield from reader.close()
