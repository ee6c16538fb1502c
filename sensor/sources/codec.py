"""Turns the observations of :mod:`sensor.model` into plain values for a capture and back.

The codec is made from the dataclasses' own type hints, once: there is no second description of an
observation that could fall behind. Values are packed by position, and each file says which field
stands where (its *layout*: class name to field names), so that

- a field that was added since and has a default reads as the default;
- a field that is unknown today, or was added without a default, is refused with its name:
  leaving it out could replay to other events than were recorded.

Shapes: a dataclass is an array of its fields in the layout's order; a member of a union of
dataclasses is the same with its class name in front; a tuple is an array; an enum is its value;
None is nil. Types are checked exactly: a bool does not pass for an int.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from operator import attrgetter, call
from types import NoneType, UnionType
from typing import Any, NewType, TypeGuard, Union, get_args, get_origin, get_type_hints

Layout = Mapping[str, tuple[str, ...]]
"""Class name to the names of its fields, in the order in which they are packed."""
Encode = Callable[[Any], Any]
Decode = Callable[[Any], Any]


class Mismatch(ValueError):
    """A value is not of the shape that its type asks for; the message says where and what."""


def layout_of(root: object) -> dict[str, tuple[str, ...]]:
    """Return the layout of every dataclass that can occur in a value of type ``root``."""
    found: dict[str, tuple[str, ...]] = {}
    waiting = [root]
    while waiting:
        hint = _plain(waiting.pop())
        if not _is_record(hint):
            waiting += get_args(hint)
        elif hint.__name__ not in found:
            types = _field_types(hint)
            found[hint.__name__] = tuple(types)
            waiting += types.values()
    return found


def encoder(hint: object) -> Encode:
    """Return the function that turns a value of the type into arrays, scalars and nil."""
    return _encoder(hint) or _same


def decoder(hint: object, layout: Layout) -> Decode:
    """Return the function that reads a value of the type, packed in the given layout.

    Arrays have to come as tuples. Both this call and the returned function raise
    :class:`Mismatch`: this one for a layout that lacks a class or a field without default, or
    that has one too many; the function for a value of another shape.
    """
    return _decoder(hint, layout, "value")


def _same(value: object) -> object:
    return value


def _plain(hint: object) -> object:
    """Return what a NewType stands for."""
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    return hint


def _field_types(cls: type) -> dict[str, object]:
    hints = get_type_hints(cls)
    return {item.name: hints[item.name] for item in dataclasses.fields(cls)}


def _members(hint: object) -> tuple[list[object], bool]:
    """Return a union's members beside None, and whether None is one; else the type and False."""
    hint = _plain(hint)
    if get_origin(hint) not in {UnionType, Union}:
        return [hint], False
    members = [_plain(argument) for argument in get_args(hint)]
    return [one for one in members if one is not NoneType], NoneType in members


def _is_record(hint: object) -> TypeGuard[type]:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def _is_sequence(arguments: tuple[object, ...]) -> bool:
    """Return True for ``tuple[X, ...]``, False for ``tuple[X, Y]``."""
    return arguments[1:] == (...,)


# --------------------------------------------------------------------------- encoding


def _encoder(hint: object) -> Encode | None:
    """Return the encoding function, or None where msgpack takes the value as it is."""
    members, optional = _members(hint)
    if len(members) > 1:
        return _union_encoder([member for member in members if _is_record(member)])
    member = members[0]
    encode: Encode | None = None
    if _is_record(member):
        encode = _record_encoder(member)
    elif get_origin(member) is tuple:
        encode = _tuple_encoder(get_args(member))
    if encode is None or not optional:
        return encode
    return lambda value: None if value is None else encode(value)


def _union_encoder(members: list[type]) -> Encode:
    encoders = {member: (member.__name__, _record_encoder(member)) for member in members}

    def encode_member(value: object) -> list[Any]:
        name, encode = encoders[type(value)]
        return [name, *encode(value)]

    return encode_member


@cache
def _record_encoder(cls: type) -> Encode:
    types = _field_types(cls)
    names = tuple(types)
    # attrgetter gives a single value bare.
    get = attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)
    nested = [
        (position, encode)
        for position, hint in enumerate(types.values())
        if (encode := _encoder(hint)) is not None
    ]

    def encode_record(value: object) -> list[Any]:
        packed = list(get(value))
        for position, encode in nested:
            packed[position] = encode(packed[position])
        return packed

    return encode_record


def _tuple_encoder(arguments: tuple[object, ...]) -> Encode | None:
    if _is_sequence(arguments):
        each = _encoder(arguments[0])
        return None if each is None else lambda value: [each(item) for item in value]
    encoders = [_encoder(argument) for argument in arguments]
    if not any(encoders):
        return None
    every = [encode or _same for encode in encoders]
    return lambda value: [encode(item) for encode, item in zip(every, value, strict=True)]


