"""A log on disk that holds given events."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sensor.model.events import Event
from sensor.schema.document import encode_line
from sensor.store.entry import NewEntry
from sensor.store.log import Store, StoreSettings
from sensor.store.reader import LogReader

PATIENCE = 20.0


def kept(directory: Path, events: Iterable[Event]) -> LogReader:
    """Return a reader of a log that holds these events, all on disk."""
    store = Store(directory, StoreSettings(sync="normal"))
    for event in events:
        entry = NewEntry(
            id=event.id,
            type=event.type,
            time=event.time,
            wall=event.time + event.realtime_offset,
            boot_id="boot",
            container_id=None,
            name=None,
            body=encode_line(event),
        )
        store.append([entry])
    assert store.flush(PATIENCE)
    store.close(PATIENCE)
    return LogReader(store.path)
