"""When each way was used last, from the starts in the node's log."""

from __future__ import annotations

import json
from dataclasses import field, replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import CastoffError
from sensor.report.event_view import at, text
from sensor.report.moments import wall_of
from sensor.store.pages import Pages

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.model.access import Way

START = "container.start"


@dataclass(slots=True)
class Uses:
    """The newest start of each login, unit and container, in wall ns."""

    logins: dict[str, int] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    containers: dict[str, int] = field(default_factory=dict)
    covers: int | None = None
    """Time of the oldest event of the log."""
    problem: str | None = None

    def of(self, way: Way) -> Way:
        """Return a way with its last use."""
        found = [
            table[key]
            for table, key in (
                (self.logins, way.login), (self.units, way.unit), (self.containers, way.container),
            )
            if key is not None and key in table
        ]  # fmt: skip
        return replace(way, last_use=max(found, default=None))


def read(path: Path) -> Uses:
    """Read the starts of a log."""
    uses = Uses()
    pages = Pages(path)
    position = 0
    try:
        while True:
            page = pages.after(position)
            if page.through == position:
                return uses
            position = page.through
            for row in page.rows:
                uses.covers = row.wall if uses.covers is None else min(uses.covers, row.wall)
                if row.type == START:
                    _take(uses, row.body, row.wall)
    except CastoffError as error:
        uses.problem = error.problem
        return uses
    finally:
        pages.close()


def _take(uses: Uses, line: bytes, wall: int) -> None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return
    moment = wall_of(text(document, "time")) or wall
    user = ("initiator", "user")
    login = text(document, *user, "auid_name")
    if login is None and at(document, *user, "auid") is None:
        login = text(document, *user, "name")
    for table, key in (
        (uses.logins, login),
        (uses.units, text(document, "initiator", "unit")),
        (uses.containers, text(document, "initiator", "container_id")),
    ):
        if key is not None:
            table[key] = max(moment, table.get(key, 0))
