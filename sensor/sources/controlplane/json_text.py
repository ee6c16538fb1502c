"""JSON of control planes: one parser with two engines, and typed access to what it gives.

orjson (python3-orjson, from Debian 13 on) is used where it is installed, else the standard
library. Both refuse NaN, infinities and nesting without end with :class:`JsonInvalid`. Of two equal
keys the last counts, as in every common parser.

The accessors never raise: a value of another type than expected is unknown.
"""

from __future__ import annotations

import json
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Json = dict[str, Any]

TEXT_LIMIT = 4096
"""Characters of one text. Longer texts are cut: Kubernetes names have at most 253 characters."""
LIST_LIMIT = 256
"""Entries of one list that are read; what follows is dropped."""
CUT = "…"
_EMPTY: Json = {}


class JsonInvalid(ValueError):
    """A text is not JSON."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem[:120])


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
"""One decoder for all texts: ``json.loads`` makes a new one for each call with options."""
_SPACE = " \t\n\r"
"""White space of JSON."""


def standard(text: bytes) -> object:
    """Return the value of a JSON text, by the standard library."""
    try:
        whole = text.decode()
        if whole.startswith("{"):
            # As ``decode`` does, without two searches for white space where there is none.
            value: object
            value, end = _DECODER.raw_decode(whole)
            if end == len(whole) or not whole[end:].strip(_SPACE):
                return value
        return _DECODER.decode(whole)
    except RecursionError:
        raise JsonInvalid("nested too deep") from None
    except ValueError as error:  # also UnicodeDecodeError, and integers over 4,300 digits
        raise JsonInvalid(str(error)) from None


def _engine() -> Callable[[bytes], object]:
    """Return the parser: orjson where it is installed."""
    try:
        import orjson  # optional
    except ImportError:
        return standard

    def fast(text: bytes) -> object:
        try:
            return orjson.loads(text)
        except ValueError as error:
            raise JsonInvalid(str(error)) from None

    return fast


parse: Callable[[bytes], object] = _engine()
"""Return the value of a JSON text. Raises :class:`JsonInvalid`."""


def table(value: object, key: str) -> Json:
    """Return the object under ``key``; an empty one where there is none."""
    if type(value) is not dict:
        return _EMPTY
    inner = value.get(key)
    return inner if type(inner) is dict else _EMPTY


def rows(value: object, key: str) -> list[Json]:
    """Return the objects of the list under ``key``, at most ``LIST_LIMIT``."""
    if type(value) is not dict:
        return []
    inner = value.get(key)
    if type(inner) is not list:
        return []
    return [item for item in inner[:LIST_LIMIT] if type(item) is dict]


def text(value: object, key: str) -> str | None:
    """Return the text under ``key``, cut to its limit; None when it is empty or no text."""
    if type(value) is not dict:
        return None
    inner = value.get(key)
    if not inner or type(inner) is not str:
        return None
    return inner if len(inner) <= TEXT_LIMIT else inner[: TEXT_LIMIT - 1] + CUT


class Keys:
    """Keys of texts that are read together."""

    __slots__ = ("get", "names")

    def __init__(self, first: str, second: str, *more: str) -> None:
        self.names = (first, second, *more)
        self.get: Callable[[Any], tuple[Any, ...]] = itemgetter(first, second, *more)
        """Return the values under all of them. Raises KeyError or TypeError."""


def fields(value: object, keys: Keys) -> Sequence[str | None]:
    """Return the texts under several keys, two at least, each as ``text`` gives it."""
    try:
        given = keys.get(value)
        # One call says of all of them that they are texts, and that none is to be cut.
        if len("".join(given)) <= TEXT_LIMIT and "" not in given:
            return given
    except (KeyError, TypeError):
        pass
    if type(value) is not dict:
        return [None] * len(keys.names)
    found: list[str | None] = []
    for key in keys.names:
        inner = value.get(key)
        if type(inner) is not str or not inner:
            found.append(None)
        else:
            found.append(inner if len(inner) <= TEXT_LIMIT else inner[: TEXT_LIMIT - 1] + CUT)
    return found


def clean(inner: object) -> str | None:
    """Return a text cut to its limit; None when it is empty or no text."""
    if type(inner) is not str or not inner:
        return None
    return inner if len(inner) <= TEXT_LIMIT else inner[: TEXT_LIMIT - 1] + CUT


def texts(value: object, key: str) -> tuple[str, ...]:
    """Return the texts of the list under ``key``, at most ``LIST_LIMIT``."""
    if type(value) is not dict:
        return ()
    inner = value.get(key)
    if type(inner) is not list:
        return ()
    return tuple(
        [
            item if len(item) <= TEXT_LIMIT else item[: TEXT_LIMIT - 1] + CUT
            for item in inner[:LIST_LIMIT]
            if type(item) is str and item
        ]
    )


def number(value: object, key: str) -> int | None:
    """Return the whole number under ``key``, also where it is written as a text of digits."""
    if type(value) is not dict:
        return None
    inner = value.get(key)
    if inner is None:
        return None
    if type(inner) is int:
        return inner if _NUMBER_LEAST < inner < _NUMBER_LIMIT else None
    if type(inner) is str and inner.isdecimal() and inner.isascii() and len(inner) <= _DIGITS:
        return int(inner)
    if type(inner) is float and inner.is_integer() and abs(inner) < _NUMBER_LIMIT:
        return int(inner)
    return None


_DIGITS = 18
_NUMBER_LIMIT = 1 << 63
_NUMBER_LEAST = -_NUMBER_LIMIT


def nested(value: object, key: str) -> Json:
    """Return the object under ``key``, also where it is written as a text of JSON."""
    if type(value) is not dict:
        return _EMPTY
    inner = value.get(key)
    if type(inner) is dict:
        return inner
    if type(inner) is not str or not inner.lstrip().startswith("{"):
        return _EMPTY
    try:
        parsed = parse(inner.encode("utf-8", "replace"))
    except JsonInvalid:
        return _EMPTY
    return parsed if type(parsed) is dict else _EMPTY


def structured(value: object) -> object:
    """Return an object or a list, also where a log store keeps it as a text of JSON."""
    if type(value) is not str or value[:1] not in {"{", "["}:
        return value
    try:
        return parse(value.encode("utf-8", "replace"))
    except JsonInvalid:
        return value
