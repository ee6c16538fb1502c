"""An event that breaks every connection is found by halving, and only that one is a dead letter."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.waiting import until
from sensor.agent.config import Config
from sensor.outputs.engine.engine import Output, OutputEngine
from sensor.store.callbacks import Callbacks
from sensor.store.log import Store, StoreSettings
from tests.outputs.forward.fake_server import Peer, fake_server, ids
from tests.outputs.forward.made import SURROUNDINGS
from tests.outputs.shipper import Starts

POISON = 3
EVENTS = 6
CONFIG = """
[outputs.collector]
type = "forward"
servers = ["127.0.0.1:{port}"]
compression = "none"
"""


class Breaking:
    """A server that closes the connection on one event and takes all others."""

    def __init__(self, poison: str) -> None:
        self.taken: list[str] = []
        self._poison = poison

    async def answer(self, peer: Peer) -> None:
        while True:
            message = await peer.message()
            if self._poison in ids(message):
                return
            self.taken += ids(message)
            peer.ack(message)


@contextmanager
def serving(server: Breaking) -> Iterator[int]:
    """Run a server in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = fake_server(server.answer)
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(10)
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_the_event_that_never_passes_is_the_only_dead_letter(tmp_path: Path) -> None:
    entries = [Starts().entry(number) for number in range(1, EVENTS + 1)]
    poison = entries[POISON].id
    server = Breaking(poison)
    with serving(server) as port:
        config = tmp_path / "castoff.toml"
        config.write_text(CONFIG.format(port=port))
        (settings,) = Config.load(config).outputs
        store = Store(tmp_path / "state", StoreSettings(sync="normal"), Callbacks())
        store.append(entries)
        assert store.flush(10)
        transport, _ = settings.transport(SURROUNDINGS)
        # No dice: each wait is the shortest.
        engine = OutputEngine(store, [Output(settings, transport)], draw=lambda: 0.0)
        engine.start()
        try:
            until(lambda: engine.health()[0].dead_letters == 1, "a dead letter", 60)
            until(lambda: engine.health()[0].lag_events == 0, "everything is done with", 20)
            (health,) = engine.health()
        finally:
            engine.close(5)
            store.close()
    others = {json.loads(entry.body)["id"] for entry in entries} - {poison}
    assert set(server.taken) == others
    assert health.last_error is not None
    assert "connections ended when it was sent" in health.last_error.text
    assert health.counts.delivered == EVENTS - 1
