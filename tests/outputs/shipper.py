"""A process that appends events to a log and ships them until it is killed.

``python -m tests.outputs.shipper DIRECTORY FIRST LAST`` with ``castoff.toml`` in DIRECTORY. Prints
a number once its event and all before it are durable. At the end of its input it ends in order.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from sensor.agent.config import Config
from sensor.outputs.engine.engine import Output, OutputEngine
from sensor.outputs.registry import Surroundings
from sensor.store.callbacks import Callbacks
from sensor.store.entry import NewEntry
from sensor.store.log import Store, StoreSettings
from tests.outputs.batches import golden_lines
from tests.outputs.sample_events import HOST

ROOM = 4 << 20
BLOCK = 50
SECOND = 1_000_000_000
OFFSET = 1_700_000_000 * SECOND
FLUSH_SECONDS = 10.0


class Starts:
    """The starts of the golden captures over and over, each with ids of its own."""

    def __init__(self) -> None:
        self._templates = []
        for line in golden_lines():
            event = json.loads(line)
            if event["type"] == "container.start":
                ids = event["id"].encode(), event["container"]["id"].encode()
                self._templates.append((line, *ids))

    def entry(self, number: int) -> NewEntry:
        """Return the start of that number: the same whenever it is asked for."""
        line, id_, container_id = self._templates[number % len(self._templates)]
        own, container = f"{number * 2654435761 % (1 << 128):032x}", f"{number:064x}"
        body = line.replace(container_id, container.encode()).replace(id_, own.encode())
        return NewEntry(
            id=own,
            type="container.start",
            time=number * SECOND,
            wall=number * SECOND + OFFSET,
            boot_id=HOST.boot_id,
            container_id=container,
            name=None,
            body=body,
        )


class Shipper:
    """A store and the outputs of a configuration."""

    def __init__(self, directory: Path, durable: Callbacks) -> None:
        self._engine: OutputEngine | None = None
        config = Config.load(directory / "castoff.toml")
        listener = Callbacks(durable=durable.durable, written=self._written)
        settings = StoreSettings(sync=config.store.sync, max_bytes=8 << 30)
        self.store = Store(directory / "state", settings, listener)
        outputs = []
        for output in config.outputs:
            transport, _ = output.transport(Surroundings(HOST, "test", output.name))
            outputs.append(Output(output, transport))
        self.engine = self._engine = OutputEngine(self.store, outputs)

    def _written(self, sequence: int, new: int) -> None:
        if self._engine is not None:
            self._engine.written(sequence, new)

    def append(self, entries: list[NewEntry]) -> None:
        """Append once there is room, and mark the last one."""
        while self.store.health().waiting_bytes > ROOM:
            self.store.flush(0.05)
        self.store.append(entries)
        self.store.mark(int(entries[-1].container_id or "0", 16))

    def close(self) -> None:
        """Deliver what can be, then end."""
        self.engine.close(FLUSH_SECONDS)
        self.store.close()


def main() -> None:
    """Append and ship."""
    directory, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    ended = threading.Event()
    threading.Thread(target=_await_end, args=(ended,), daemon=True).start()
    shipper = Shipper(directory, Callbacks(durable=lambda number: _say(int(str(number)))))
    shipper.engine.start()
    starts = Starts()
    for begin in range(first, last + 1, BLOCK):
        if ended.is_set():
            break
        shipper.append([starts.entry(n) for n in range(begin, min(begin + BLOCK, last + 1))])
    ended.wait()
    shipper.close()


def _await_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _say(number: int) -> None:
    os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    main()
