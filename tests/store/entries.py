"""Entries for the tests of the store, and stores that are closed again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sized
from pathlib import Path
from typing import TypeVar

from sensor.model.inventory import KnownContainer
from sensor.model.log_head import LogHead
from sensor.model.vocabulary import ContainerId
from sensor.store.batch import LostEntries
from sensor.store.callbacks import Callbacks
from sensor.store.entry import NewEntry
from sensor.store.log import Store, StoreSettings
from sensor.store.reader import LogReader, Query
from sensor.store.retention import Dropped
from sensor.store.salvage import Salvaged

BOOT = "6f9c6d70-6c4b-4f6e-9d7c-1b7a4f0e2d11"
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
OFFSET = 1_700_000_000 * SECOND
PATIENCE = 20.0

WEB = KnownContainer(
    id=ContainerId("4f2d" * 16),
    scope=None,
    boot_id=BOOT,
    init=None,
    running=False,
    starts=3,
    started_wall=1,
    stopped_wall=2,
    exit_code=0,
    signal=None,
    pod_uid=None,
    pod_container=None,
)

T = TypeVar("T")


def made(
    number: int,
    *,
    kind: str = "container.start",
    time: int | None = None,
    offset: int = OFFSET,
    boot_id: str = BOOT,
    container: str | None = None,
    name: str | None = "web",
    body: bytes | None = None,
) -> NewEntry:
    """Return an entry of the given number: one a second, unless ``time`` says otherwise."""
    moment = number * SECOND if time is None else time
    return NewEntry(
        id=f"{number:032x}",
        type=kind,
        time=moment,
        wall=moment + offset,
        boot_id=boot_id,
        container_id=f"{number:064x}" if container is None else container,
        name=name,
        body=b'{"schema":"castoff.event/1","number":%d}\n' % number if body is None else body,
    )


class Heard:
    """Everything that a store reported, and a way to wait for it."""

    def __init__(self) -> None:
        self.durable: list[object] = []
        self.failing: list[str] = []
        self.recovered: list[LostEntries | None] = []
        self.dropped: list[Dropped] = []
        self.moved_aside: list[Path] = []
        self.salvaged: list[Salvaged] = []
        self.opened: list[LogHead] = []
        self._changed = threading.Condition()

    def listener(self) -> Callbacks:
        """Return what a store takes."""
        return Callbacks(
            durable=lambda what: self._hear(self.durable, what),
            failing=lambda what: self._hear(self.failing, what),
            recovered=lambda what: self._hear(self.recovered, what),
            dropped=lambda what: self._hear(self.dropped, what),
            opened=lambda what: self._hear(self.opened, what),
            moved_aside=self._moved_aside,
        )

    def _moved_aside(self, path: Path, salvaged: Salvaged) -> None:
        self.salvaged.append(salvaged)
        self._hear(self.moved_aside, path)

    def _hear(self, heard: list[T], what: T) -> None:
        with self._changed:
            heard.append(what)
            self._changed.notify_all()

    def wait(self, heard: Sized, count: int = 1) -> None:
        """Wait until that many of a kind were reported."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(heard) >= count, PATIENCE)


@contextlib.contextmanager
def opened(
    directory: Path, settings: StoreSettings | None = None, heard: Heard | None = None
) -> Iterator[Store]:
    """Open a store and close it at the end; by default one that spares the disk."""
    settings = settings or StoreSettings(sync="normal")
    store = Store(directory, settings, (heard or Heard()).listener())
    try:
        yield store
    finally:
        store.close(PATIENCE)


def fill(directory: Path, *entries: NewEntry) -> None:
    """Open, append, close."""
    with opened(directory) as store:
        store.append(entries)


def read(store: Store, query: Query | None = None) -> tuple[NewEntry, ...]:
    """Return what the log answers, once everything is written."""
    assert store.flush(PATIENCE)
    page = LogReader(store.path).read(query or Query(rows=1000))
    assert page.damaged == 0
    return tuple(found.entry for found in page.entries)


def numbers(entries: tuple[NewEntry, ...]) -> list[int]:
    """Return the numbers that :func:`made` put into the ids."""
    return [int(entry.id, 16) for entry in entries]
