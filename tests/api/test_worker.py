"""Slow questions are answered in one thread, one after the other."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sensor.api.worker import QueryWorker


def test_all_work_is_done_in_one_other_thread() -> None:
    async def main() -> set[int]:
        worker = QueryWorker()
        try:
            return set(await asyncio.gather(*(worker.run(threading.get_ident) for _ in range(9))))
        finally:
            worker.close()

    (thread,) = asyncio.run(main())
    assert thread != threading.get_ident()


def test_what_a_function_raises_is_raised_to_the_one_who_asked() -> None:
    async def main() -> None:
        worker = QueryWorker()
        try:
            with pytest.raises(ZeroDivisionError):
                await worker.run(divmod, 1, 0)
            assert await worker.run(int, "11", base=2) == 3
        finally:
            worker.close()

    asyncio.run(main())


def test_work_that_waits_is_dropped_at_the_end() -> None:
    async def main() -> None:
        worker = QueryWorker()
        begun, gate = threading.Event(), threading.Event()

        def hold() -> None:
            begun.set()
            gate.wait(10)

        first = asyncio.ensure_future(worker.run(hold))
        waiting = asyncio.ensure_future(worker.run(int))
        while not begun.is_set():
            await asyncio.sleep(0)
        worker.close()
        gate.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
