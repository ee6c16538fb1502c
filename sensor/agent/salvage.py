"""Read a damaged event log by hand: every event that is sound, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import StateUnusable
from sensor.store.page_scan import ScanCounts
from sensor.store.salvage import events_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SalvageReport:
    """What became of a file: events that were read, and whether any can be missing."""

    events: int
    damaged: int
    """Rows that could not be read."""
    is_whole: bool
    """Whether no event can be missing."""


def salvage_file(path: Path, emit: Callable[[bytes], None]) -> SalvageReport:
    """Emit the JSON line of each event that can be read of a log, in the order of the log.

    Raises :class:`StateUnusable` for a file that cannot be opened.
    """
    counts = ScanCounts()
    try:
        places = {event.sequence: event.line for event in events_of(path, counts)}
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
        fix = "Name a castoff.damaged-* file of the state directory, and run as root."
        raise StateUnusable(problem, fix) from error
    for sequence in sorted(places):
        emit(places[sequence])
    return SalvageReport(len(places), counts.damaged, counts.is_whole)
