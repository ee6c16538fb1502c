"""Messages of a server are bounded before they are read."""

from __future__ import annotations

import pytest

from sensor.outputs.forward.wire import ITEMS_LIMIT, MESSAGE_LIMIT, STRING_LIMIT, Messages
from tests.outputs.forward.peers import broken, fed, packed, protocol


@pytest.mark.parametrize(
    "bomb",
    [
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x05",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x91" * 100_000,
        packed("x" * (STRING_LIMIT + 1)),
        packed([0] * (ITEMS_LIMIT + 1)),
        b"\x81\x90\xc0",
        b"\x81\x01\xc0",
        b"\xd7\xff" + b"\xff" * 8,
        b"\xc1",
    ],
    ids=lambda bomb: bomb[:6].hex(),
)
def test_bombs_are_refused_within_the_limit_of_a_message(bomb: bytes) -> None:
    error = broken(protocol(None), bomb + b"\x00" * MESSAGE_LIMIT)
    assert "speaks no Forward" in error.reason
    assert not error.credentials
    assert len(error.reason) < 200


def test_a_message_that_never_ends_is_refused_although_each_part_is_small() -> None:
    made = protocol(None)
    # Arrays in arrays, each complete but for its last element, which is the next array.
    level = b"\x9f" + (b"\xd9\xff" + b"x" * 255) * 14
    error = next(error for error in (fed(made, level)[1] for _ in range(MESSAGE_LIMIT)) if error)
    assert "more than" in error.reason


def test_messages_are_not_larger_than_their_limits_say() -> None:
    (message,) = Messages().feed(packed(["x" * STRING_LIMIT] * (ITEMS_LIMIT - 1)))
    assert message == [b"x" * STRING_LIMIT] * (ITEMS_LIMIT - 1)
