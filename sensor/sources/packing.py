"""The one place that sets msgpack up for captures, with every option and why.

A replayed capture may come from an untrusted source, so each length has a limit. msgpack
itself stops at 1,024 levels of nesting.
"""

from __future__ import annotations

import codecs
from typing import Protocol

import msgpack
from msgpack import OutOfData, UnpackException
from msgpack.exceptions import BufferFull

__all__ = ["ITEMS_LIMIT", "BufferFull", "OutOfData", "UnpackException", "packer", "unpacker"]

ITEMS_LIMIT = 1 << 15
"""Elements of one array: a claimed length costs memory before the elements are there."""
TEXT_LIMIT = 1 << 20
"""Bytes of one string."""
BYTES_LIMIT = 1 << 16
"""Bytes of one binary value."""
KEYS_LIMIT = 256
"""Keys of one map; only a header has maps."""


class Packer(Protocol):
    """What a capture's writer uses of msgpack, which has no types."""

    def pack(self, obj: object, /) -> bytes:
        """Return an object as bytes."""


class Unpacker(Protocol):
    """What a capture's reader uses of msgpack."""

    def feed(self, data: bytes, /) -> None:
        """Add bytes. Raises BufferFull."""

    def unpack(self) -> object:
        """Return the next object. Raises OutOfData, UnpackException and ValueError."""

    def tell(self) -> int:
        """Return how many bytes were read."""


def packer() -> Packer:
    """Return a packer of lists, tuples, scalars and string enums."""
    made: Packer = msgpack.Packer(
        # Text and bytes stay apart, as in every msgpack since 2013.
        use_bin_type=True,
        # Kernel strings are any bytes; they are carried as surrogates and must come back as such.
        unicode_errors=_TEXT_ERRORS,
        # Strict would refuse tuples, and string enums as a subclass of str.
        strict_types=False,
        # A float keeps its eight bytes: replay has to see the same number.
        use_single_float=False,
        # One call, one object: nothing is left in the packer for the next.
        autoreset=True,
        # No observation holds a datetime.
        datetime=False,
    )
    return made


def unpacker(size_limit: int) -> Unpacker:
    """Return an unpacker that holds at most so many bytes that are not yet read.

    It raises ValueError (or UnpackException) for what breaks the format or a limit.
    """
    made: Unpacker = msgpack.Unpacker(
        # The model holds tuples.
        use_list=False,
        # Strings come as str, with bytes that are not valid UTF-8 as surrogates.
        raw=False,
        unicode_errors="surrogateescape",
        # Keys are names; anything else could collide on purpose, or not be hashable.
        strict_map_key=True,
        max_buffer_size=size_limit,
        max_str_len=TEXT_LIMIT,
        max_array_len=ITEMS_LIMIT,
        max_map_len=KEYS_LIMIT,
        max_bin_len=BYTES_LIMIT,
        # No extension type stands in a capture; the codec refuses an empty one.
        max_ext_len=0,
        # The plain Timestamp: no conversion that could fail on a date of its own.
        timestamp=0,
    )
    return made


def _text_errors(error: UnicodeError) -> tuple[bytes | str, int]:
    r"""Codec error handler: surrogateescape, but for surrogates that never were bytes.

    JSON files can hold such (``"\ud800"``). No reader could distinguish them from bytes
    again, so they become U+FFFD.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeEncodeError:
        return "\N{REPLACEMENT CHARACTER}".encode(), error.start + 1


_TEXT_ERRORS = "castoff.capture"
codecs.register_error(_TEXT_ERRORS, _text_errors)
