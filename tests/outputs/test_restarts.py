"""Each output under the engine: the agent is killed, the collector restarted, and nothing is lost.

The agent's shipping part runs as a process of its own and ships a log of made-up starts; what is
received in the end is compared with what the log has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nats as nats_py
import pytest

from lab.event_log import ids_on_disk
from tests.outputs import rsyslog
from tests.outputs.endurance import Agent
from tests.outputs.kafka_cluster import cluster
from tests.outputs.nats_server import NatsServer
from tests.outputs.rotel import rotel
from tests.outputs.rsyslog import Rsyslog, free_port

EVENTS = 4000
AGENT_KILLS, COLLECTOR_RESTARTS = 3, 2
DEADLINE_SECONDS = 60.0
READ_AT_ONCE = 8
"""Messages that rsyslog's input may hold in one read, before they are in its queue."""


@dataclass(frozen=True)
class Collector:
    """``keys`` of the output that ships to it, and how to restart and ask it."""

    keys: str
    restart: Callable[[], None]
    received: Callable[[], list[str]]
    once: bool = False
    """Whether it keeps what is sent twice once."""
    may_lose: int = 0
    """Events that it may have read and not kept when it is ended: syslog acknowledges nothing."""


@contextmanager
def over_syslog(server: Rsyslog, keys: str) -> Iterator[Collector]:
    def restart() -> None:
        server.stop()
        server.start()

    server.start()
    try:
        yield Collector(f'type = "syslog"\n{keys}', restart, server.ids, may_lose=READ_AT_ONCE)
    finally:
        server.stop()


@contextmanager
def syslog_tcp(directory: Path) -> Iterator[Collector]:
    server = rsyslog.over_tcp(directory)
    keys = f'over = "tcp"\nhost = "127.0.0.1"\nport = {server.port}\n'
    with over_syslog(server, keys) as made:
        yield made


@contextmanager
def syslog_unix(directory: Path) -> Iterator[Collector]:
    with over_syslog(rsyslog.over_unix(directory), f'path = "{directory}/log"\n') as made:
        yield made


@contextmanager
def jetstream(directory: Path) -> Iterator[Collector]:
    server = NatsServer(directory)

    async def make() -> None:
        client = await nats_py.connect(f"nats://127.0.0.1:{server.port}")
        await client.jetstream().add_stream(name="castoff", subjects=["castoff.>"])
        await client.close()

    async def ids() -> list[str]:
        client = await nats_py.connect(f"nats://127.0.0.1:{server.port}")
        stream = client.jetstream()
        state = (await stream.stream_info("castoff")).state
        found = [
            (await stream.get_msg("castoff", number)).headers
            for number in range(1, state.messages + 1)
        ]
        await client.close()
        return [headers["Nats-Msg-Id"] for headers in found if headers is not None]

    def restart() -> None:
        server.stop(kill=True)
        server.start()

    server.start()
    try:
        asyncio.run(make())
        keys = f'type = "nats"\nservers = ["nats://127.0.0.1:{server.port}"]\n'
        yield Collector(keys, restart, lambda: asyncio.run(ids()), once=True)
    finally:
        server.stop()


@contextmanager
def kafka(_: Path) -> Iterator[Collector]:
    with cluster() as mock:

        def restart() -> None:
            mock.down()
            mock.up()

        def ids() -> list[str]:
            found = [dict(one.headers() or [])["castoff-id"] for one in mock.stored(0)]
            return [id_.decode() for id_ in found if isinstance(id_, bytes)]

        brokers = json.dumps(mock.addresses)
        yield Collector(f'type = "kafka"\nbrokers = {brokers}\n', restart, ids)


@contextmanager
def otlp(directory: Path) -> Iterator[Collector]:
    with rotel(directory) as receiver:

        def restart() -> None:
            receiver.stop()
            receiver.start()

        yield Collector(f'type = "otlp"\nurl = "{receiver.url}"\n', restart, receiver.ids)


@contextmanager
def bulk(_: Path) -> Iterator[Collector]:
    """An index in memory: what a bulk API does with ``create``."""
    index: dict[str, bytes] = {}
    port = free_port()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            lines = self.rfile.read(int(self.headers["Content-Length"])).split(b"\n")
            items = []
            for action, document in zip(lines[0::2], lines[1::2], strict=False):
                name = json.loads(action)["create"]["_id"]
                items.append({"create": {"status": 409 if name in index else 201}})
                index.setdefault(name, document)
            body = json.dumps(
                {"errors": any(one["create"]["status"] == 409 for one in items), "items": items}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    servers: list[ThreadingHTTPServer] = []

    def start() -> None:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)

    def stop() -> None:
        servers[-1].shutdown()
        servers[-1].server_close()

    def restart() -> None:
        stop()
        start()

    start()
    try:
        keys = (
            f'type = "http"\npreset = "elasticsearch"\nurl = "http://127.0.0.1:{port}"\n'
            'index = "castoff"\ngzip = false\n'
        )
        yield Collector(keys, restart, lambda: list(index), once=True)
    finally:
        stop()


@pytest.mark.parametrize(
    "kind", [syslog_tcp, syslog_unix, jetstream, kafka, bulk, otlp], ids=lambda kind: kind.__name__
)
def test_nothing_is_lost_and_what_comes_twice_has_one_id(
    kind: Callable[[Path], contextlib.AbstractContextManager[Collector]], tmp_path: Path
) -> None:
    with kind(tmp_path) as collector:
        (tmp_path / "castoff.toml").write_text(f"[outputs.collector]\n{collector.keys}")
        agent = Agent(tmp_path, EVENTS)
        agent.start()
        for number in range(1, AGENT_KILLS + COLLECTOR_RESTARTS + 1):
            await_durable(agent, number * EVENTS // (AGENT_KILLS + COLLECTOR_RESTARTS + 1))
            if number % 2:
                agent.end(kill=True)
                agent.start()
            else:
                collector.restart()
        await_durable(agent, EVENTS)
        agent.end(kill=False)
        committed = ids_on_disk(tmp_path / "state" / "castoff.db")
        end = time.monotonic() + DEADLINE_SECONDS
        while not committed <= set(received := collector.received()) and time.monotonic() < end:
            time.sleep(0.1)
    assert len(committed) == EVENTS
    assert set(received) <= committed
    assert len(committed - set(received)) <= collector.may_lose * COLLECTOR_RESTARTS
    if collector.once:
        assert len(received) == EVENTS


def await_durable(agent: Agent, wanted: int) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while agent.durable < wanted:
        assert agent.running
        assert time.monotonic() < end
        time.sleep(0.01)
