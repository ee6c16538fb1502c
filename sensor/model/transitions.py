"""State machines as tables: which input leads from which state to which.

A machine changes its state by :meth:`Machine.after` alone. A pair that is not in the table is a
defect, so it raises. ``lab/drawings.py`` draws each table into ``docs/architecture.md``.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

State = TypeVar("State", bound=Enum)
Input = TypeVar("Input", bound=Enum)


class InvalidTransition(Exception):
    """An input that a state does not take: a defect of the sensor."""


@dataclass(frozen=True, slots=True)
class Machine(Generic[State, Input]):
    """A table of transitions. A machine begins in one of the states ``starts``."""

    name: str
    starts: tuple[State, ...]
    table: Mapping[tuple[State, Input], State]

    def after(self, state: State, what: Input) -> State:
        """Return the state after an input. Raises :class:`InvalidTransition`."""
        found = self.table.get((state, what))
        if found is None:
            message = f"{self.name}: {state.name} does not take {what.name}"
            raise InvalidTransition(message)
        return found
