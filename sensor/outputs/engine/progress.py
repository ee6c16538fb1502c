"""What an output has done: its cursor, its counts, its dead letters, and what went wrong last."""

from __future__ import annotations

import logging
import time
import traceback
from typing import TYPE_CHECKING, Protocol

from sensor.errors import StateUnusable
from sensor.outputs.delivery import Delivered
from sensor.outputs.engine.health import LastError, OutputCounts
from sensor.schema.text import visible
from sensor.store.batch import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.outputs.delivery import Rejection
    from sensor.outputs.engine.stretch import Stretch
    from sensor.outputs.engine.tail import Tail
    from sensor.outputs.settings import OutputSettings

CURSOR_SECONDS = 1.0
"""The cursor is written at most that often: a kill repeats what was delivered since."""

ERROR_READ = 64 * 1024
ERROR_LIMIT = 600
"""Characters of an error that are looked at for secrets, and that are kept."""

log = logging.getLogger("castoff.outputs")


class CursorStore(Protocol):
    """What is asked of :class:`sensor.store.log.Store`."""

    def acknowledge(self, output: str, sequence: int | None) -> None:
        """Keep an output's cursor."""

    def add_dead_letters(self, output: str, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters."""

    def remove_dead_letters(self, output: str, sequences: Sequence[int]) -> None:
        """Remove dead letters."""


class OutputProgress:
    """The books of one output; what must outlast it is written to the ledger."""

    def __init__(
        self, settings: OutputSettings, ledger: CursorStore, tail: Tail, cursor: int
    ) -> None:
        self.cursor = cursor
        self.dead_letters = 0
        self.counts = OutputCounts()
        self.last_error: LastError | None = None
        self._settings = settings
        self._ledger = ledger
        self._tail = tail
        self._written = cursor
        self._written_at = float("-inf")
        self._behind = 0
        """Entries beyond the cursor, without those that were appended since ``_counted``."""
        self._counted = 0
        self._count()

    # ----------------------------------------------------------------- deliveries

    def done(self, stretch: Stretch) -> tuple[int, int] | None:
        """Move on behind a delivered stretch; return how many events were taken and rejected.

        None for one in which nothing was wanted.
        """
        answered = None
        if stretch.batch is not None and isinstance(stretch.outcome, Delivered):
            sequences = {record.sequence for record in stretch.batch.records}
            rejected = [one for one in stretch.outcome.rejected if one.sequence in sequences]
            taken = sequences - {one.sequence for one in rejected}
            answered = len(taken), len(rejected)
            self.counts.batches += 1
            self.counts.delivered += len(taken)
            self.counts.credentials += stretch.outcome.distrusted
            if stretch.dead and taken:
                self._ledger.remove_dead_letters(self._settings.name, sorted(taken))
                self.dead_letters = max(0, self.dead_letters - len(taken))
            if stretch.outcome.warning is not None:
                self.counts.warnings += 1
                self.note(stretch.outcome.warning)
            if rejected:
                self._add_dead_letters(rejected, again=stretch.dead)
        if not stretch.dead:
            self.cursor = stretch.through
            self._behind -= stretch.rows
        return answered

    def _add_dead_letters(self, rejected: Sequence[Rejection], *, again: bool) -> None:
        now = time.time_ns()
        letters = [DeadLetter(one.sequence, self.shown(one.reason), now) for one in rejected]
        self._ledger.add_dead_letters(self._settings.name, letters)
        self.counts.dead += len(letters)
        if not again:
            self.dead_letters += len(letters)
        self.note(rejected[-1].reason)

    # ----------------------------------------------------------------- errors

    def defect(self, error: Exception) -> str:
        """Count and log an error of our own. Not as a traceback: its texts may hold secrets."""
        self.counts.defects += 1
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
        reason = f"defect: {type(error).__name__} at {where}: {error}"
        log.error("output %s: %s", self._settings.name, self.shown(reason))
        return reason

    def note(self, reason: str) -> None:
        """Keep what went wrong."""
        self.last_error = LastError(time.time_ns(), self.shown(reason))

    def shown(self, reason: str) -> str:
        """Return what others wrote without secrets and control characters, bounded."""
        whole = self._settings.without_secrets(reason[:ERROR_READ])
        return visible(whole[:ERROR_LIMIT])[:ERROR_LIMIT]

    # ----------------------------------------------------------------- the cursor

    def due(self) -> float | None:
        """Return when the cursor is to be written, in the loop's time; None for not at all."""
        return None if self.cursor == self._written else self._written_at + CURSOR_SECONDS

    def write(self, now: float) -> None:
        """Write the cursor if it moved."""
        if self.cursor != self._written:
            self._ledger.acknowledge(self._settings.name, self.cursor)
            self._written, self._written_at = self.cursor, now

    def rewind(self, sequence: int, now: float) -> None:
        """Set the cursor back and write it."""
        self.cursor = sequence
        self._count()
        self.write(now)

    def missed(self, count: int) -> None:
        """Note that retention took entries that were not shipped."""
        self._behind -= count

    def lag(self) -> int:
        """Return how many entries there are beyond the cursor; from any thread."""
        newest, appended = self._tail.mark
        return 0 if self.cursor >= newest else max(0, self._behind + appended - self._counted)

    def _count(self) -> None:
        newest, self._counted = self._tail.mark
        try:
            self._behind = self._tail.count(self.cursor, newest)
        except StateUnusable as error:
            self._behind = 0
            self.note(error.problem)
