"""A paced stream leaves in its socket what comes until the next tick."""

from __future__ import annotations

import asyncio

import pytest

from sensor.clock import next_tick
from sensor.sources.engines.pace import rest
from tests.outputs.virtual_loop import run


class Noted(asyncio.Transport):
    def __init__(self, *, closing: bool = False) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.closing = closing

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")


def test_reading_goes_on_with_the_next_tick() -> None:
    async def main() -> tuple[list[str], float, float]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.1)
        transport, began = Noted(), loop.time()
        await rest(transport, paced=True)
        return transport.calls, next_tick(began), loop.time()

    calls, due, ended = run(main())
    assert calls == ["pause", "resume"]
    assert ended == pytest.approx(due)


@pytest.mark.parametrize(("paced", "closing"), [(False, False), (True, True)])
def test_a_stream_that_is_not_paced_or_ends_is_left_alone(*, paced: bool, closing: bool) -> None:
    transport = Noted(closing=closing)
    run(rest(transport, paced=paced))
    assert transport.calls == []


def test_reading_goes_on_when_the_wait_is_cancelled() -> None:
    async def main() -> list[str]:
        transport = Noted()
        waiting = asyncio.ensure_future(rest(transport, paced=True))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return transport.calls

    assert run(main()) == ["pause", "resume"]
