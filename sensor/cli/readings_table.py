"""How records of control planes were read, as a table for people.

On a narrow terminal a record takes two lines: what it is to a start, and who did what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.schema.text import fit, visible
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from sensor.model.control_plane import ControlRecord, Workload

NARROW = 150
"""Columns below which a record takes two lines."""
_WHERE, _WHERE_WIDTH = "WHERE", 22
_FILE_WIDTH = 16
_TIME_WIDTH, _SHORT_TIME_WIDTH = 18, 14
_READING = (("START", 9), ("EFFECT", 10), ("OUTCOME", 8))
WIDE = 180
"""Columns from which an operation's whole name has room."""
_WHO_WIDTH, _ACTION_WIDTH, _WHOLE_ACTION_WIDTH = 36, 28, 40
_WHAT_LIMIT = 200
_INDENT, _GAP = "    ", "  "
_DAY = slice(5, 10)
_CLOCK, _SHORT_CLOCK = slice(11, 23), slice(11, 19)


class ReadingsTable:
    """Rows of one width; ``width`` is the terminal's in columns, None where nothing is cut."""

    def __init__(self, width: int | None) -> None:
        self._width = width
        self._narrow = width is not None and width < NARROW
        whole = width is None or width >= WIDE
        self._action_width = _WHOLE_ACTION_WIDTH if whole else _ACTION_WIDTH

    def head(self) -> bytes:
        """Return the names of the columns."""
        reading = tuple(name for name, _ in _READING)
        return self._row(_WHERE, "TIME (UTC)", reading, ("WHO", "ACTION", "WHAT"))

    def line(self, record: ControlRecord) -> bytes:
        """Return a record as a row."""
        request = record.request
        ref, actor = request.ref, request.actor
        where = "-"
        if ref is not None:
            name = ref.file.rpartition("/")[2]
            name = name if len(name) <= _FILE_WIDTH else "…" + name[1 - _FILE_WIDTH :]
            where = f"{name}:{ref.line}" + (f".{ref.item}" if ref.item else "")
        when = rfc3339(request.requested)
        clock = _SHORT_CLOCK if self._narrow else _CLOCK
        time = "-" if when is None else f"{when[_DAY]} {when[clock]}"
        who = "-"
        if actor is not None:
            acted = f" as {actor.impersonated}" if actor.impersonated else ""
            who = actor.name.rpartition("system:serviceaccount:")[2] + acted
        reading = (record.standing, request.effect, request.outcome or "-")
        return self._row(where, time, reading, (who, _action(request.action), _what(record)))

    def _row(
        self, where: str, time: str, reading: tuple[str, ...], about: tuple[str, str, str]
    ) -> bytes:
        who, action, what = (visible(one) for one in about)
        widths = [width for _, width in _READING]
        head = [
            fit(visible(where), _WHERE_WIDTH),
            fit(time, _SHORT_TIME_WIDTH if self._narrow else _TIME_WIDTH),
            *(fit(cell, width) for cell, width in zip(reading, widths, strict=True)),
        ]
        if self._narrow:
            lines = [_GAP.join(head), _INDENT + _GAP.join((who, action, what))]
        else:
            rest = (fit(who, _WHO_WIDTH), fit(action, self._action_width), what[:_WHAT_LIMIT])
            lines = [_GAP.join((*head, *rest))]
        if self._width is not None:
            lines = [fit(line, self._width) for line in lines]
        return "".join(f"{line.rstrip()}\n" for line in lines).encode("utf-8", "replace")


def _action(action: str | None) -> str:
    """Return an operation without the name of Azure's provider, which is longer than the rest."""
    provider, _, rest = (action or "-").partition("/")
    return rest if rest and provider.lower().startswith("microsoft.") else action or "-"


def _what(record: ControlRecord) -> str:
    workload = record.request.workload
    if workload is None:
        return "-"
    path = "/".join(part for part in (workload.namespace, _name(workload)) if part)
    count = "" if workload.replicas is None else f" x{workload.replicas}"
    images = ", ".join(one.image for one in record.request.containers if one.image)
    return f"{workload.kind} {path}{count}".rstrip() + (f" [{images}]" if images else "")


def _name(workload: Workload) -> str | None:
    """Return what a reader knows an object by. A task's ARN says it in its last part."""
    if workload.name or workload.definition:
        return workload.name or workload.definition
    return (workload.task or "").rpartition("/")[2] or workload.generate_name
