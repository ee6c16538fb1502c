"""The inits whose start was taken or whose end was seen: none is reported twice."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sensor.bounded import Bounded

if TYPE_CHECKING:
    from sensor.model.process import ProcessKey

ENDED_MAX = 1024
"""Ended inits of unknown containers that are remembered, for inventories under way."""

TAKEN_MAX = 4096
"""Inits whose start was taken that are remembered, for records that arrive a second time."""


class KnownInits:
    """Bounded; the oldest is forgotten."""

    def __init__(self) -> None:
        self._taken: Bounded[tuple[int, int], None] = Bounded(TAKEN_MAX)
        self._ended: deque[ProcessKey] = deque(maxlen=ENDED_MAX)
        self._restores: Bounded[tuple[int, int], None] = Bounded(TAKEN_MAX)

    def take(self, init: ProcessKey) -> None:
        """Remember that the init's start is reported or waits to be."""
        self._taken.put(init.tick, None)

    def is_taken(self, init: ProcessKey) -> bool:
        """Whether the init's start is reported or waits to be."""
        return init.tick in self._taken

    def take_restore(self, command: ProcessKey) -> None:
        """Remember that the start is reported which this restore command's success is.

        Apart from the command's place among the inits: a container's init may be a runtime, and
        what it restores is another container.
        """
        self.take(command)
        self._restores.put(command.tick, None)

    def is_restore(self, command: ProcessKey) -> bool:
        """Whether the start of what this command restores is reported."""
        return command.tick in self._restores

    def end(self, init: ProcessKey) -> None:
        """Remember the end of an init of an unknown container, for an inventory under way."""
        self._ended.append(init)

    def __contains__(self, init: ProcessKey) -> bool:
        """Whether the init's start was taken or its end was seen: an inventory adds nothing."""
        return self.is_taken(init) or any(ended.same(init) for ended in self._ended)
