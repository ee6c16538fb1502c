"""HTTP/2 frames, however they are cut, and where parts were not copied."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate.engine_api.calls import Action, EngineCall
from tests.correlate.engine_api.wire import (
    COPIED,
    ID,
    OTHER_ID,
    Grpc,
    Watched,
    field,
    sandbox_request,
)
from tests.correlate.engine_api.wire_samples import CRI


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.randoms())
def test_frames_cut_anywhere_give_the_same_calls(sizes: list[int], random_: random.Random) -> None:
    grpc = Grpc()
    for name in ("StartContainer", "ContainerStatus", "StopContainer"):
        grpc.request(f"{CRI}/{name}", field(1, ID))
    data = grpc.take()
    watched = Watched()
    found: list[EngineCall] = []
    while data:
        size = random_.choice(sizes)
        found += watched.write(data[:size])
        data = data[size:]
    assert [call.action for call in found] == [Action.START, Action.NOTHING, Action.STOP]
    assert all(call.sound for call in found)


UPDATE = bytes((0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 9))
PING = bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + bytes(8)
BEHIND = {
    "update": UPDATE,
    "ping": PING,
    "both": UPDATE + PING,
    "two-pings": PING + PING,
}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("copied", [0, 1, 5, 30], ids=lambda more: f"copied-{more}")
def test_control_frames_behind_a_message_that_was_not_copied_cost_no_method(
    behind: bytes, copied: int
) -> None:
    """What is known of the header table stays, so that the next path is known by its index."""
    grpc, watched = Grpc(), Watched()
    grpc.request(f"{CRI}/StartContainer", field(1, ID))
    watched.write(grpc.take())
    grpc.request(f"{CRI}/RunPodSandbox", sandbox_request("shop", "web-0", "u-1"))
    data = grpc.take()
    whole = min(len(data) + copied, len(data + behind) - 1) if copied else COPIED
    watched.write(data + behind, whole)
    grpc.request(f"{CRI}/StartContainer", field(1, OTHER_ID))
    (call,) = watched.write(grpc.take())
    assert (call.action, call.targets, call.sound) == (Action.START, (OTHER_ID,), True)


def test_a_request_behind_a_message_that_was_not_copied_ends_what_is_known() -> None:
    grpc, watched = Grpc(), Watched()
    grpc.request(f"{CRI}/StartContainer", field(1, ID))
    watched.write(grpc.take())
    grpc.request(f"{CRI}/RunPodSandbox", sandbox_request("shop", "web-0", "u-1"))
    grpc.request(f"{CRI}/StopContainer", b"")
    watched.write(grpc.take())
    grpc.request(f"{CRI}/StartContainer", field(1, OTHER_ID))
    (call,) = watched.write(grpc.take())
    assert (call.action, call.method, call.sound) == (Action.UNKNOWN, None, False)


def test_a_message_of_16_mebibytes_is_skipped() -> None:
    watched = Watched()
    grpc = Grpc()
    watched.write(grpc.take())
    frame = b"\0\x40\0" + b"\0\0" + (9).to_bytes(4) + b"x" * 16384
    for _ in range(1024):
        assert watched.write(frame, copied=512) == ()
    grpc.request(f"{CRI}/StartContainer", field(1, ID))
    (call,) = watched.write(grpc.take())
    assert (call.action, call.sound) == (Action.START, True)
