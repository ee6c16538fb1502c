"""Which batches of one output are under way, and what follows from their outcomes.

Rules (go-back-N):

- stretches of the log stand in order, are begun in order, and are done with in order: the cursor
  moves over the first ones that are done, and over no hole;
- after a Retry everything from the first stretch that is not done is begun again, also what was
  delivered behind it: so what a collector gets last of each event is in order;
- a refused batch of several records becomes two halves in its place, and what is behind it is begun
  again behind them;
- a stretch of which the collector took nothing, each record judged alone, is *suspect*. It is done
  with when it was judged (``suspicion.py``); until then it may be held while others go on.

Pure: who begins and waits is in ``worker.py``.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.outputs.delivery import Batch, Delivered, Refused, Retry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sensor.outputs.delivery import Outcome, Record

ID_BYTES = 16


@dataclass(slots=True)
class Stretch:
    """A stretch of the log up to ``through``; ``batch`` is None when nothing in it is wanted.

    ``rows`` counts the log's entries in it. ``dead`` marks dead letters that are tried again: they
    do not move the cursor. ``attempt`` is the number of the current attempt, 0 while it waits.
    ``held``: it waits for a proof that the collector takes others. ``tried_after_proof``: that is
    there, and it was begun again. ``judged``: what was rejected of it are dead letters.
    """

    batch: Batch | None
    through: int
    rows: int
    dead: bool = False
    attempt: int = 0
    outcome: Outcome | None = None
    held: bool = False
    tried_after_proof: bool = False
    judged: bool = False

    def begin_anew(self) -> None:
        """Have it wait as if nothing had been answered."""
        self.attempt, self.outcome = 0, None
        self.held = self.judged = False

    @property
    def accepted(self) -> bool:
        """Whether the collector took at least one of its records."""
        if self.batch is None or not isinstance(self.outcome, Delivered):
            return False
        rejected = self.outcome.rejected
        if not rejected:
            return True
        return bool(_sequences(self.batch) - {one.sequence for one in rejected})

    @property
    def suspect(self) -> bool:
        """Whether the collector took none of its records and nothing was decided about them."""
        if self.batch is None or self.judged or self.accepted:
            return False
        if not isinstance(self.outcome, Delivered):
            return False
        return any(not one.local for one in self.outcome.rejected)

    @property
    def done(self) -> bool:
        """Whether nothing more is to be done about it."""
        return isinstance(self.outcome, Delivered) and not self.suspect

    @property
    def waits(self) -> bool:
        """Whether it is to be begun."""
        return self.attempt == 0 and self.outcome is None

    @property
    def under_way(self) -> bool:
        """Whether it was begun and nothing is known of it yet."""
        return self.attempt != 0 and self.outcome is None


class Window:
    """The stretches that are not done yet, in the order of the log."""

    def __init__(self, stream: str = "") -> None:
        self.stream = stream
        self._stretches: deque[Stretch] = deque()
        self._attempts = 0

    def __len__(self) -> int:
        return len(self._stretches)

    def __iter__(self) -> Iterator[Stretch]:
        return iter(self._stretches)

    @property
    def under_way(self) -> int:
        """How many are under way."""
        return sum(stretch.under_way for stretch in tuple(self._stretches))

    @property
    def held_events(self) -> int:
        """How many records are held."""
        return sum(len(one.batch.records) for one in self._stretches if one.held and one.batch)

    @property
    def proven(self) -> bool:
        """Whether something was accepted behind what is held."""
        return any(stretch.held for stretch in self._stretches) and any(
            stretch.accepted for stretch in self._stretches
        )

    @property
    def active(self) -> int:
        """How many stretches are not held."""
        return sum(not stretch.held for stretch in self._stretches)

    def add(self, stretch: Stretch) -> None:
        """Add the next stretch of the log."""
        if stretch.batch is None:
            stretch.outcome = Delivered()
            last = self._stretches[-1] if self._stretches else None
            if last is not None and last.batch is None and last.dead == stretch.dead:
                last.through = stretch.through
                last.rows += stretch.rows
                return
        self._stretches.append(stretch)

    def begin(self) -> Stretch | None:
        """Return the next stretch to begin, which is then under way; None when there is none."""
        for stretch in self._stretches:
            if stretch.waits:
                self._attempts += 1
                stretch.attempt = self._attempts
                return stretch
        return None

    def settle(self, stretch: Stretch, attempt: int, outcome: Outcome) -> None:
        """Note what became of an attempt; one that was given up meanwhile is ignored."""
        if stretch.attempt == attempt and stretch.outcome is None:
            stretch.outcome = outcome

    def take_done(self) -> Iterator[Stretch]:
        """Yield and remove the first stretches that are done."""
        while self._stretches and self._stretches[0].done:
            yield self._stretches.popleft()

    def trouble(self) -> Stretch | None:
        """Return the first stretch that was not delivered, or is suspect and not held."""
        for stretch in self._stretches:
            if stretch.held:
                continue
            if isinstance(stretch.outcome, Retry | Refused) or stretch.suspect:
                return stretch
        return None

    def release(self) -> None:
        """Have what is held begun again: the collector takes other events."""
        for stretch in self._stretches:
            if stretch.held:
                stretch.begin_anew()
                stretch.tried_after_proof = True

    def try_held(self, turn: int) -> None:
        """Have one of those that are held begun again, another one each turn."""
        held = [stretch for stretch in self._stretches if stretch.held]
        if held:
            held[turn % len(held)].begin_anew()

    def go_back(self, first: Stretch | None = None) -> list[int]:
        """Have everything from ``first`` on begun again, or else from the very first.

        What is held stays so.

        Returns the attempts that are under way and given up.
        """
        given_up: list[int] = []
        found = first is None
        for stretch in self._stretches:
            found = found or stretch is first
            if found and stretch.batch is not None and not stretch.held:
                if stretch.under_way:
                    given_up.append(stretch.attempt)
                stretch.begin_anew()
        return given_up

    def halve(self, stretch: Stretch) -> None:
        """Put two halves in the place of a stretch of several records that waits."""
        if stretch.batch is None:
            return
        records = stretch.batch.records
        middle = len(records) // 2
        first, second = records[:middle], records[middle:]
        place = self._stretches.index(stretch)
        through, rows = stretch.through, stretch.rows - middle
        begin = make_batch(self.stream, first)
        self._stretches[place] = Stretch(begin, first[-1].sequence, middle, stretch.dead)
        rest = Stretch(make_batch(self.stream, second), through, rows, stretch.dead)
        self._stretches.insert(place + 1, rest)

    def clear(self) -> list[int]:
        """Forget everything; returns the attempts that are under way and given up."""
        given_up = self.go_back()
        self._stretches.clear()
        return given_up


def _sequences(batch: Batch) -> set[int]:
    return {record.sequence for record in batch.records}


def make_batch(stream: str, records: Sequence[Record]) -> Batch:
    """Return the batch of these records of the log called ``stream``."""
    sequences = [record.sequence for record in records]
    digest = hashlib.sha256(stream.encode())
    digest.update(struct.pack(f">{len(sequences)}q", *sequences))
    return Batch(digest.digest()[:ID_BYTES], tuple(records))
