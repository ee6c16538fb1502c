"""Compiled programs as they are kept in a file, and that file's bytes.

A line with the format's version, a line with the SHA-256 of the rest, then JSON. The digest finds a
damaged file. Its owner is the proof of its origin, see :mod:`sensor.bpf.kept_files`.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from base64 import b64decode, b64encode
from enum import IntEnum, unique

from sensor.bpf import instructions, programs
from sensor.dataclass import dataclass

SIZE_MAX = 8 * 1024 * 1024
"""Bytes of a file. The programs of today need 0.4 MiB."""

_MAPS_MAX = 64
_ENTRIES_MAX = 1 << 28
"""Of a ring buffer these are bytes."""
_WIDTH_MAX = 1 << 20
"""Bytes of a key or of a value."""
_FIRST_LINE = b"castoff kept programs 1"
_DIGEST_LEN = 64
_MAP_NAME = re.compile(r"[a-z0-9_]{1,32}")
_KEY = re.compile(r"[0-9a-f]{64}")
_PROGRAMS = frozenset(program.name for program in programs.ALL)


class Malformed(ValueError):
    """These are not kept programs, or not those that were asked for."""


@unique
class MapType(IntEnum):
    """Of ``enum bpf_map_type``: those that the probes use."""

    HASH = 1
    ARRAY = 2
    PERCPU_ARRAY = 6
    LRU_HASH = 9
    RINGBUF = 27


@dataclass(frozen=True, slots=True)
class KeptMap:
    """A map as it is made; sizes in bytes."""

    name: str
    type: MapType
    key_size: int
    value_size: int
    max_entries: int
    flags: int


@dataclass(frozen=True, slots=True)
class KeptPrograms:
    """One probe set before it is loaded. Instructions name a map by its place in ``maps``."""

    key: str
    """What decided the compile, see :mod:`sensor.bpf.kept_key`."""
    maps: tuple[KeptMap, ...]
    code: dict[str, bytes]
    """Instructions, by the program's name."""
    missing: tuple[str, ...]
    """Programs that this kernel refused."""


def encode(kept: KeptPrograms) -> bytes:
    """Return the bytes of a file."""
    document = {
        "key": kept.key,
        "maps": [
            [one.name, one.type, one.key_size, one.value_size, one.max_entries, one.flags]
            for one in kept.maps
        ],
        "code": {name: b64encode(code).decode() for name, code in kept.code.items()},
        "missing": kept.missing,
    }
    body = json.dumps(document).encode()
    return b"\n".join((_FIRST_LINE, hashlib.sha256(body).hexdigest().encode(), body))


def decode(content: bytes, key: str) -> KeptPrograms:
    """Return what a file has. Raises :class:`Malformed` for anything but that key's programs."""
    first, _, rest = content.partition(b"\n")
    if first != _FIRST_LINE:
        raise Malformed("it is not a file of this version")
    digest, body = rest[:_DIGEST_LEN], rest[_DIGEST_LEN + 1 :]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise Malformed("it is damaged: its digest is another")
    try:
        kept = _read(json.loads(body))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed(f"it cannot be read: {error}") from error
    if kept.key != key:
        raise Malformed("it is of another version, kernel or compiler")
    return kept


def _read(document: object) -> KeptPrograms:
    match document:
        case {"key": str(key), "maps": list(maps), "code": dict(code), "missing": list(missing)}:
            pass
        case _:
            raise Malformed("a part is missing")
    if not _KEY.fullmatch(key):
        raise Malformed("its key is not a digest")
    if len(maps) > _MAPS_MAX:
        raise Malformed(f"it has more than {_MAPS_MAX} maps")
    if not (set(code) | set(missing)) <= _PROGRAMS:
        raise Malformed("it has a program that no probe set has")
    made = tuple(_map(one) for one in maps)
    if len({one.name for one in made}) != len(made):
        raise Malformed("it has a map twice")
    return KeptPrograms(
        key=key,
        maps=made,
        code={name: _code(text, len(made)) for name, text in code.items()},
        missing=tuple(missing),
    )


def _map(values: object) -> KeptMap:
    match values:
        case [str(name), int(kind), int(key), int(value), int(entries), int(flags)]:
            pass
        case _:
            raise Malformed("a map lacks something")
    sizes_fit = 0 <= key <= _WIDTH_MAX and 0 <= value <= _WIDTH_MAX
    if not sizes_fit or not 0 < entries <= _ENTRIES_MAX or not 0 <= flags < 1 << 32:
        raise Malformed("a map is larger than any of the probes")
    if not _MAP_NAME.fullmatch(name):
        raise Malformed("a map has an odd name")
    return KeptMap(name, MapType(kind), key, value, entries, flags)


def _code(text: object, maps: int) -> bytes:
    if not isinstance(text, str):
        raise Malformed("a program is not text")
    try:
        code = b64decode(text, validate=True)
    except binascii.Error as error:
        raise Malformed(f"a program is not base64: {error}") from error
    if not code:
        raise Malformed("a program is empty")
    if not instructions.maps_of(code) <= set(range(maps)):
        raise Malformed("a program names a map that is not there")
    return code
