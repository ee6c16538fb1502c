"""Logs of real events, and what root could do to them afterwards."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from sensor.model.events import Event, SensorNote
from sensor.model.vocabulary import EventType
from sensor.schema.document import encode_line
from sensor.schema.log_stamp import stamped
from sensor.store.chain import digest_of
from sensor.store.chain_walk import ChainWalk
from sensor.store.compression import Packer, Unpacker
from sensor.store.entry import NewEntry, pack
from sensor.store.log import Store, StoreSettings
from tests.outputs.sample_events import EVENTS, START

SECOND = 1_000_000_000
ALIVE_EVERY = 10


def event(number: int) -> Event:
    """Return the event of a number: a start, or a stop for odd ones; one a second."""
    sample = EVENTS["stop"] if number % 2 else START
    moment = number * SECOND
    assert sample.container is not None
    container = replace(sample.container, name=f"web-{number // 2}")
    return replace(
        sample, id=f"{number:032x}", time=moment, observed=moment + 5, container=container
    )


def entry(made: Event) -> NewEntry:
    container, host = made.container, made.host
    return NewEntry(
        id=made.id,
        type=made.type,
        time=made.time,
        wall=made.time + made.realtime_offset,
        boot_id="" if host is None else host.boot_id,
        container_id=None if container is None else container.id,
        name=None if container is None else container.name,
        body=encode_line(made),
    )


def alive(store: Store, number: int) -> Event:
    """Return a sign of life with the head of a store."""
    note = SensorNote("alive", containers=1, log=store.health().head)
    made = event(number)
    return replace(
        made, type=EventType.SENSOR, container=None, start=None, stop=None, initiator=None,
        orchestrator=None, verdict=None, candidates=(), evidence=(), sensor=note,
    )  # fmt: skip


def make_log(directory: Path, count: int, settings: StoreSettings | None = None) -> Path:
    """Make a log of events 1 to ``count``, every tenth a sign of life, and return its file."""
    store = Store(directory, settings)
    append(store, range(1, count + 1))
    store.close()
    return store.path


def append(store: Store, numbers: Iterable[int]) -> None:
    for number in numbers:
        if number % ALIVE_EVERY:
            store.append([entry(event(number))])
        else:
            assert store.flush(20)
            store.append([entry(alive(store, number))])
    assert store.flush(20)


def shipped(path: Path) -> list[bytes]:
    """Return what an output ships of a log."""
    walk = ChainWalk(path)
    return [stamped(kept.line, walk.log_id, kept.number) for kept in walk if kept.line]


def execute(path: Path, statement: str, values: tuple[object, ...] = ()) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


def rewrite(
    path: Path,
    number: int,
    change: Callable[[dict[str, Any]], None],
    *,
    digests: bool = False,
    heads: bool = False,
) -> None:
    """Change an event as root can: the body; every digest from there on; each head with it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        unpacker, packer = Unpacker(lambda name: _dictionary(connection, name)), Packer()
        rows = connection.execute(
            "SELECT sequence, link, digest, body FROM event WHERE link >= ? ORDER BY link",
            (number - 1,),
        ).fetchall()
        before, digests_of = rows[0][2], {rows[0][1]: rows[0][2].hex()}
        for sequence, link, digest, body in rows[1:]:
            document = json.loads(unpacker.unpack(body))
            if link == number:
                change(document)
            log = (document["sensor"] or {}).get("log")
            if heads and log and log["sequence"] in digests_of:
                log["digest"] = digests_of[log["sequence"]]
            line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
            before = digest_of(before, link, line) if digests else digest
            digests_of[link] = before.hex()
            connection.execute(
                "UPDATE event SET body = ?, digest = ?, name = ?, id = ? WHERE sequence = ?",
                (packer.pack(line), before, (document["container"] or {}).get("name"),
                 pack(document["id"]), sequence),
            )  # fmt: skip
            if link == number and not digests:
                return


def _dictionary(connection: sqlite3.Connection, name: int) -> bytes | None:
    row = connection.execute("SELECT line FROM dictionary WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def rename(document: dict[str, Any]) -> None:
    document["container"]["name"] = "innocent"
