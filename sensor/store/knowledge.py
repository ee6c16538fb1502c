"""What an agent leaves to the next one: the containers it knew, and until when it saw.

    event ── its transaction ──▶ container_ahead      the containers as that event left them
    note ─── a later one, or the same ──▶ container   what the kernel's records may be read upon

:func:`write` stands in the transaction of the events that led to it, or in a later one: what is
known is never ahead of what was reported, or a start would be taken for reported that is in no log.

Within a boot, an agent that was killed leaves the kernel's records that were not released. The next
agent reads them again, upon what was noted before them: so it comes to the same values. After a
power cut there are no records: what the events left ahead of the note counts then, and only then.
"""

from __future__ import annotations

import contextlib
import logging
import struct
from dataclasses import field, replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.inventory import KnowledgeRestored, KnownContainer
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import ContainerId
from sensor.store.entry import number, string, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

AHEAD_MAX = 16_384
"""Containers that are kept ahead of a note: as many as the core remembers of all. A note takes its
containers out, so that there are a handful but for an agent that never gets to its notes."""

log = logging.getLogger("castoff.store")

_NO_SCOPE = ""
_NUMBERS = struct.Struct("7q")
"""As SQLite has the numbers of a container."""

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
    " stopped_wall, exit_code, signal, pod_uid, pod_container, oom_killed, sandbox FROM container"
)
_AHEAD = f"{_CONTAINERS}_ahead"
"""The same columns of the other table."""
_PUT = "INSERT OR REPLACE INTO container VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_PUT_AHEAD = "INSERT OR REPLACE INTO container_ahead VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_DELETE_AHEAD = "DELETE FROM container_ahead WHERE id = ? AND scope = ?"
_NOTE_EARLIER = (
    "INSERT OR REPLACE INTO container SELECT * FROM container_ahead WHERE boot_id <> ?"
    " ORDER BY rowid"
)
_CHECKPOINT_EARLIER = (
    "INSERT OR IGNORE INTO checkpoint"
    " SELECT 1, boot_id, 0 FROM container_ahead WHERE boot_id <> ? LIMIT 1"
)
_BOUND_AHEAD = (
    "DELETE FROM container_ahead WHERE rowid <= (SELECT max(rowid) FROM container_ahead) - ?"
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


def read_ahead(connection: sqlite3.Connection) -> tuple[KnownContainer, ...]:
    """Read the containers that events left ahead of a note, the last one at the end.

    Raises ValueError for what makes no sense, and what sqlite3 raises.
    """
    statement = f"{_AHEAD} ORDER BY rowid DESC LIMIT ?"
    newest = connection.execute(statement, (AHEAD_MAX,)).fetchall()
    return tuple(_known(row) for row in reversed(newest))


def completed(
    noted: KnowledgeRestored | None, ahead: Iterable[KnownContainer], boot_id: str, time: int
) -> KnowledgeRestored | None:
    """Return what was noted with what events of earlier boots left ahead of it.

    ``boot_id`` is the present boot, ``time`` now in ns since boot. What this boot's events left is
    not added: the kernel's records lead to it once more.
    """
    newer = {(known.id, known.scope): known for known in ahead if known.boot_id != boot_id}
    if noted is None:
        if not newer:
            return None
        # The first agent of all had noted nothing yet.
        containers = tuple(newer.values())
        return KnowledgeRestored(time, containers[-1].boot_id, seen=0, containers=containers)
    older = (known for known in noted.containers if (known.id, known.scope) not in newer)
    return replace(noted, time=time, containers=(*older, *newer.values()))


def write_ahead(connection: sqlite3.Connection, ahead: Collection[KnownContainer]) -> None:
    """Write containers as the events of the caller's transaction left them."""
    for boot_id in {known.boot_id for known in ahead}:
        _settle_earlier(connection, text(boot_id))
    connection.executemany(_PUT_AHEAD, [_row(known) for known in ahead])
    dropped = connection.execute(_BOUND_AHEAD, (AHEAD_MAX,)).rowcount
    if dropped:
        log.warning("%d containers would not be known after a power cut", dropped)


def _settle_earlier(connection: sqlite3.Connection, boot_id: str) -> None:
    """Take what earlier boots left ahead for noted: no record of theirs is read again."""
    earlier = (boot_id,)
    if connection.execute(_NOTE_EARLIER, earlier).rowcount:
        connection.execute(_CHECKPOINT_EARLIER, earlier)
        connection.execute("DELETE FROM container_ahead WHERE boot_id <> ?", earlier)


def write(connection: sqlite3.Connection, note: KnowledgeNote) -> None:
    """Write a checkpoint and what changed, within the caller's transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?)", (text(note.boot_id), note.seen)
    )
    connection.executemany(
        _PUT, [_row(known) for known in note.containers.values() if known is not None]
    )
    connection.executemany(_DELETE_AHEAD, [_cells(key) for key in note.containers])
    connection.executemany(
        "DELETE FROM container WHERE id = ? AND scope = ?",
        [_cells(key) for key, known in note.containers.items() if known is None],
    )


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy what a damaged database holds into another, without the rows that make no sense."""
    row = source.execute("SELECT boot_id, seen FROM checkpoint").fetchone()
    if row is not None:
        checkpoint = string(row[0]), number(row[1])
        target.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?)", checkpoint)
    for find, put in ((_CONTAINERS, _PUT), (_AHEAD, _PUT_AHEAD)):
        with contextlib.closing(source.execute(f"{find} ORDER BY rowid")) as rows:
            for row in rows:
                with contextlib.suppress(ValueError):
                    target.execute(put, _row(_known(row)))


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
        oom_killed=bool(number(row[13])) if row[13] is not None else None,
        sandbox=ContainerId(string(row[14])) if row[14] is not None else None,
    )


def _number_or_none(cell: object) -> int | None:
    return None if cell is None else number(cell)


def _string_or_none(cell: object) -> str | None:
    return None if cell is None else string(cell)


def fits(known: KnownContainer) -> bool:
    """Return whether SQLite takes its numbers: 64 bits, signed."""
    init = known.init
    try:
        _NUMBERS.pack(
            init.pid if init is not None else 0,
            init.start_time if init is not None else 0,
            known.starts,
            known.started_wall or 0,
            known.stopped_wall or 0,
            known.exit_code or 0,
            known.signal or 0,
        )
    except struct.error:
        return False
    return True


def _cells(key: Key) -> tuple[str, str]:
    id_, scope = key
    return text(id_), text(scope) if scope else _NO_SCOPE


def _row(known: KnownContainer) -> tuple[str | int | None, ...]:
    return (
        *_cells((known.id, known.scope)),
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
        int(known.oom_killed) if known.oom_killed is not None else None,
        text(known.sandbox) if known.sandbox is not None else None,
    )
