"""Writes down which transitions of a machine are taken."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from sensor.model.transitions import Machine


class Walked:
    """Stands in for a machine and remembers which of its transitions were taken."""

    def __init__(self, machine: Machine[Any, Any]) -> None:
        self.taken: set[tuple[Any, Any]] = set()
        self._machine = machine

    def after(self, state: Any, what: Any) -> Any:
        """Take a transition."""
        found = self._machine.after(state, what)
        self.taken.add((state, what))
        return found


@contextmanager
def walked(module: ModuleType, name: str) -> Iterator[set[tuple[Any, Any]]]:
    """Watch the machine of that name in a module; gives the transitions that are taken."""
    watching = Walked(getattr(module, name))
    with patch.object(module, name, watching):
        yield watching.taken
