"""Whole outputs against what behaves like each known receiver: every event arrives, once.

A receiver that cannot take them keeps the events waiting, with the reason in the status.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from sensor.outputs import registry
from sensor.outputs.delivery import BatchLimits, Transport
from sensor.outputs.engine.backoff import Circuit
from sensor.outputs.engine.worker import OutputWorker
from sensor.outputs.http.otlp import OtlpSettings, OtlpTransport
from sensor.outputs.http.settings import Body, HttpSettings, Preset
from sensor.outputs.network.tls import TlsSettings
from sensor.settings.secret import Secret
from tests.outputs import receivers
from tests.outputs.batches import starts
from tests.outputs.certificates import Authority
from tests.outputs.fake_http import Answer, Received, fake_http
from tests.outputs.forward import receivers as forward_receivers
from tests.outputs.forward.fake_server import fake_server
from tests.outputs.forward.made import SURROUNDINGS, forward
from tests.outputs.forward.receivers import Intake
from tests.outputs.receivers import Store
from tests.outputs.worker_world import Collector, World

TOKEN, KEY = "a-token-of-the-site", "a-key-of-the-site"
COUNT = 1200
IDS = [record.id for record in starts(1, COUNT)]
STORED_UNDER = [f"{number:032x}" for number in range(1, COUNT + 1)]
"""The ids of the log's rows."""


async def shipped(
    transport: Transport,
    done: Callable[[OutputWorker], bool],
    draw: Callable[[], float] = lambda: 0.0,
    count: int = COUNT,
) -> tuple[OutputWorker, int]:
    """Ship ``count`` events until ``done``; return the worker and the dead letters."""
    world = World()
    for record in starts(1, count):
        world.append(record.sequence, body=record.line)
    worker = world.worker(cast(Collector, transport), draw=draw)
    async with asyncio.timeout(40):
        while not done(worker):
            await asyncio.sleep(0.01)
    await world.stop()
    return worker, len(world.pages.graves)


def everything(worker: OutputWorker) -> bool:
    return worker.cursor == COUNT


def waits(worker: OutputWorker) -> bool:
    return worker.circuit is Circuit.OPEN


def http(url: str, **keys: Any) -> Transport:
    settings = HttpSettings(url, **keys)
    made: Transport = registry.kind_of("http").make(
        settings, registry.format_of("native"), SURROUNDINGS
    )
    return made


HTTP: dict[str, tuple[Callable[[Store], Callable[[Received], Answer]], dict[str, Any]]] = {
    "fluent-bit": (receivers.fluent_bit_http, {"body": Body.ARRAY}),
    "fluent-bit 200": (lambda s: receivers.fluent_bit_http(s, 200), {"body": Body.ARRAY}),
    "fluent-bit 204": (lambda s: receivers.fluent_bit_http(s, 204), {"body": Body.ARRAY}),
    "fluentd lines": (receivers.fluentd_http, {}),
    "fluentd array": (receivers.fluentd_http, {"body": Body.ARRAY}),
    "vector": (receivers.vector_http_server, {}),
    **{
        f"gateway {status}": (partial(receivers.gateway, status=status), {})
        for status in (200, 201, 202, 204)
    },
    "splunk": (
        lambda s: receivers.splunk(s, TOKEN),
        {"preset": Preset.SPLUNK_HEC, "token": Secret(TOKEN)},
    ),
    "splunk, acknowledged": (
        lambda s: receivers.splunk(s, TOKEN, acknowledge=True),
        {"preset": Preset.SPLUNK_HEC, "token": Secret(TOKEN), "acknowledge": True},
    ),
    "fluent-bit splunk": (
        lambda s: receivers.fluent_bit_splunk(s, TOKEN),
        {"preset": Preset.SPLUNK_HEC, "token": Secret(TOKEN)},
    ),
    "opensearch": (
        receivers.opensearch,
        {"preset": Preset.ELASTICSEARCH, "index": "castoff-{date}"},
    ),
}
OTLP: dict[str, Callable[[Store], Callable[[Received], Answer]]] = {
    "opentelemetry-collector": receivers.opentelemetry_collector,
    "fluent-bit": receivers.fluent_bit_otlp,
    "fluent-bit 200": lambda store: receivers.fluent_bit_otlp(store, 200),
    "fluent-bit 204": lambda store: receivers.fluent_bit_otlp(store, 204),
    "vector": receivers.vector_otlp,
    "202 with text": lambda store: receivers.otlp(store, 202, b"queued", receivers.TEXT),
}


