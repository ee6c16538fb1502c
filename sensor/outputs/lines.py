"""A batch as the lines that a format makes of it, and the records of which it makes none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.outputs.delivery import Delivered, Rejection
from sensor.outputs.formats.reading import LineDamaged

if TYPE_CHECKING:
    from sensor.outputs.delivery import Batch, Format, Outcome, Record


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A record and its text, one line without the newline."""

    record: Record
    text: bytes


@dataclass(frozen=True, slots=True)
class Lines:
    """``damaged`` are records that are not events, as after damage to the disk: dead letters."""

    id: bytes
    lines: tuple[RecordLine, ...]
    damaged: tuple[Rejection, ...] = ()

    def outcome_of(self, outcome: Outcome) -> Outcome:
        """Return the outcome of the lines as that of the whole batch."""
        if not self.damaged or not isinstance(outcome, Delivered):
            return outcome
        both = sorted((*self.damaged, *outcome.rejected), key=lambda one: one.sequence)
        return Delivered(tuple(both), outcome.warning)


def lines_of(batch: Batch, form: Format) -> Lines:
    """Encode each record of a batch."""
    lines: list[RecordLine] = []
    damaged: list[Rejection] = []
    for record in batch.records:
        try:
            lines.append(RecordLine(record, form.line(record).rstrip(b"\r\n")))
        except LineDamaged as error:
            damaged.append(Rejection(record.sequence, str(error), local=True))
    return Lines(batch.id, tuple(lines), tuple(damaged))
