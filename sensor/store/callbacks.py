"""What the writer calls when its work has an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sensor.model.log_head import LogHead
    from sensor.store.batch import LostEntries
    from sensor.store.retention import Dropped
    from sensor.store.salvage import Salvaged


def _ignore(_: object) -> None:
    pass


def _ignore_both(_: int, _new: int) -> None:
    pass


def _ignore_file(_: Path, _what: Salvaged) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Called in the writer's thread: the calls must be short and must not raise.

    A RuntimeError is taken for an event loop that has ended and ignored.
    """

    durable: Callable[[object], None] = _ignore
    """The newest token of :meth:`Store.mark` that is on disk. Older ones are, too."""
    written: Callable[[int, int], None] = _ignore_both
    """Entries up to this sequence are on disk and can be read, so many of them new."""
    failing: Callable[[str], None] = _ignore
    """Writing has begun to fail: the reason. Not called again before ``recovered``."""
    recovered: Callable[[LostEntries | None], None] = _ignore
    """Writing works again after ``failing``, or after entries were lost: what was lost."""
    dropped: Callable[[Dropped], None] = _ignore
    """Entries were dropped by retention or for lack of space."""
    opened: Callable[[LogHead], None] = _ignore
    """The log was opened or made; its head, with the reason where the chain begins anew."""
    moved_aside: Callable[[Path, Salvaged], None] = _ignore_file
    """The file was damaged and lies there now; the log began anew with what could be salvaged."""
