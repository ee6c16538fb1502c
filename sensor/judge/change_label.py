"""The label by which a container claims an approved change: a reference, and nothing more.

Who starts a container chooses its labels. So the label explains nothing: the change has to be
known, in force, and to cover the start by itself. The verdict says what became of the claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge.change import ID, ChangeState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.judge.change import Change
    from sensor.judge.ledger import Ledger
    from sensor.model.events import Event

LABEL = "castoff.change"
_NOTHING = "it explains nothing"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a label names: the id of a change, and its state if there is one."""

    id: str
    state: ChangeState | None

    def sentence(self, covering: Iterable[Change]) -> str:
        """Return what became of the claim; ``covering`` are the changes that explain the start."""
        if ID.fullmatch(self.id) is None:
            return f"label {LABEL} is not an id of a change: {_NOTHING}"
        named = f"label {LABEL} names change {self.id}"
        if any(one.id == self.id for one in covering):
            return named
        if self.state is None:
            return f"{named}, which is not known: {_NOTHING}"
        if self.state is not ChangeState.ACTIVE:
            return f"{named}, which is {self.state}: {_NOTHING}"
        return f"{named}, which does not explain it"


def claim_of(event: Event, ledger: Ledger, wall: int) -> Claim | None:
    """Return what the label of a start's container claims; None without the label."""
    container = event.container
    if container is None or not container.labels:
        return None
    for name, value in container.labels:
        if name == LABEL:
            known = ledger.get(value, wall)
            return Claim(value, known.state if known is not None else None)
    return None
