"""Which batch makes a server give up, and which server is merely down."""

from __future__ import annotations

import asyncio

import pytest

from sensor.outputs.delivery import Batch, Delivered, Outcome, Refused, Retry
from sensor.outputs.forward.output import ForwardCompression
from sensor.outputs.forward.suspects import LOSSES, LOSSES_UNPROVEN, PROOFS
from tests.outputs.batches import batch_of, starts
from tests.outputs.forward.bad_server import BATCH, outcome, retry, silent
from tests.outputs.forward.fake_server import Answer, Peer, fake_server, ids
from tests.outputs.forward.made import forward

POISON = BATCH.records[1].id


async def breaks_on_poison(peer: Peer) -> None:
    while True:
        message = await peer.message()
        if POISON in ids(message):
            return
        peer.ack(message)


async def dead(peer: Peer) -> None:
    await peer.message()


async def breaks_and_acks_no_probe(peer: Peer) -> None:
    await peer.message()
    await silent(peer)


PROVEN = LOSSES + PROOFS


@pytest.mark.parametrize("batch", [BATCH, batch_of(starts(2, 1))], ids=["several", "alone"])
def test_what_breaks_connections_behind_an_acknowledged_probe_is_refused(batch: Batch) -> None:
    found = outcome(breaks_on_poison, batch, PROVEN - 1, compression=ForwardCompression.NONE)
    retry(found, "the server closed the connection")
    found = outcome(breaks_on_poison, batch, PROVEN, compression=ForwardCompression.NONE)
    assert isinstance(found, Refused)
    assert f"{PROVEN} connections ended" in found.reason


async def takes(peer: Peer) -> None:
    while True:
        peer.ack(await peer.message())


@pytest.mark.parametrize("bad", [dead, silent], ids=["closes", "does not ack"])
def test_a_server_that_takes_connections_and_no_chunk_is_left_for_the_next(bad: Answer) -> None:
    async def run() -> tuple[list[Outcome], list[str | None]]:
        async with fake_server(bad) as first, fake_server(takes) as second:
            made = forward(first, second, ack_seconds=0.3)
            outcomes = []
            try:
                for _ in range(3):
                    outcomes.append(await made.deliver(BATCH))  # noqa: PERF401 - one by one
                return outcomes, [made.connection.peer, f"127.0.0.1:{second}"]
            finally:
                await made.close()

    outcomes, (peer, second) = asyncio.run(asyncio.wait_for(run(), 20))
    assert isinstance(outcomes[0], Retry)
    assert outcomes[1:] == [Delivered()] * 2
    assert peer == second


def test_a_server_that_is_down_is_not_a_reason_to_refuse_an_event() -> None:
    retry(outcome(dead, batch_of(starts(2, 1)), 30), "the server closed the connection")


def test_halves_are_tried_where_no_probe_is_acknowledged() -> None:
    found = outcome(breaks_and_acks_no_probe, BATCH, LOSSES_UNPROVEN - 1, ack_seconds=0.05)
    retry(found, "no acknowledgement")
    found = outcome(breaks_and_acks_no_probe, BATCH, LOSSES_UNPROVEN, ack_seconds=0.05)
    assert isinstance(found, Refused)
