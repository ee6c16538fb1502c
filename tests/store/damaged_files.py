"""Files of the store, and what is wrong with them."""

from __future__ import annotations

import json
import random
import sqlite3
from dataclasses import replace
from pathlib import Path

from sensor.store.database import FILE_NAME
from sensor.store.entry import NewEntry, unpack
from sensor.store.pages import Pages
from sensor.store.salvage import Salvaged, salvage
from sensor.store.small_tables import MOMENT_TOLERANCE
from tests.store.entries import BOOT, OFFSET, PATIENCE, SECOND, opened

EVENTS = 800


def event(number: int) -> NewEntry:
    """Return an entry whose body holds what the columns hold, as all of an agent's do."""
    kind = ("container.start", "container.stop", "gap")[number % 3]
    container = f"{number * 7:064x}" if number % 3 < 2 else None
    wall = number * SECOND + OFFSET
    seconds, rest = divmod(wall, SECOND)
    moment = (
        sqlite3.connect(":memory:")
        .execute("SELECT strftime('%Y-%m-%dT%H:%M:%S', ?, 'unixepoch')", (seconds,))
        .fetchone()[0]
    )
    body = {
        "schema": "castoff.event/1",
        "type": kind,
        "id": f"{number:032x}",
        "time": f"{moment}.{rest:09d}Z",
        "host": {"boot_id": BOOT},
        "container": {"id": container, "name": f"app-{number}"} if container else None,
        "argv": [str(random.Random(number).random()) for _ in range(6)],
    }
    name = f"app-{number}" if container else None
    line = json.dumps(body).encode() + b"\n"
    return NewEntry(f"{number:032x}", kind, number * SECOND, wall, BOOT, container, name, line)


ENTRIES = {number: event(number) for number in range(EVENTS)}


class Sample(bytes):
    """A file's content that a failing test does not print."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Sample({len(self)} bytes)"


def salvaged(directory: Path, data: bytes) -> tuple[dict[int, NewEntry], Salvaged]:
    """Salvage a file into a new log; return its entries by sequence."""
    damaged = directory / "castoff.damaged-1"
    damaged.write_bytes(data)
    with opened(directory / "new") as store:
        assert store.flush(PATIENCE)
    connection = sqlite3.connect(directory / "new" / FILE_NAME, isolation_level=None)
    found = salvage(damaged, connection)
    connection.close()
    return entries(directory / "new" / FILE_NAME), found


def check(found: dict[int, NewEntry]) -> None:
    """Everything that was salvaged is what was written, in its own place."""
    for sequence, entry in found.items():
        written = ENTRIES[sequence - 1]
        assert abs(entry.time - written.time) <= MOMENT_TOLERANCE
        assert replace(entry, time=written.time) == written


def entries(path: Path) -> dict[int, NewEntry]:
    """Return all of a log by sequence, more than one answer of the reader has."""
    pages = Pages(path)
    page = pages.after(0, EVENTS + 10, 1 << 30)
    pages.close()
    assert page.damaged == 0
    connection = sqlite3.connect(path)
    columns = {
        sequence: (moment, boot, container, name)
        for sequence, moment, boot, container, name in connection.execute(
            "SELECT sequence, time, boot_id, container, name FROM event"
            " JOIN boot ON boot.number = event.boot"
        )
    }
    connection.close()
    found: dict[int, NewEntry] = {}
    for row in page.rows:
        moment, boot, container, name = columns[row.sequence]
        id_ = container if container is None else unpack(container)
        found[row.sequence] = NewEntry(
            row.id, row.type, moment, row.wall, boot, id_, name, row.body
        )
    return found
