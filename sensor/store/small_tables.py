"""The small tables of a damaged log, from whatever pages still hold their rows.

Rows are known by their form. A dictionary with one wrong bit is mended, and of a boot whose row is
damaged the events say how its clock stood.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.store.compression import mended, name_of
from sensor.store.entry import INT64
from sensor.store.page_scan import ScanCounts

if TYPE_CHECKING:
    from sensor.store.page_scan import PageFile, ScannedRow, Value

EVENT_COLUMNS = 10
"""Columns of a row of the log; the tables here have fewer."""

MOMENT_TOLERANCE = 10 * 1_000_000_000
"""ns by which an event's time since boot may differ from what its wall time and boot say. It only
orders the log; the time in the event is the body's."""

_STREAM = re.compile(r"[0-9a-f]{16}")
_BOOT_ID = re.compile(r"[0-9a-f-]{0,64}")


@dataclass(slots=True)
class SmallTables:
    """The small tables of a damaged file."""

    stream: str | None = None
    reserved: int = 0
    purged: int = 0
    types: dict[int, str] = field(default_factory=dict)
    dictionaries: dict[int, tuple[int, str, bytes]] = field(default_factory=dict)
    """By name: number, boot id, line."""
    boots: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)

    def dictionary(self, name: int) -> bytes | None:
        """Return a dictionary by its name."""
        found = self.dictionaries.get(name)
        return found[2] if found is not None else None

    def take(self, record: ScannedRow) -> None:
        """Take a row that has the form of one of these tables; ignore any other."""
        match record.values:
            case (None, str(name)) if 0 < record.rowid < INT64:
                self.types.setdefault(record.rowid, name)
            case (None, int(name), str(boot_id), bytes(line)) if line:
                # Either the name is damaged or the line.
                self.dictionaries.setdefault(name_of(line), (record.rowid, boot_id, line))
                found = mended(line, name)
                if found is not None:
                    self.dictionaries[name] = record.rowid, boot_id, found
            case (None, str(stream), int(reserved), int(purged)) if _STREAM.fullmatch(stream):
                self.stream = stream
                self.reserved = max(self.reserved, reserved)
                self.purged = max(self.purged, purged)
            case (None, str(boot_id), int(start), int(realtime)) if _BOOT_ID.fullmatch(boot_id):
                self.boots.setdefault(record.rowid, (boot_id, start, realtime))
            case (str(name), int(sequence)) if 0 <= sequence < INT64:
                self.cursors[name] = min(sequence, self.cursors.get(name, sequence))


def small_tables(pages: PageFile) -> SmallTables:
    """Read the small tables: one row of a leaf with events is enough to pass over the others."""
    found = SmallTables()
    offsets: dict[int, Counter[int]] = {}
    for number_ in range(pages.pages, 0, -1):
        for record in pages.leaf(number_, ScanCounts()):
            if len(record.values) < EVENT_COLUMNS:
                found.take(record)
                continue
            boot, moment, wall = record.values[3], record.values[4], record.values[6]
            if isinstance(boot, int) and isinstance(moment, int) and isinstance(wall, int):
                offsets.setdefault(boot, Counter())[wall - moment] += 1
            break
    for boot, (boot_id, start, realtime) in found.boots.items():
        if boot in offsets:
            offset = offsets[boot].most_common(1)[0][0]
            if abs(realtime - offset) > MOMENT_TOLERANCE:
                # The row is damaged, not most of the events.
                found.boots[boot] = boot_id, start, offset
    return found


def chain_place(values: tuple[Value, ...]) -> tuple[Value, Value]:
    """Return an event's number in the chain and its digest, if the row has both."""
    link, digest = (*values[EVENT_COLUMNS:], None, None)[:2]
    if isinstance(link, int) and 0 < link < INT64 // 2 and isinstance(digest, bytes):
        return link, digest
    return None, None


def whole(value: Value) -> int:
    """Return a cell that must be a whole number; raises ValueError."""
    if not isinstance(value, int):
        message = f"{value!r} where a number should be"
        raise ValueError(message)
    return value
