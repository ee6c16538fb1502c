"""The chain computed from shipped events alone, without the node.

It begins where a digest is known: at an export's manifest, or at a head that a sign of life
carries. It ends where a number is missing or an event was written anew, and begins again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from sensor.evidence.comparison import head_of
from sensor.evidence.verdict import Discrepancy
from sensor.store.chain import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.evidence.shipped import ShippedLine

LINES_KEPT = 2048
"""Newest events whose lines are kept: a head arrives a few events after the one that it names."""

DIGESTS_KEPT = 16_384


class FileChain:
    """The chain of one log, from its shipped events in their order."""

    def __init__(self, log_id: str, number: int | None = None, digest: bytes | None = None) -> None:
        """``digest`` is the chain's at ``number``, if it is known from elsewhere."""
        self._log_id = log_id
        self.number = number
        """The newest number whose digest is known."""
        self.digest = digest
        self.chained = 0
        self._lines: OrderedDict[int, bytes] = OrderedDict()
        self._digests: OrderedDict[int, bytes] = OrderedDict()
        if number is not None and digest is not None:
            self._digests[number] = digest

    def add(self, where: str, shipped: ShippedLine) -> Iterator[Discrepancy]:
        """Take the next line; yields heads that are not those of the events before them."""
        place = shipped.place
        if place is None or place.log_id != self._log_id:
            return
        if shipped.line is None:
            self.number = self.digest = None
            return
        self._lines[place.number] = shipped.line
        if len(self._lines) > LINES_KEPT:
            self._lines.popitem(last=False)
        self._go_on()
        if b'"digest":"' in shipped.line:
            yield from self._compare(where, shipped)

    def _go_on(self) -> None:
        """Compute as far as the lines go without a hole."""
        while self.number is not None and self.digest is not None:
            line = self._lines.get(self.number + 1)
            if line is None:
                return
            self.number += 1
            self.digest = digest_of(self.digest, self.number, line)
            self._digests[self.number] = self.digest
            self.chained += 1
            if len(self._digests) > DIGESTS_KEPT:
                self._digests.popitem(last=False)

    def _compare(self, where: str, shipped: ShippedLine) -> Iterator[Discrepancy]:
        head = head_of(shipped.parsed())
        if head is None or head[0] != self._log_id:
            return
        _, sequence, digest, _ = head
        known = self._digests.get(sequence)
        if known is None:
            try:
                self.digest = bytes.fromhex(digest)
            except ValueError:
                return
            self.number = sequence
            self._digests[sequence] = self.digest
            self._go_on()
        elif known.hex() != digest:
            what = (
                f"number {sequence} has another digest than the events up to it give: one of them"
                " was changed, or the sign of life was"
            )
            yield Discrepancy(f"{where}, line {shipped.number}", what, sequence, sequence)
