"""What Podman's own database knows of a container: labels, restart policy, its earlier run.

``<graphroot>/libpod/bolt_state.db`` up to Podman 4 (libpod boltdb_state.go: bucket ``ctr``, below
it one of each id with ``config`` and ``state`` as JSON), ``<graphroot>/db.sql`` or
``<graphroot>/libpod/db.sql`` from 4.8 on (sqlite_state_internal.go: ``ContainerConfig`` and
``ContainerState`` with the same JSON). At the runtime's ``create`` the state is still that of the
run before (container_internal.go, ``init``).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from functools import partial
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.identity.bolt import Damaged
from sensor.identity.bolt import read as read_bolt
from sensor.identity.document import JsonDocument, parse
from sensor.identity.files import Failure
from sensor.identity.reading import FileKind, RootReader
from sensor.identity.timestamp import wall_time
from sensor.model.container import EngineRecord

if TYPE_CHECKING:
    from sensor.identity.bolt import Bucket

BOLT = "libpod/bolt_state.db"
SQLITE = ("db.sql", "libpod/db.sql")

JSON_MAX = 4 << 20
"""Bytes of one container's configuration."""

SQLITE_STEPS = 200_000
"""Virtual machine instructions of one question: two rows by primary key take some forty."""

_BUSY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class PodmanRecord:
    """Labels as Podman has them, and the record of runs."""

    labels: tuple[tuple[str, str], ...]
    record: EngineRecord


def podman_record(graph_root: str, container: str, reading: RootReader) -> PodmanRecord | None:
    """Read the record of a container; None where no database has it or none can be read."""
    found = _from_bolt(f"{graph_root}/{BOLT}", container, reading)
    for name in SQLITE:
        found = found or _from_sqlite(f"{graph_root}/{name}", container, reading)
    return _record(*found) if found is not None else None


def _from_bolt(path: str, container: str, reading: RootReader) -> tuple[bytes, bytes] | None:
    opened = reading.open(FileKind.PODMAN_STATE, path)
    if opened is None:
        return None

    def take(root: Bucket) -> tuple[bytes, bytes] | None:
        containers = root.bucket(b"ctr")
        own = containers.bucket(container.encode()) if containers is not None else None
        if own is None:
            return None
        return own.get(b"config") or b"{}", own.get(b"state") or b"{}"

    try:
        return read_bolt(lambda length, offset: os.pread(opened, length, offset), take)
    except (Damaged, OSError, UnicodeEncodeError):
        reading.note(FileKind.PODMAN_STATE, Failure.MALFORMED)
        return None
    finally:
        os.close(opened)


def _from_sqlite(path: str, container: str, reading: RootReader) -> tuple[bytes, bytes] | None:
    opened = reading.open(FileKind.PODMAN_STATE, path)
    if opened is None:
        return None
    # SQLite wants the write-ahead log beside the file, so it gets the directory's descriptor.
    directory, _, name = path.rpartition("/")
    place = reading.directory(directory)
    try:
        if isinstance(place, Failure):
            return None
        source = f"file:/proc/self/fd/{place}/{name}?mode=ro"
        with contextlib.closing(
            sqlite3.connect(source, uri=True, timeout=_BUSY_SECONDS)
        ) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.set_progress_handler(partial(bool, 1), SQLITE_STEPS)
            row = connection.execute(
                "SELECT CAST(c.JSON AS BLOB), CAST(s.JSON AS BLOB) FROM ContainerConfig c"
                " JOIN ContainerState s ON s.ID = c.ID WHERE c.ID = ?",
                (container,),
            ).fetchone()
    except (sqlite3.Error, ValueError, OSError, UnicodeEncodeError):
        reading.note(FileKind.PODMAN_STATE, Failure.MALFORMED)
        return None
    finally:
        os.close(opened)
    if row is None or not all(isinstance(cell, bytes) for cell in row):
        return None
    return row[0], row[1]


def _record(config: bytes, state: bytes) -> PodmanRecord | None:
    if len(config) > JSON_MAX or len(state) > JSON_MAX:
        return None
    kept, runs = parse(config), parse(state)
    if not isinstance(kept, JsonDocument) or not isinstance(runs, JsonDocument):
        return None
    started = wall_time(runs.text("startedTime"))
    finished = wall_time(runs.text("finishedTime"))
    code = runs.number("exitCode") or 0
    return PodmanRecord(
        labels=kept.part("labels").pairs(),
        record=EngineRecord(
            has_run=started is not None,
            started_wall=started,
            finished_wall=finished,
            exit_code=code if finished is not None else None,
            restart_count=runs.number("restartCount") or 0,
            manually_stopped=runs.flag("stoppedByUser") or False,
            restart_policy=kept.text("restart_policy") or "no",
        ),
    )
