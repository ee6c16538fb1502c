"""The little of the protobuf wire format that containerd's events need; pure, bounded.

Encoding: https://protobuf.dev/programming-guides/encoding/. A message is a run of fields, each a
varint ``number << 3 | type`` and a value: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes
(3 and 4, groups, are gone since proto3). Unknown fields are passed over, as protobuf demands.
"""

from __future__ import annotations

from sensor.dataclass import dataclass

FIELDS_MAX = 65_536
"""Fields of one message that are looked at: a list of tasks has one for each."""

VARINT_BYTES_MAX = 10
"""A varint holds at most 64 bits."""

_VARINT = 0
_FIXED64 = 1
_BYTES = 2
_FIXED32 = 5
_NS_PER_SECOND = 1_000_000_000
_SEVEN_BITS, _CONTINUES = 0x7F, 0x80
"""A byte of a varint: seven bits of the number, and whether more bytes follow."""


class WireError(ValueError):
    """The bytes are not a protobuf message."""


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded message: its varint and its length-delimited fields by number, in order."""

    numbers: dict[int, list[int]]
    strings: dict[int, list[bytes]]

    def number(self, field: int) -> int:
        """Return the field's last value; 0, proto3's default, where it is absent."""
        return self.numbers.get(field, [0])[-1]

    def raw(self, field: int) -> bytes:
        """Return the field's last value; empty where it is absent."""
        return self.strings.get(field, [b""])[-1]

    def text(self, field: int) -> str:
        """Return the field's last value as text; empty where it is absent."""
        return self.raw(field).decode("utf-8", "surrogateescape")


def decode(data: bytes) -> Message:
    """Decode one message's own fields; those of messages inside stay bytes.

    :raises WireError: cut, malformed, or more than ``FIELDS_MAX`` fields.
    """
    message = Message({}, {})
    position = 0
    for _ in range(FIELDS_MAX):
        if position == len(data):
            return message
        tag, position = _varint(data, position)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            message.numbers.setdefault(field, []).append(value)
            continue
        if kind == _BYTES:
            length, position = _varint(data, position)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise WireError(f"wire type {kind}")
        end = position + length
        if end > len(data):
            raise WireError("cut inside a field")
        if kind == _BYTES:
            message.strings.setdefault(field, []).append(data[position:end])
        position = end
    raise WireError(f"more than {FIELDS_MAX} fields")


def encode_text(field: int, text: str) -> bytes:
    """Encode one string field."""
    raw = text.encode()
    return _encode_varint(field << 3 | _BYTES) + _encode_varint(len(raw)) + raw


def timestamp(data: bytes) -> int | None:
    """Read a google.protobuf.Timestamp {seconds = 1, nanos = 2} as ns since the epoch."""
    message = decode(data)
    if not message.numbers:
        return None
    return message.number(1) * _NS_PER_SECOND + message.number(2)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[position : position + VARINT_BYTES_MAX]):
        value |= (byte & _SEVEN_BITS) << (7 * index)
        if byte < _CONTINUES:
            return value, position + index + 1
    raise WireError("cut or endless varint")


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= _CONTINUES:
        encoded.append(value & _SEVEN_BITS | _CONTINUES)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
