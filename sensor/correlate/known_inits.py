"""The inits whose start was taken or whose end was seen: none is reported twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.shares import SharedTable

if TYPE_CHECKING:
    from sensor.model.process import ProcessKey

ENDED_MAX = 1024
"""Ended inits of root's unknown containers that are remembered, for inventories under way, and of
all other users' together."""

TAKEN_MAX = 4096
"""Inits of root's whose start was taken that are remembered, for records that arrive a second
time, and of all other users' together."""


class KnownInits:
    """Bounded; the oldest of the same user is forgotten. ``share`` is the user's, None for root."""

    def __init__(self) -> None:
        self._taken: SharedTable[tuple[int, int], None] = SharedTable(TAKEN_MAX)
        self._ended: SharedTable[tuple[int, int], None] = SharedTable(ENDED_MAX)
        self._restores: SharedTable[tuple[int, int], None] = SharedTable(TAKEN_MAX)

    def take(self, init: ProcessKey, share: str | None) -> None:
        """Remember that the init's start is reported or waits to be."""
        self._taken.put(init.tick, None, share)

    def is_taken(self, init: ProcessKey) -> bool:
        """Whether the init's start is reported or waits to be."""
        return init.tick in self._taken

    def take_restore(self, command: ProcessKey, share: str | None) -> None:
        """Remember that the start is reported which this restore command's success is.

        Apart from the command's place among the inits: a container's init may be a runtime, and
        what it restores is another container.
        """
        self.take(command, share)
        self._restores.put(command.tick, None, share)

    def is_restore(self, command: ProcessKey) -> bool:
        """Whether the start of what this command restores is reported."""
        return command.tick in self._restores

    def end(self, init: ProcessKey, share: str | None) -> None:
        """Remember the end of an init of an unknown container, for an inventory under way."""
        self._ended.put(init.tick, None, share)

    def __contains__(self, init: ProcessKey) -> bool:
        """Whether the init's start was taken or its end was seen: an inventory adds nothing."""
        return self.is_taken(init) or init.tick in self._ended