@pytest.mark.parametrize("name", list(HTTP))
def test_every_http_receiver_gets_each_event_once(name: str) -> None:
    made, keys = HTTP[name]

    async def main() -> None:
        store = Store()
        async with fake_http(made(store)) as fake:
            worker, dead = await shipped(http(fake.url, **keys), everything)
        assert store.ids == (STORED_UNDER if name == "opensearch" else IDS)
        assert (dead, worker.health().counts.retries) == (0, 0)

    asyncio.run(main())


@pytest.mark.parametrize("name", list(OTLP))
def test_every_otlp_receiver_gets_each_event_once(name: str) -> None:
    async def main() -> None:
        store = Store()
        async with fake_http(OTLP[name](store)) as fake:
            worker, dead = await shipped(OtlpTransport(OtlpSettings(fake.url)), everything)
        assert store.ids == IDS
        assert (dead, worker.health().counts.retries) == (0, 0)

    asyncio.run(main())


def test_fluent_bits_http_input_refuses_lines_and_the_status_names_the_setting() -> None:
    """Row 3 of ship-fluent-bit: the default body is refused, and no event is lost for it."""

    async def main() -> None:
        store = Store()
        async with fake_http(receivers.fluent_bit_http(store)) as fake:
            worker, dead = await shipped(http(fake.url), waits)
        assert (store.stored, dead, worker.cursor) == ([], 0, 0)
        error = worker.health().last_error
        assert error is not None
        assert "invalid 'Content-Type'" in error.text
        assert 'body = "array"' in error.text
        assert worker.health().counts.configuration == 1

    asyncio.run(main())


@pytest.mark.parametrize("preset", [Preset.SPLUNK_HEC, Preset.PLAIN])
def test_a_wrong_token_is_counted_as_one_and_costs_no_event(preset: Preset) -> None:
    async def main() -> None:
        store = Store()
        async with fake_http(receivers.splunk(store, "another")) as fake:
            transport = http(fake.url, preset=preset, token=Secret(TOKEN))
            worker, dead = await shipped(transport, waits)
        assert (store.stored, dead) == ([], 0)
        assert worker.health().counts.credentials == 1
        error = worker.health().last_error
        assert error is not None
        assert "Invalid token" in error.text
        assert TOKEN not in error.text

    asyncio.run(main())


def test_a_few_documents_that_an_index_refuses_are_dead_letters_and_all_others_arrive() -> None:
    async def main() -> None:
        store = Store()
        bad = frozenset({STORED_UNDER[0], STORED_UNDER[1], STORED_UNDER[700]})
        async with fake_http(receivers.opensearch(store, refused=bad)) as fake:
            keys = {"preset": Preset.ELASTICSEARCH, "index": "castoff"}
            _, dead = await shipped(http(fake.url, **keys), everything)
        assert store.ids == [id_ for id_ in STORED_UNDER if id_ not in bad]
        assert dead == len(bad)

    asyncio.run(main())


# --------------------------------------------------------------------------------------- Forward


