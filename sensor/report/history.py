"""What happened to the sensor, the policy and the changes."""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.report.bounded import FairList, TallyTable
from sensor.report.event_view import Document, host, seconds, text

NOTES_MAX = 300
CHANGES_MAX = 500

_DULL = frozenset({"alive", "inventory_taken", "log_opened"})
"""Actions that say that all is well."""


@dataclass(frozen=True, slots=True)
class NoteRow:
    """Something about the sensor itself, at a wall time in ns."""

    wall: int
    host: str
    action: str
    detail: str | None
    by: str | None


@dataclass(slots=True)
class ChangeRow:
    """An approved change, and what became of it in the period."""

    id: str
    starts: int = 0
    added: int | None = None
    by: str | None = None
    detail: str | None = None
    ended: str | None = None
    """Used up, expired, never used, ended."""


class History:
    """Notes and changes, fed event by event."""

    def __init__(self) -> None:
        self.notes: FairList[NoteRow] = FairList(NOTES_MAX)
        self.changes: TallyTable[str, ChangeRow] = TallyTable(CHANGES_MAX)

    def add(self, document: Document, wall: int) -> None:
        """Take an event of type ``sensor``."""
        action = text(document, "sensor", "action") or "note"
        detail = text(document, "sensor", "detail")
        by = text(document, "sensor", "by")
        broken = text(document, "sensor", "log", "broken")
        if action in _DULL and broken is None:
            return
        if action == "probes_attached" and detail is None:
            detail = _attached(document)
        key, name = host(document)
        self.notes.add(key, wall, NoteRow(wall, name, action, detail or broken, by))
        if action.startswith("change_") and detail is not None:
            self._change(action.removeprefix("change_"), detail, by, wall)

    def used(self, id_: str, starts: int) -> None:
        """Note how many starts a change explained."""
        row = self.changes.get(id_, ChangeRow(id_))
        if row is not None:
            row.starts += starts

    def _change(self, action: str, detail: str, by: str | None, wall: int) -> None:
        id_ = detail.split(maxsplit=1)[0].rstrip(":,")
        row = self.changes.get(id_, ChangeRow(id_))
        if row is None or action == "refused":
            return
        if action == "added":
            row.added, row.by, row.detail = wall, by, detail
        else:
            row.ended = action.replace("_", " ")


def _attached(document: Document) -> str | None:
    down = seconds(document, "sensor", "down_seconds")
    ended = text(document, "sensor", "last_end")
    if down is None:
        return None
    return f"no agent ran for {down:.0f} s before; the last one ended: {ended or 'unknown'}"
