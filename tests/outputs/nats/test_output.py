"""The NATS output against Debian's nats-server with JetStream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import nats as nats_py
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.errors import ConfigError
from sensor.outputs.delivery import Delivered, Outcome, Retry, Transport
from sensor.outputs.nats import output
from sensor.outputs.nats.settings import NatsSettings
from sensor.outputs.network.tls import TlsSettings
from sensor.outputs.registry import Surroundings, format_of
from sensor.settings.secret import Secret
from tests.outputs.batches import NATIVE, batch_of, batches_of, golden_records, starts
from tests.outputs.certificates import Authority
from tests.outputs.nats_server import NatsServer
from tests.outputs.rsyslog import free_port
from tests.outputs.sample_events import HOST
from tests.outputs.syslog.sending import large, serving
from tests.outputs.test_lines import BATCH as DAMAGED_BATCH

Result = TypeVar("Result")

SURROUNDINGS = Surroundings(HOST, "1.2.3", "bus")


@pytest.fixture
def running() -> Iterator[list[NatsServer]]:
    servers: list[NatsServer] = []
    yield servers
    for server in servers:
        server.stop()


def started(directory: Path, running: list[NatsServer], extra: str = "") -> NatsServer:
    server = NatsServer(directory, extra)
    running.append(server)
    server.start()
    return server


@asynccontextmanager
async def transport_to(port: int, **keys: Any) -> AsyncIterator[Transport]:
    settings = NatsSettings((f"nats://127.0.0.1:{port}",), **keys)
    transport = output.OUTPUT.make(settings, NATIVE, SURROUNDINGS)
    try:
        yield transport
    finally:
        await transport.close()


async def make_stream(port: int, **keys: Any) -> None:
    client = await nats_py.connect(f"nats://127.0.0.1:{port}")
    await client.jetstream().add_stream(name="castoff", subjects=["castoff.>"], **keys)
    await client.close()


async def stored(port: int) -> list[Any]:
    """Return every message of the stream, in its order."""
    client = await nats_py.connect(f"nats://127.0.0.1:{port}")
    stream = client.jetstream()
    state = (await stream.stream_info("castoff")).state
    found = [
        await stream.get_msg("castoff", sequence)
        for sequence in range(state.first_seq, state.last_seq + 1)
    ]
    await client.close()
    return found


def run(scenario: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(asyncio.wait_for(scenario, 60))


def test_every_event_is_stored_whole_and_in_order(
    tmp_path: Path, running: list[NatsServer]
) -> None:
    port = started(tmp_path, running).port
    records = golden_records()

    async def scenario() -> list[Any]:
        await make_stream(port)
        async with transport_to(port, subject="castoff.{host}.{type}", stream="castoff") as to:
            first, second, *rest = batches_of(records, 40)
            outcomes = [*await asyncio.gather(to.deliver(first), to.deliver(second))]
            outcomes += [await to.deliver(batch) for batch in rest]
            assert outcomes == [Delivered()] * len(outcomes)
            assert to.connection.connected
            assert to.connection.peer == f"nats://127.0.0.1:{port}"
        return await stored(port)

    messages = run(scenario())
    assert [json.loads(one.data) for one in messages] == [json.loads(r.line) for r in records]
    assert [one.headers["Nats-Msg-Id"] for one in messages] == [r.id for r in records]
    assert messages[0].subject == f"castoff.{HOST.name}.{records[0].type}"


def test_what_is_sent_again_is_stored_once(tmp_path: Path, running: list[NatsServer]) -> None:
    port = started(tmp_path, running).port
    batch = batch_of(starts(1, 100))

    async def scenario() -> int:
        await make_stream(port)
        async with transport_to(port) as to:
            assert await to.deliver(batch) == Delivered()
        async with transport_to(port) as to:
            assert await to.deliver(batch) == Delivered()
        return len(await stored(port))

    assert run(scenario()) == 100


@pytest.mark.parametrize("how", ["terminated", "killed"])
def test_nothing_is_lost_when_the_server_is_restarted_in_the_middle(
    how: str, tmp_path: Path, running: list[NatsServer]
) -> None:
    server = started(tmp_path, running)
    records = starts(1, 2000)

    async def scenario() -> list[Any]:
        await make_stream(server.port)
        async with transport_to(server.port) as to:
            for number, batch in enumerate(batches_of(records)):
                if number in {5, 12}:
                    under_way = asyncio.create_task(to.deliver(batch))
                    await asyncio.to_thread(server.stop, kill=how == "killed")
                    await under_way
                    assert isinstance(await to.deliver(batch), Retry)
                    await asyncio.to_thread(server.start)
                while isinstance(outcome := await to.deliver(batch), Retry):
                    await asyncio.sleep(0.05)
                assert outcome == Delivered()
        return await stored(server.port)

    messages = run(scenario())
    assert [one.headers["Nats-Msg-Id"] for one in messages] == [record.id for record in records]


def test_a_subject_without_a_stream_costs_no_event(
    tmp_path: Path, running: list[NatsServer]
) -> None:
    port = started(tmp_path, running).port

    async def scenario() -> Outcome:
        async with transport_to(port) as to:
            return await to.deliver(batch_of(starts(1, 2)))

    outcome = run(scenario())
    assert isinstance(outcome, Retry)
    assert "no stream takes the subject" in outcome.reason


def test_a_full_stream_is_retried_with_its_reason(
    tmp_path: Path, running: list[NatsServer]
) -> None:
    port = started(tmp_path, running).port

    async def scenario() -> Outcome:
        await make_stream(port, max_msgs=1, discard="new")
        async with transport_to(port) as to:
            return await to.deliver(batch_of(starts(1, 3)))

    outcome = run(scenario())
    assert isinstance(outcome, Retry)
    assert "maximum messages exceeded" in outcome.reason


@pytest.mark.parametrize("whose", ["server", "stream"])
def test_an_event_that_is_too_large_is_rejected_and_the_others_are_stored(
    whose: str, tmp_path: Path, running: list[NatsServer]
) -> None:
    extra = "max_payload: 60000" if whose == "server" else ""
    port = started(tmp_path, running, extra).port
    records = [*starts(1, 1), large(2, 70_000), *starts(3, 1)]

    async def scenario() -> tuple[Outcome, list[Any]]:
        await make_stream(port, **({"max_msg_size": 60_000} if whose == "stream" else {}))
        async with transport_to(port) as to:
            return await to.deliver(batch_of(records)), await stored(port)

    outcome, messages = run(scenario())
    assert isinstance(outcome, Delivered)
    (rejection,) = outcome.rejected
    assert rejection.sequence == 2
    assert "60000 of the server" in rejection.reason or "exceeds maximum" in rejection.reason
    assert [one.headers["Nats-Msg-Id"] for one in messages] == [records[0].id, records[2].id]


@pytest.mark.parametrize("keys", [{}, {"user": "castoff", "password": Secret("wrong")}])
def test_a_server_that_does_not_know_us_is_a_matter_of_credentials(
    keys: dict[str, Any], tmp_path: Path, running: list[NatsServer]
) -> None:
    extra = 'authorization { user: "castoff", password: "right" }'
    port = started(tmp_path, running, extra).port

    async def scenario() -> Outcome:
        async with transport_to(port, **keys) as to:
            return await to.deliver(batch_of(starts(1, 2)))

    outcome = run(scenario())
    assert isinstance(outcome, Retry)
    assert outcome.credentials
    assert "wrong" not in outcome.reason


@pytest.mark.parametrize("known", [True, False])
def test_tls_is_spoken_and_the_server_verified(
    *, known: bool, tmp_path: Path, running: list[NatsServer]
) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("localhost")
    extra = f'tls {{ cert_file: "{files.certificate}", key_file: "{files.key}" }}'
    port = started(tmp_path, running, extra).port
    tls = TlsSettings(ca=authority.ca, server_name="localhost" if known else "other.example")

    async def scenario() -> Outcome:
        settings = NatsSettings((f"tls://127.0.0.1:{port}",), tls=tls)
        to = output.OUTPUT.make(settings, NATIVE, SURROUNDINGS)
        try:
            return await to.deliver(batch_of(starts(1, 1)))
        finally:
            await to.close()

    outcome = run(scenario())
    assert isinstance(outcome, Retry)  # No stream is there: it got as far as that.
    assert outcome.credentials is not known
    expected = "no stream takes" if known else "Hostname mismatch"
    assert expected in outcome.reason


INFO = b'INFO {"server_id":"x","version":"2.9.0","max_payload":1048576,"headers":true}\r\n'


@pytest.mark.parametrize(
    "said",
    [
        [b"\x1b[2J\xff\x00\r\n"],
        [b"x" * 200_000],
        [b"INFO {\r\n"],
        [b"INFO []\r\n"],
        [b'INFO {"max_payload":"x","headers":true}\r\n', b"PONG\r\n"],
        [INFO],
        [INFO, b"-ERR 'odd \xff'\r\n"],
        [INFO, b"PONG\r\n", b"\xff\xfe junk\r\n"],
        [INFO, b"PONG\r\n", b"MSG a 1 99999999999\r\n" + b"y" * 100_000],
        [INFO, b"PONG\r\n", b"MSG a 1 -5\r\nxx\r\n"],
        [INFO, b"PONG\r\n", b"INFO {{{\r\n"],
    ],
    ids=range(11),
)
def test_whatever_a_server_says_is_an_outcome(
    said: list[bytes], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "ACK_SECONDS", 0.5)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in said:
            writer.write(part)
            await writer.drain()
            # Each part is a segment of its own: the client has to ask in between.
            await asyncio.sleep(0.05)
        if said != [INFO]:
            await asyncio.Event().wait()

    async def scenario() -> Outcome:
        async with serving(serve) as port, transport_to(port) as to:
            return await to.deliver(batch_of(starts(1, 3)))

    outcome = run(scenario())
    assert isinstance(outcome, Retry)
    assert outcome.reason.isprintable()
    assert capfd.readouterr().err == ""


def test_an_absent_server_is_retried() -> None:
    async def scenario() -> Outcome:
        async with transport_to(free_port()) as to:
            return await to.deliver(batch_of(starts(1, 1)))

    outcome = run(scenario())
    assert isinstance(outcome, Retry)
    assert "refused" in outcome.reason.lower()
    assert not outcome.credentials


def test_the_next_server_is_used_when_the_first_is_not_there(
    tmp_path: Path, running: list[NatsServer]
) -> None:
    port = started(tmp_path, running).port

    async def scenario() -> None:
        await make_stream(port)
        servers = (f"nats://127.0.0.1:{free_port()}", f"nats://127.0.0.1:{port}")
        to = output.OUTPUT.make(NatsSettings(servers), NATIVE, SURROUNDINGS)
        assert await to.deliver(batch_of(starts(1, 1))) == Delivered()
        assert to.connection.peer == servers[1]
        await to.close()

    run(scenario())


def test_what_is_not_an_event_is_rejected_and_the_others_are_stored(
    tmp_path: Path, running: list[NatsServer]
) -> None:
    port = started(tmp_path, running).port

    async def scenario() -> tuple[Outcome, list[Any]]:
        await make_stream(port)
        settings = NatsSettings((f"nats://127.0.0.1:{port}",))
        to = output.OUTPUT.make(settings, format_of("ecs"), SURROUNDINGS)
        outcome = await to.deliver(DAMAGED_BATCH)
        await to.close()
        return outcome, await stored(port)

    outcome, messages = run(scenario())
    assert isinstance(outcome, Delivered)
    assert [one.sequence for one in outcome.rejected] == [2]
    assert len(messages) == 2


def test_a_missing_library_is_reported_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nats", None)
    with pytest.raises(ConfigError) as missing:
        output.OUTPUT.make(NatsSettings(("nats://x",)), NATIVE, SURROUNDINGS)
    assert "nats-py" in missing.value.fix


@given(
    st.binary()
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps({"error": value, "seq": value}).encode()
    )
)
def test_no_reply_breaks_it(data: bytes) -> None:
    assert isinstance(output._ack(None, data), Delivered | Retry | str)