@pytest.mark.parametrize("server", [forward_receivers.fluent_bit, forward_receivers.fluentd])
@pytest.mark.parametrize("users", [{}, {"castoff": "a-password"}], ids=["key", "key and user"])
def test_a_shared_key_is_enough_where_no_user_is_wanted(server: Any, users: Any) -> None:
    """Row 1 of ship-fluent-bit: a salt in HELO does not ask for a user."""

    async def main() -> None:
        intake = Intake()
        keys: dict[str, Any] = {"shared_key": Secret(KEY)}
        if users:
            keys |= {"user": "castoff", "password": Secret("a-password")}
        async with fake_server(server(intake, KEY, **users)) as port:
            worker, dead = await shipped(forward(port, **keys), everything)
        assert intake.ids == IDS
        assert (dead, worker.health().counts.credentials) == (0, 0)
        assert set(intake.users) == {"castoff" if users else ""}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (forward_receivers.fluent_bit, "closed the connection after our PING: is the key right?"),
        (forward_receivers.fluentd, "refuses us: shared_key mismatch"),
    ],
)
@pytest.mark.parametrize("second", ["none", "does not resolve", "works"])
def test_a_wrong_key_is_counted_whatever_the_second_server_does(
    server: Any,
    reason: str,
    second: str,
) -> None:
    """Row 4 of ship-fluent-bit."""

    async def main() -> None:
        intake, other = Intake(), Intake()
        async with (
            fake_server(server(intake, "another key")) as port,
            fake_server(server(other, KEY)) as works,
        ):
            servers = [f"127.0.0.1:{port}"]
            if second == "does not resolve":
                servers.append("collector.invalid:24224")
            elif second == "works":
                servers.append(f"127.0.0.1:{works}")
            made = forward(servers=tuple(servers), shared_key=Secret(KEY))
            worker, dead = await shipped(made, everything if second == "works" else waits)
        assert dead == 0
        # Another attempt may have been given up before it was counted.
        assert 1 <= worker.health().counts.credentials <= intake.refused
        assert other.ids == (IDS if second == "works" else [])
        error = worker.health().last_error
        assert error is not None
        assert reason in error.text

    asyncio.run(main())


def test_a_server_that_keeps_no_connection_gets_one_chunk_on_each() -> None:
    """Fluentd's ``deny_keepalive``: with more, all but the first would be lost each time."""

    async def main() -> None:
        intake = Intake()
        async with fake_server(forward_receivers.fluentd_without_keepalive(intake, KEY)) as port:
            made = forward(port, shared_key=Secret(KEY), window=8)
            made.limits = BatchLimits(records=100)
            worker, dead = await shipped(made, everything)
        assert (intake.ids, dead, worker.health().counts.retries) == (IDS, 0, 0)

    asyncio.run(main())


def test_vector_and_the_opentelemetry_collector_need_no_handshake() -> None:
    async def main() -> None:
        intake = Intake()
        async with fake_server(forward_receivers.plain(intake)) as port:
            _, dead = await shipped(forward(port), everything)
        assert (intake.ids, dead, intake.tags) == (IDS, 0, {"castoff.event"})

    asyncio.run(main())


def test_what_vectors_sinks_did_not_take_is_sent_again() -> None:
    async def main() -> None:
        intake = Intake()
        async with fake_server(forward_receivers.vector_that_rejects(intake, 3)) as port:
            _, dead = await shipped(forward(port, ack_seconds=2.0), everything)
        assert (list(dict.fromkeys(intake.ids)), dead) == (IDS, 0)

    asyncio.run(main())


def test_a_receiver_that_resets_when_it_is_full_gets_few_events_twice() -> None:
    """Row 5 of ship-fluent-bit: 1.7 copies of each event with a whole window each time."""

    async def main() -> None:
        intake = Intake()
        async with fake_server(forward_receivers.full_now_and_then(intake, 10)) as port:
            made = forward(port, window=8)
            made.limits = BatchLimits(records=10)
            _, dead = await shipped(made, everything)
        assert (sorted(set(intake.ids)), dead) == (sorted(IDS), 0)
        assert len(intake.ids) / COUNT < 1.2

    asyncio.run(main())


def test_slow_tls_is_waited_for_and_named_when_it_takes_too_long(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)

    async def main(
        patience: float, done: Callable[[OutputWorker], bool]
    ) -> tuple[OutputWorker, Intake]:
        intake = Intake()
        async with fake_server(forward_receivers.slow_tls(intake, context, 0.8)) as port:
            made = forward(port, tls=TlsSettings(ca=files.ca), connect_seconds=patience)
            worker, _ = await shipped(made, done)
        return worker, intake

    _, intake = asyncio.run(main(5.0, everything))
    assert intake.ids == IDS
    worker, intake = asyncio.run(main(0.3, waits))
    assert intake.ids == []
    error = worker.health().last_error
    assert error is not None
    assert "no TLS handshake within 0.3 s" in error.text
    assert "or is overloaded" in error.text