# --------------------------------------------------------------------------- decoding


def _decoder(hint: object, layout: Layout, where: str) -> Decode:
    members, optional = _members(hint)
    if len(members) > 1:
        return _union_decoder([one for one in members if _is_record(one)], layout, where)
    member = members[0]
    if member in _SCALARS:
        return _scalar_decoder(member, where, optional=optional)
    if _is_record(member):
        if optional and member.__name__ not in layout:
            return _absent_decoder(where)
        decode = _record_decoder(member, layout)
    elif isinstance(member, type) and issubclass(member, Enum):
        decode = _enum_decoder(member, where)
    elif get_origin(member) is tuple:
        decode = _tuple_decoder(get_args(member), layout, where)
    else:
        raise TypeError(f"{where}: a capture cannot hold {member}")
    if not optional:
        return decode
    return lambda value: None if value is None else decode(value)


def _absent_decoder(where: str) -> Decode:
    """Return the function for a class that was added after the capture: it can hold None only."""

    def decode_absent(value: object) -> None:
        if value is not None:
            raise Mismatch(f"{where}: nothing expected, got {type(value).__name__}")

    return decode_absent


def _scalar_decoder(cls: object, where: str, *, optional: bool) -> Decode:
    name = getattr(cls, "__name__", cls)

    def decode_scalar(value: object) -> object:
        if type(value) is cls or (optional and value is None):
            return value
        raise Mismatch(f"{where}: {name} expected, got {type(value).__name__}")

    return decode_scalar


def _enum_decoder(cls: type[Enum], where: str) -> Decode:
    by_value = {member.value: member for member in cls}

    def decode_enum(value: object) -> object:
        # The type first: what cannot be hashed cannot be looked up.
        member = by_value.get(value) if type(value) is str else None
        if member is None:
            raise Mismatch(f"{where}: no {cls.__name__}")
        return member

    return decode_enum


def _tuple_decoder(arguments: tuple[object, ...], layout: Layout, where: str) -> Decode:
    if not _is_sequence(arguments):
        decoders = [_decoder(argument, layout, where) for argument in arguments]

        def decode_fixed(value: object) -> object:
            if type(value) is not tuple or len(value) != len(decoders):
                raise Mismatch(f"{where}: an array of {len(decoders)} expected")
            return tuple([decode(item) for decode, item in zip(decoders, value, strict=True)])

        return decode_fixed
    each = _decoder(arguments[0], layout, where)

    def decode_sequence(value: object) -> object:
        if type(value) is not tuple:
            raise Mismatch(f"{where}: an array expected, got {type(value).__name__}")
        return tuple([each(item) for item in value])

    return decode_sequence


def _record_decoder(cls: type, layout: Layout) -> Decode:
    title = cls.__name__
    names = layout.get(title)
    if names is None:
        raise Mismatch(f"{title}: not in the capture's layout")
    types = _field_types(cls)
    unknown = [name for name in names if name not in types]
    if unknown or len(set(names)) != len(names):
        raise Mismatch(f"{title}: unknown or repeated field {', '.join(unknown or names)}")
    for item in dataclasses.fields(cls):
        has_default = (
            item.default is not dataclasses.MISSING
            or item.default_factory is not dataclasses.MISSING
        )
        if item.name not in names and not has_default:
            raise Mismatch(f"{title}: the capture lacks field {item.name}")
    decoders = [_decoder(types[name], layout, f"{title}.{name}") for name in names]
    size = len(names)
    in_order = names == tuple(types)[:size]

    def decode_record(value: object) -> object:
        if type(value) is not tuple or len(value) != size:
            raise Mismatch(f"{title}: an array of {size} expected")
        values = [*map(call, decoders, value)]
        return cls(*values) if in_order else cls(**dict(zip(names, values, strict=True)))

    return decode_record


def _union_decoder(members: list[type], layout: Layout, where: str) -> Decode:
    # A class that came after the capture was made is in no layout and cannot occur in it.
    decoders = {
        member.__name__: _record_decoder(member, layout)
        for member in members
        if member.__name__ in layout
    }

    def decode_member(value: object) -> object:
        if type(value) is not tuple or not value:
            raise Mismatch(f"{where}: a tagged array expected")
        decode = decoders.get(value[0]) if type(value[0]) is str else None
        if decode is None:
            raise Mismatch(f"{where}: unknown class in front of an array")
        return decode(value[1:])

    return decode_member


_SCALARS = frozenset({int, str, bool, float, bytes})
