"""A resolver that hangs holds up none for longer than asked, in a bounded number of threads."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from sensor.outputs.network import dial as dialling
from sensor.outputs.network.dial import Address, Unreachable, dial
from sensor.outputs.network.lookup import (
    ADDRESSES_MAX,
    LOOKUPS_MAX,
    Lookups,
    TooManyLookups,
    system,
)


class Hanging:
    """A resolver that answers when it is let go."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.calls = 0

    def __call__(self, _host: str, _port: int) -> list[str]:
        self.calls += 1
        self.released.wait(20)
        return ["127.0.0.1"]


def test_a_hanging_lookup_is_given_up_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = Hanging()
    monkeypatch.setattr(dialling, "LOOKUPS", Lookups(hanging))

    async def run() -> str:
        with pytest.raises(Unreachable) as caught:
            await dial(Address("collector", 24224), seconds=0.2)
        return caught.value.reason

    began = time.monotonic()
    # asyncio.run waits for threads of its own executor, which a hanging one must not be.
    assert asyncio.run(run()) == "collector:24224 does not answer within 0.2 s"
    assert time.monotonic() - began < 5
    hanging.released.set()


def test_one_name_is_looked_up_once_at_a_time_by_one_thread() -> None:
    hanging = Hanging()
    lookups = Lookups(hanging)

    async def run() -> list[list[str]]:
        for _ in range(50):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await lookups.addresses("collector", 1)
        waiting = [asyncio.create_task(lookups.addresses("collector", 1)) for _ in range(3)]
        await asyncio.sleep(0)
        hanging.released.set()
        return await asyncio.gather(*waiting)

    assert asyncio.run(run()) == [["127.0.0.1"]] * 3
    assert hanging.calls == 1


def test_beyond_the_limit_no_lookup_is_begun() -> None:
    hanging = Hanging()
    lookups = Lookups(hanging)

    async def run() -> None:
        waiting = [
            asyncio.create_task(lookups.addresses(f"name-{number}", 1))
            for number in range(LOOKUPS_MAX)
        ]
        await asyncio.sleep(0)
        with pytest.raises(TooManyLookups):
            await lookups.addresses("another", 1)
        hanging.released.set()
        await asyncio.gather(*waiting)
        assert await lookups.addresses("another", 1) == ["127.0.0.1"]

    asyncio.run(run())


def test_failures_of_the_resolver_are_those_of_the_caller() -> None:
    async def ask(host: str) -> list[str]:
        return await Lookups(system).addresses(host, 1)

    assert asyncio.run(ask("127.0.0.1")) == ["127.0.0.1"]
    assert asyncio.run(ask("::1")) == ["::1"]
    with pytest.raises(OSError, match="is not a host name"):
        asyncio.run(ask("a" * 64 + ".example"))


def test_an_answer_with_no_end_of_addresses_is_cut() -> None:
    lookups = Lookups(lambda _host, _port: ["127.0.0.1"] * 1000)
    assert len(asyncio.run(lookups.addresses("many", 1))) == ADDRESSES_MAX


def test_the_next_address_is_tried_when_one_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialling, "LOOKUPS", Lookups(lambda _host, _port: ["::1", "127.0.0.1"]))

    async def run() -> None:
        server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        stream = await dial(Address("collector", port))
        stream.close()
        server.close()
        await server.wait_closed()
        with pytest.raises(Unreachable, match=r"collector:.*Connect"):
            await dial(Address("collector", port))

    asyncio.run(run())


def test_a_name_without_addresses_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialling, "LOOKUPS", Lookups(lambda _host, _port: []))
    with pytest.raises(Unreachable, match="has no address"):
        asyncio.run(dial(Address("collector", 1)))
