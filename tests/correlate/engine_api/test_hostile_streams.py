"""Streams that are made to mislead or to cost: joined anywhere, cut anywhere, floods and bombs."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate.engine_api.calls import Action
from sensor.correlate.engine_api.header_block import BLOCK_MAX, TABLE_MAX, HeaderBlocks
from tests.correlate.engine_api.wire import (
    COPIED,
    ID,
    OTHER_ID,
    Grpc,
    Watched,
    field,
    sandbox_request,
    ttrpc,
    ttrpc_request,
)
from tests.correlate.engine_api.wire_samples import CRI

TASK = "containerd.task.v2.Task"
MIB = 1 << 20
CUTS = st.lists(st.integers(1, 600), min_size=1, max_size=8)


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    """Return the bytes in writes of these sizes, over and over."""
    found: list[bytes] = []
    while data:
        size = sizes[len(found) % len(sizes)]
        found.append(data[:size])
        data = data[size:]
    return found


def a_kubelets_day() -> bytes:
    """Start one container, and ask about another again and again."""
    grpc = Grpc()
    for number in range(4):
        grpc.request(f"{CRI}/ContainerStatus", field(1, OTHER_ID))
        grpc.request(f"{CRI}/RunPodSandbox", sandbox_request("shop", f"web-{number}", "u-1"))
        grpc.request(f"{CRI}/StartContainer", field(1, ID))
        grpc.request(f"{CRI}/ListContainers", b"")
        grpc.request(f"{CRI}/StopContainer", field(1, OTHER_ID))
    return grpc.take()


DAY = a_kubelets_day()
TARGETS = {
    Action.START: {ID},
    Action.STOP: {OTHER_ID},
    Action.RUN: set[str](),
    Action.NOTHING: {OTHER_ID},
}
"""What is asked for in it, and of which container."""


@settings(deadline=None)
@given(st.integers(0, len(DAY)), CUTS)
def test_who_joins_a_stream_anywhere_learns_nothing_false(joined: int, sizes: list[int]) -> None:
    watched = Watched()
    watched.unseen(joined)
    for call in watched.write_each(pieces(DAY[joined:], sizes)):
        # What is only asked about is never taken for started, or for another's end.
        assert call.action is Action.UNKNOWN or set(call.targets) <= TARGETS[call.action]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 700), st.booleans()), min_size=1, max_size=12))
def test_writes_that_were_not_reported_make_nothing_false(plan: list[tuple[int, bool]]) -> None:
    watched = Watched()
    data, number = DAY, 0
    while data:
        size, seen = plan[number % len(plan)]
        number += 1
        if seen:
            for call in watched.write(data[:size]):
                assert call.action is not Action.START or OTHER_ID not in call.targets
        else:
            watched.unseen(len(data[:size]))
        data = data[size:]


@settings(deadline=None)
@given(st.lists(st.integers(1, COPIED), min_size=1, max_size=8))
def test_ttrpc_cut_anywhere_gives_the_same_calls(sizes: list[int]) -> None:
    names = ("Create", "State", "Start", "Kill", "Start")
    data = b"".join(
        ttrpc_request(2 * number + 1, TASK, name, field(1, ID if number < 4 else OTHER_ID))
        for number, name in enumerate(names)
    )
    found = Watched().write_each(pieces(data, sizes))
    assert [call.method for call in found] == [f"{TASK}/{name}" for name in names]
    assert [call.targets for call in found if call.action is Action.START] == [(ID,), (OTHER_ID,)]


def test_a_ttrpc_message_of_4_mebibytes_is_skipped() -> None:
    watched = Watched()
    large = ttrpc(1, 1, field(1, TASK) + field(2, "State") + field(3, b"x" * (4 * MIB - 60)))
    for piece in pieces(large, [65_536]):
        watched.write(piece, copied=512)
    (call,) = watched.write(ttrpc_request(3, TASK, "Start", field(1, ID)))
    assert (call.action, call.targets) == (Action.START, (ID,))


def continued(count: int, size: int) -> bytes:
    """Headers in so many frames: HEADERS, and CONTINUATION without an end."""
    block = b"\x40\x01a\x01b" * (size // 5)
    frames = [len(block).to_bytes(3) + bytes((1, 0)) + (1).to_bytes(4) + block]
    frames += [len(block).to_bytes(3) + bytes((9, 0)) + (1).to_bytes(4) + block] * count
    return b"".join(frames)


def test_headers_without_an_end_take_no_memory_and_linear_time() -> None:
    """CVE-2024-27316 and its like: CONTINUATION frames, empty ones among them."""
    took = []
    for count in (4000, 8000):
        for size in (0, 100):
            watched = Watched()
            watched.write(Grpc().take())
            began = time.process_time()
            for piece in pieces(continued(count, size), [500]):
                watched.write(piece)
            took.append(time.process_time() - began)
            grpc = Grpc()
            grpc.take()
            # It is the peer's fault: the engine has closed that connection long since.
            grpc.request(f"{CRI}/StartContainer", field(1, ID))
            assert len(watched.write(grpc.take())) <= 1
    assert took[2] < 3 * took[0] + 0.2
    assert took[3] < 3 * took[1] + 0.2


@given(st.lists(st.binary(max_size=BLOCK_MAX), max_size=20))
def test_a_table_never_holds_more_than_a_peer_may_have(blocks: list[bytes]) -> None:
    decoder = HeaderBlocks()
    for block in blocks:
        decoder.decode(block, cut=False)
        assert decoder._table._current_size <= TABLE_MAX
