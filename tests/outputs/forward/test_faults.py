"""Whatever stands in the way: each batch is delivered in the end, and is then at the server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sensor.outputs.delivery import Batch, Delivered, Retry
from sensor.outputs.forward.transport import Forward
from tests.outputs.batches import batches_of, starts
from tests.outputs.fault_proxy import OF_ACKS, Fault, FaultProxy, Misbehaviour
from tests.outputs.forward.collector import MISSING, Collector, collector
from tests.outputs.forward.made import forward

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


async def deliver_all(made: Forward, batches: list[Batch]) -> int:
    """Deliver as an engine does, ``window`` at a time in their order; returns the retries."""
    retries = 0
    slots = asyncio.Semaphore(made.window)

    async def one(batch: Batch) -> None:
        nonlocal retries
        try:
            while (outcome := await made.deliver(batch)) != Delivered():
                assert isinstance(outcome, Retry), outcome
                assert not outcome.credentials, outcome
                retries += 1
        finally:
            slots.release()

    async with asyncio.TaskGroup() as group:
        for batch in batches:
            await slots.acquire()
            group.create_task(one(batch))
    return retries


def shipped(
    server: Collector, how: Misbehaviour, batches: list[Batch], ack_seconds: float = 0.5
) -> tuple[FaultProxy, int]:
    async def run() -> tuple[FaultProxy, int]:
        async with FaultProxy(server.port, how) as proxy:
            made = forward(proxy.port, ack_seconds=ack_seconds, rest_seconds=0.1)
            try:
                return proxy, await deliver_all(made, batches)
            finally:
                await made.close()

    return asyncio.run(asyncio.wait_for(run(), 60))


def check(server: Collector, batches: list[Batch]) -> int:
    """Each batch is there under its own chunk id; returns how many came more than once."""
    by_chunk: dict[str, list[list[str]]] = {}
    for chunk in server.received():
        if not chunk["ids"]:
            continue  # a probe
        by_chunk.setdefault(chunk["chunk"], []).append(chunk["ids"])
    sent = sorted([record.id for record in batch.records] for batch in batches)
    assert sorted(copies[0] for copies in by_chunk.values()) == sent
    assert all(copy == copies[0] for copies in by_chunk.values() for copy in copies)
    return sum(len(copies) - 1 for copies in by_chunk.values())


@pytest.mark.parametrize("fault", [*OF_ACKS, Fault.TEAR], ids=lambda fault: fault.name.lower())
def test_one_kind_of_fault_loses_nothing(tmp_path: Path, fault: Fault) -> None:
    batches = batches_of(starts(1, 400), 10)
    tearing = fault is Fault.TEAR
    harmless = fault in {Fault.DELAY, Fault.DUPLICATE}
    how = Misbehaviour(
        seed=7,
        share=0.0 if tearing else 0.2,
        tear=0.3 if tearing else 0.0,
        limit=6,
        faults=(fault,),
    )
    with collector(tmp_path, print="ids") as server:
        # A late or double ack causes no second delivery, however busy the machine is.
        proxy, retries = shipped(server, how, batches, 20 if harmless else 0.5)
        twice = check(server, batches)
    assert proxy.made[fault] == 6
    if harmless:
        assert (retries, twice) == (0, 0)
    else:
        assert retries > 0
        assert tearing or twice > 0


@pytest.mark.parametrize("seed", range(3))
def test_all_of_them_at_once_lose_nothing(tmp_path: Path, seed: int) -> None:
    batches = batches_of(starts(1, 1000), 10)
    how = Misbehaviour(seed=seed, share=0.2, tear=0.05, limit=20)
    with collector(tmp_path, print="ids") as server:
        proxy, _ = shipped(server, how, batches)
        check(server, batches)
    # How many chunks there are depends on how the sender is held up, and so does the last fault.
    assert 15 <= proxy.made.total() <= 20
