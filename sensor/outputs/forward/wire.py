"""MessagePack as Forward wants it: every option that matters is fixed here, and why.

Towards the server:

- text is msgpack *str*, chunks are *bin*: Fluent Bit closes the connection on a *bin* in a PING or
  as the chunk's id;
- what is not valid Unicode becomes its escapes, since receivers are strict.

From the server, whatever it sends:

- ``raw``: nonces are random bytes, and some servers send them as *str*;
- lengths are limited before anything is allocated, and map keys are strings;
- a message may take ``MESSAGE_LIMIT`` bytes: the unpacker's own limit is one of its buffer, which a
  message that never ends does not fill.

Source: Forward Protocol Specification v1, github.com/fluent/fluentd/wiki.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgpack

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE_LIMIT = 64 * 1024
"""Bytes of one message of a server. The largest that is known, HELO, has about a hundred."""

STRING_LIMIT = 4096
ITEMS_LIMIT = 16
_FEED = 16 * 1024
_BUFFER = 2 * _FEED

Pack = Callable[[object], bytes]
"""Gives a value as msgpack. Not shared between threads.

Raises ValueError (nested too deeply), OverflowError (a number beyond 64 bits) and TypeError.
"""


class Garbled(Exception):
    """The server's bytes are not a message, or are larger than any."""


def packed(value: object) -> bytes:
    """Return a value as msgpack; raises as :data:`Pack` does."""
    return packer()(value)


def packer() -> Pack:
    """Return what packs many values faster than one at a time."""
    pack: Pack = msgpack.Packer(use_bin_type=True, unicode_errors="backslashreplace").pack
    return pack


class Messages:
    """The messages in a stream of bytes. After :class:`Garbled` the stream is of no use."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(
            raw=True,
            strict_map_key=True,
            max_buffer_size=_BUFFER,
            max_str_len=STRING_LIMIT,
            max_bin_len=STRING_LIMIT,
            max_array_len=ITEMS_LIMIT,
            max_map_len=ITEMS_LIMIT,
            max_ext_len=STRING_LIMIT,
        )
        self._fed = 0
        self._complete = 0

    def feed(self, data: bytes) -> Iterator[object]:
        """Yield the messages that are complete with ``data``. Raises Garbled."""
        for start in range(0, len(data), _FEED):
            part = data[start : start + _FEED]
            self._fed += len(part)
            yield from self._unpacked(part)
            if self._fed - self._complete > MESSAGE_LIMIT:
                raise Garbled(f"a message of more than {MESSAGE_LIMIT} bytes")

    def _unpacked(self, part: bytes) -> Iterator[object]:
        try:
            self._unpacker.feed(part)
        except (ValueError, msgpack.exceptions.UnpackException) as error:
            raise Garbled(f"no msgpack: {error}") from error
        while True:
            try:
                message = self._unpacker.unpack()
            except msgpack.exceptions.OutOfData:
                return
            # TypeError and OverflowError: an ext type -1 that holds no time.
            except (
                ValueError,
                TypeError,
                OverflowError,
                msgpack.exceptions.UnpackException,
            ) as error:
                raise Garbled(f"no msgpack: {type(error).__name__}") from error
            self._complete = self._unpacker.tell()
            yield message
