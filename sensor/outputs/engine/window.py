"""Which batches of one output are under way, and what follows from their outcomes.

Rules (go-back-N):

- stretches of the log stand in order, are begun in order, and are done with in order: the cursor
  moves over the first ones that are done, and over no hole;
- after a Retry everything from the first stretch that is not done is begun again, also what was
  delivered behind it: so what a collector gets last of each event is in order;
- a refused batch of several records becomes two halves in its place, and what is behind it is begun
  again behind them;
- what is held stays where it is while others go on.

The states of one stretch are a table in ``stretch.py``.

Pure: who begins and waits is in ``worker.py``.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from typing import TYPE_CHECKING

from sensor.outputs.delivery import Batch
from sensor.outputs.engine.stretch import Stage, Stretch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sensor.outputs.delivery import Outcome, Record

ID_BYTES = 16


class DeliveryWindow:
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
        return sum(stretch.stage is Stage.SENT for stretch in tuple(self._stretches))

    @property
    def held_events(self) -> int:
        """How many records are held."""
        return sum(len(one.batch.records) for one in self._held() if one.batch is not None)

    @property
    def proven(self) -> bool:
        """Whether something was accepted behind what is held."""
        return bool(self._held()) and any(stretch.accepted for stretch in self._stretches)

    @property
    def active(self) -> int:
        """How many stretches are not held."""
        return len(self._stretches) - len(self._held())

    def add(self, stretch: Stretch) -> None:
        """Add the next stretch of the log."""
        if stretch.batch is None:
            last = self._stretches[-1] if self._stretches else None
            if last is not None and last.batch is None and last.dead == stretch.dead:
                last.through = stretch.through
                last.rows += stretch.rows
                return
        self._stretches.append(stretch)

    def begin(self) -> Stretch | None:
        """Return the next stretch to begin, which is then under way; None when there is none."""
        for stretch in self._stretches:
            if stretch.stage is Stage.WAITING:
                self._attempts += 1
                stretch.begin(self._attempts)
                return stretch
        return None

    def settle(self, stretch: Stretch, attempt: int, outcome: Outcome) -> None:
        """Note what became of an attempt; one that was given up meanwhile is ignored."""
        if stretch.attempt == attempt and stretch.stage is Stage.SENT:
            stretch.answer(outcome)

    def take_done(self) -> Iterator[Stretch]:
        """Yield and remove the first stretches that are done."""
        while self._stretches and self._stretches[0].stage is Stage.DONE:
            yield self._stretches.popleft()

    def trouble(self) -> Stretch | None:
        """Return the first stretch about which something is to be decided."""
        return next((stretch for stretch in self._stretches if stretch.in_trouble), None)

    def release(self) -> None:
        """Have what is held begun again: the collector takes other events."""
        for stretch in self._held():
            stretch.begin_again()
            stretch.tried_after_proof = True

    def try_held(self, turn: int) -> None:
        """Have one of those that are held begun again, another one each turn."""
        held = self._held()
        if held:
            held[turn % len(held)].begin_again()

    def go_back(self, first: Stretch | None = None) -> list[int]:
        """Have everything from ``first`` on begun again, or else from the very first.

        What is held stays so.

        Returns the attempts that are under way and given up.
        """
        given_up: list[int] = []
        found = first is None
        for stretch in self._stretches:
            found = found or stretch is first
            if found and stretch.batch is not None and stretch.stage is not Stage.HELD:
                if stretch.stage is Stage.SENT:
                    given_up.append(stretch.attempt)
                stretch.begin_again()
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
        self._stretches[place] = Stretch(begin, first[-1].sequence, middle, dead=stretch.dead)
        rest = Stretch(make_batch(self.stream, second), through, rows, dead=stretch.dead)
        self._stretches.insert(place + 1, rest)

    def clear(self) -> list[int]:
        """Forget everything; returns the attempts that are under way and given up."""
        given_up = self.go_back()
        self._stretches.clear()
        return given_up

    def _held(self) -> list[Stretch]:
        return [stretch for stretch in tuple(self._stretches) if stretch.stage is Stage.HELD]


def make_batch(stream: str, records: Sequence[Record]) -> Batch:
    """Return the batch of these records of the log called ``stream``."""
    sequences = [record.sequence for record in records]
    digest = hashlib.sha256(stream.encode())
    digest.update(struct.pack(f">{len(sequences)}q", *sequences))
    return Batch(digest.digest()[:ID_BYTES], tuple(records))
