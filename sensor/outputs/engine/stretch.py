"""A stretch of the log on its way through an output's window, as a table of states.

Rules:

- a stretch in which no record is wanted begins as done;
- a stretch of which the collector took nothing, each record judged alone, is *suspect*: it becomes
  done when it was judged (``suspicion.py``), and until then it may be held while others go on;
- a refused stretch of one record is answered for as a rejection; one of several is halved;
- going back makes everything wait again, whatever the collector answered.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from sensor.model.transitions import Machine
from sensor.outputs.delivery import Delivered, Refused

if TYPE_CHECKING:
    from sensor.outputs.delivery import Batch, Outcome


class Stage(Enum):
    """Where a stretch is on its way."""

    WAITING = "to be sent"
    SENT = "sent, not answered yet"
    FAILED = "the attempt failed"
    REFUSED = "refused as a whole"
    SUSPECT = "no record was taken"
    HELD = "waits for a proof that the collector takes other records"
    DONE = "nothing is left to be done"


class StretchInput(Enum):
    """What moves a stretch."""

    BEGUN = "an attempt begins"
    TAKEN = "taken, or rejected for a reason of our own"
    REJECTED = "no record taken"
    FAILED = "the attempt failed"
    REFUSED = "refused as a whole"
    HELD = "held until the collector takes others"
    JUDGED = "its records are dead letters"
    AGAIN = "begun again"


STRETCH = Machine(
    "stretch of an output's window",
    (Stage.WAITING, Stage.DONE),
    {
        (Stage.WAITING, StretchInput.BEGUN): Stage.SENT,
        (Stage.SENT, StretchInput.TAKEN): Stage.DONE,
        (Stage.SENT, StretchInput.REJECTED): Stage.SUSPECT,
        (Stage.SENT, StretchInput.FAILED): Stage.FAILED,
        (Stage.SENT, StretchInput.REFUSED): Stage.REFUSED,
        (Stage.REFUSED, StretchInput.TAKEN): Stage.DONE,
        (Stage.REFUSED, StretchInput.REJECTED): Stage.SUSPECT,
        (Stage.SUSPECT, StretchInput.HELD): Stage.HELD,
        (Stage.SUSPECT, StretchInput.JUDGED): Stage.DONE,
        **{(stage, StretchInput.AGAIN): Stage.WAITING for stage in Stage},
    },
)


class Stretch:
    """A stretch of the log up to ``through``; ``batch`` is None when no record in it is wanted.

    ``rows`` counts the log's entries in it. ``dead`` marks dead letters that are tried again: they
    do not move the cursor. ``attempt`` is the number of the current attempt, 0 while it waits.
    ``tried_after_proof``: it was held, and begun again when the collector took other records.
    """

    __slots__ = (
        "accepted",
        "attempt",
        "batch",
        "dead",
        "outcome",
        "rows",
        "stage",
        "through",
        "tried_after_proof",
    )

    def __init__(self, batch: Batch | None, through: int, rows: int, *, dead: bool = False) -> None:
        self.batch = batch
        self.through = through
        self.rows = rows
        self.dead = dead
        self.attempt = 0
        self.accepted = False
        """Whether the collector took at least one of its records."""
        self.tried_after_proof = False
        self.outcome: Outcome | None = None if batch is not None else Delivered()
        self.stage = Stage.WAITING if batch is not None else Stage.DONE

    def begin(self, attempt: int) -> None:
        """Note that an attempt of that number is under way."""
        self._move(StretchInput.BEGUN)
        self.attempt = attempt

    def answer(self, outcome: Outcome) -> None:
        """Note what became of the attempt, or of the only record of a refused stretch."""
        self.outcome = outcome
        self._move(self._meaning(outcome))

    def hold(self) -> None:
        """Let a suspect wait for a proof that the collector takes other records."""
        self._move(StretchInput.HELD)

    def judge(self) -> None:
        """Have the rejected records of a suspect become dead letters."""
        self._move(StretchInput.JUDGED)

    def begin_again(self) -> None:
        """Have it wait as if it had never been sent."""
        self._move(StretchInput.AGAIN)
        self.attempt, self.outcome, self.accepted = 0, None, False

    @property
    def in_trouble(self) -> bool:
        """Whether something is to be decided about it."""
        return self.stage in _TROUBLE

    def _meaning(self, outcome: Outcome) -> StretchInput:
        if isinstance(outcome, Refused):
            return StretchInput.REFUSED
        if not isinstance(outcome, Delivered):
            return StretchInput.FAILED
        sequences = {record.sequence for record in self.batch.records} if self.batch else set()
        self.accepted = bool(sequences - {one.sequence for one in outcome.rejected})
        if self.accepted or all(one.local for one in outcome.rejected):
            return StretchInput.TAKEN
        return StretchInput.REJECTED

    def _move(self, answer: StretchInput) -> None:
        self.stage = STRETCH.after(self.stage, answer)


_TROUBLE = frozenset({Stage.FAILED, Stage.REFUSED, Stage.SUSPECT})
