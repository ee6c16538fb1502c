"""Typed values out of a document of JSON: what is of another type than asked reads as unknown."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    Document = Mapping[str, Any]

_Member = TypeVar("_Member", bound="StrEnum")
_NOTHING: Document = {}


def block(document: Document, key: str) -> Document:
    """Return the object under a key, or an empty one."""
    value = document.get(key)
    return value if isinstance(value, dict) else _NOTHING


def text(value: object) -> str | None:
    """Return a text that is not empty."""
    return value if isinstance(value, str) and value else None


def texts(value: object) -> tuple[str, ...] | None:
    """Return the texts of a list; None for what is not a list."""
    if not isinstance(value, list):
        return None
    return tuple([one for one in value if isinstance(one, str)]) if value else ()


def number(value: object) -> int | None:
    """Return a whole number."""
    return value if type(value) is int else None


def seconds_of(value: object) -> float | None:
    """Return seconds, whole or not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def flag(value: object) -> bool | None:
    """Return true or false."""
    return value if isinstance(value, bool) else None


def member(kind: type[_Member], text: object) -> _Member | None:
    """Return the member of an enum that has this value."""
    # Called seven times a start: calling the enum takes five times as long.
    found = _members(kind).get(text) if isinstance(text, str) else None
    return found if isinstance(found, kind) else None


@lru_cache
def _members(kind: type[StrEnum]) -> dict[str, StrEnum]:
    return {one.value: one for one in kind}
