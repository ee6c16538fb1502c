"""What the writer calls may be gone."""

from __future__ import annotations

from pathlib import Path

from sensor.store.callbacks import Callbacks
from sensor.store.log import Store
from tests.store.entries import made, numbers, read


def test_a_listener_whose_loop_has_ended_is_no_trouble(tmp_path: Path) -> None:
    def closed(_: object) -> None:
        message = "Event loop is closed"
        raise RuntimeError(message)

    store = Store(tmp_path, None, Callbacks(durable=closed))
    store.mark("one")
    store.append([made(1)])
    assert numbers(read(store)) == [1]
    assert store.close()
