"""What an agent's log on disk has by now, read beside the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.store.pages import Pages

if TYPE_CHECKING:
    from pathlib import Path


def ids_on_disk(path: Path) -> set[str]:
    """Return the ids of the events that a power cut leaves in the log at ``path``."""
    pages = Pages(path)
    try:
        ids: set[str] = set()
        cursor = 0
        while (page := pages.after(cursor)).rows:
            ids.update(row.id for row in page.rows)
            cursor = page.through
        return ids
    finally:
        pages.close()
