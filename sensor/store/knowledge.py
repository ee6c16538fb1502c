"""What an agent leaves to the next one: the containers it knew, and until when it saw.

:func:`write` belongs to the transaction of the events that led to it: what is known is never ahead
of what was reported, or a start would be taken for reported that is in no log.
"""

from __future__ import annotations

import contextlib
from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.inventory import KnowledgeRestored, KnownContainer
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import ContainerId
from sensor.store.entry import INT64, number, string, text

if TYPE_CHECKING:
    import sqlite3

_NO_SCOPE = ""

Key = tuple[ContainerId, str | None]


@dataclass(slots=True)
class KnowledgeNote:
    """What changed since the last one that was written; merged while it waits."""

    boot_id: str
    seen: int
    containers: dict[Key, KnownContainer | None] = field(default_factory=dict)
    """None for a container that is forgotten."""

    def merge(
        self,
        boot_id: str,
        seen: int,
        changed: tuple[KnownContainer, ...],
        forgotten: tuple[Key, ...],
    ) -> None:
        """Add what is newer."""
        self.boot_id, self.seen = boot_id, seen
        # Put at the end: rows keep the order in which containers changed.
        for known in changed:
            self.containers.pop((known.id, known.scope), None)
            self.containers[known.id, known.scope] = known
        for key in forgotten:
            self.containers[key] = None


_CONTAINERS = (
    "SELECT id, scope, boot_id, init_pid, init_start, running, starts, started_wall,"
    " stopped_wall, exit_code, signal, pod_uid, pod_container FROM container"
)


def read(connection: sqlite3.Connection, time: int) -> KnowledgeRestored | None:
    """Read what was written last, None when nothing was.

    Raises ValueError for what makes no sense, and what sqlite3 raises.
    """
    checkpoint = connection.execute("SELECT boot_id, seen FROM checkpoint").fetchone()
    if checkpoint is None:
        return None
    boot = connection.execute(
        "SELECT realtime FROM boot WHERE boot_id = ? ORDER BY number DESC LIMIT 1",
        (checkpoint[0],),
    ).fetchone()
    rows = connection.execute(f"{_CONTAINERS} ORDER BY rowid")
    return KnowledgeRestored(
        time=time,
        boot_id=string(checkpoint[0]),
        seen=number(checkpoint[1]),
        containers=tuple(_known(row) for row in rows),
        seen_wall=number(checkpoint[1]) + number(boot[0]) if boot is not None else None,
    )


def write(connection: sqlite3.Connection, note: KnowledgeNote) -> None:
    """Write a checkpoint and what changed, within the caller's transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?)", (text(note.boot_id), note.seen)
    )
    connection.executemany(
        "INSERT OR REPLACE INTO container VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [_row(known) for known in note.containers.values() if known is not None],
    )
    connection.executemany(
        "DELETE FROM container WHERE id = ? AND scope = ?",
        [
            (text(id_), text(scope or _NO_SCOPE))
            for (id_, scope), known in note.containers.items()
            if known is None
        ],
    )


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy what a damaged database holds into another, without the rows that make no sense."""
    row = source.execute("SELECT boot_id, seen FROM checkpoint").fetchone()
    if row is not None:
        checkpoint = string(row[0]), number(row[1])
        target.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?)", checkpoint)
    with contextlib.closing(source.execute(f"{_CONTAINERS} ORDER BY rowid")) as rows:
        for row in rows:
            with contextlib.suppress(ValueError):
                target.execute(
                    "INSERT OR IGNORE INTO container VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    _row(_known(row)),
                )


def _known(row: tuple[object, ...]) -> KnownContainer:
    """Read one row; raises ValueError when SQLite kept something else than was put in."""
    return KnownContainer(
        id=ContainerId(string(row[0])),
        scope=string(row[1]) or None,
        boot_id=string(row[2]),
        init=ProcessKey(number(row[3]), number(row[4])) if row[3] is not None else None,
        running=bool(number(row[5])),
        starts=number(row[6]),
        started_wall=_number_or_none(row[7]),
        stopped_wall=_number_or_none(row[8]),
        exit_code=_number_or_none(row[9]),
        signal=_number_or_none(row[10]),
        pod_uid=_string_or_none(row[11]),
        pod_container=_string_or_none(row[12]),
    )


def _number_or_none(cell: object) -> int | None:
    return None if cell is None else number(cell)


def _string_or_none(cell: object) -> str | None:
    return None if cell is None else string(cell)


def fits(known: KnownContainer) -> bool:
    """Return whether SQLite takes its numbers: 64 bits, signed."""
    return all(
        cell is None or isinstance(cell, str) or -INT64 <= cell < INT64 for cell in _row(known)
    )


def _row(known: KnownContainer) -> tuple[str | int | None, ...]:
    return (
        text(known.id),
        text(known.scope) if known.scope else _NO_SCOPE,
        known.boot_id,
        known.init.pid if known.init is not None else None,
        known.init.start_time if known.init is not None else None,
        int(known.running),
        known.starts,
        known.started_wall,
        known.stopped_wall,
        known.exit_code,
        known.signal,
        text(known.pod_uid) if known.pod_uid is not None else None,
        text(known.pod_container) if known.pod_container is not None else None,
    )
