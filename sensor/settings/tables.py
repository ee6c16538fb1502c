"""Tables of TOML as frozen dataclasses: the type of each field is what a key may be.

==============================  ====================================================================
field                           what is written
==============================  ====================================================================
``str``, ``int``, ``bool``      a string, a whole number, true or false
``float``                       a number
``Path``                        an absolute path in quotes
a :class:`~enum.StrEnum`        one of its values
:class:`~sensor.settings.secret.Secret`  a string, or a reference to where the secret is kept
``tuple[T, ...]``               a list, each element as T
``tuple[tuple[str, T], ...]``   a table of any keys, each value as T
a dataclass                     a table
``T | None``                    as T; None is what is not written
==============================  ====================================================================

A field without a default is a key that must be there. ``__post_init__`` may raise ValueError for a
value that no type shows; its text names the key. Whatever is wrong becomes a :class:`ConfigError`
with the file, the key and what was expected.
"""

from __future__ import annotations

import os
import re
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.settings.secret import Secret, resolve
from sensor.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed import DataclassInstance

VALUE_SHOWN = 80
"""Characters of a wrong value that an error repeats."""

ITEMS_MAX = 1000
"""Elements of a list, and keys of a table."""

Settings = TypeVar("Settings", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Placed:
    """A value and the file that it stands in."""

    value: object
    file: Path


Tree = dict[str, "Placed | Tree"]
"""Tables by name, as several files made them."""


def overlay(below: Tree, table: dict[str, Any], file: Path) -> Tree:
    """Return ``below`` with what ``table`` of a later file sets, key by key."""
    merged: Tree = dict(below)
    for key, value in table.items():
        if isinstance(value, dict):
            under = merged.get(key)
            merged[key] = overlay(under if isinstance(under, dict) else {}, value, file)
        else:
            merged[key] = Placed(value, file)
    return merged


def build(kind: type[Settings], tree: Tree, name: str, file: Path) -> Settings:
    """Make a ``kind`` of the table ``name``; ``file`` is named where no key can be blamed."""
    hints = get_type_hints(kind, localns=_TYPES)
    values: dict[str, Any] = {}
    for key, found in tree.items():
        if key not in hints:
            raise unknown_key(_file_of(found, file), name, key, hints)
        values[key] = _built(found, hints[key], f"{name}.{key}", file)
    for one in fields(kind):
        if one.default is MISSING and one.default_factory is MISSING and one.name not in values:
            problem = f"{_file_of(tree, file)}: [{name}] lacks the key {one.name}"
            raise ConfigError(problem, f"Expected: {one.name} = {described(hints[one.name])}.")
    try:
        return kind(**values)
    except ValueError as error:
        # Its text names the key; the file is the one that the key stands in.
        blamed = next((found for key, found in tree.items() if key in _words(error)), tree)
        problem = f"{_file_of(blamed, file)}: [{name}]: {error}"
        raise ConfigError(problem, "See castoff.toml(5) for keys and values.") from error


def unknown_key(file: Path, table: str, key: str, known: Iterable[str]) -> ConfigError:
    """Return the error for a key that a table does not have, with the one that was meant."""
    valid = tuple(known)
    meant = nearest(key, valid)
    question = f"Did you mean {meant}? " if meant else ""
    problem = f"{file}: {table}.{key} is not a key"
    return ConfigError(problem, f"{question}[{table}] has: {', '.join(valid)}.")


def value(found: object, wanted: object, where: str) -> object:
    """Return a value of TOML as the type that is wanted; ``where`` names file and key."""
    if isinstance(wanted, UnionType):
        (wanted,) = (one for one in get_args(wanted) if one is not type(None))
    if wanted is Path and isinstance(found, str):
        if not found.startswith("/") or "\x00" in found:
            raise ConfigError(f"{where}: {found!r} is not an absolute path", "Begin it with /.")
        return Path(found)
    if wanted is Secret and isinstance(found, str):
        try:
            return resolve(found, os.environ)
        except ValueError as error:
            fix = "Correct the reference, or give the agent what it names."
            raise ConfigError(f"{where}: {error}", fix) from None
    if isinstance(wanted, type) and issubclass(wanted, StrEnum) and found in list(wanted):
        return wanted(str(found))
    if wanted is float and isinstance(found, int | float) and not isinstance(found, bool):
        return float(found)
    if get_origin(wanted) is tuple and isinstance(found, list) and len(found) <= ITEMS_MAX:
        return tuple(_element(item, get_args(wanted)[0], where) for item in found)
    if type(found) is wanted:
        return found
    raise ConfigError(f"{where}: {_problem(found, wanted)}", f"Expected: {described(wanted)}.")


def _problem(found: object, wanted: object) -> str:
    if wanted is Secret:
        return "a secret has the wrong type"
    # As TOML writes it.
    shown = str(found).lower() if isinstance(found, bool) else repr(found)[:VALUE_SHOWN]
    if isinstance(wanted, type) and issubclass(wanted, StrEnum) and isinstance(found, str):
        return f"{shown} is not a valid value"
    return f"{shown} has the wrong type"


def _element(item: object, wanted: object, where: str) -> object:
    file, _, name = where.partition(": ")
    if is_dataclass(wanted) and isinstance(wanted, type) and isinstance(item, dict):
        return build(wanted, overlay({}, item, Path(file)), name, Path(file))
    return value(item, wanted, where)


def _built(found: Placed | Tree, wanted: object, name: str, file: Path) -> object:
    if isinstance(wanted, UnionType):
        (wanted,) = (one for one in get_args(wanted) if one is not type(None))
    if isinstance(found, Placed):
        return value(found.value, wanted, f"{found.file}: {name}")
    if isinstance(wanted, type) and is_dataclass(wanted):
        return build(wanted, found, name, _file_of(found, file))
    pair = get_args(get_args(wanted)[0]) if get_origin(wanted) is tuple else ()
    if len(pair) == len(("key", "value")) and pair[0] is str and len(found) <= ITEMS_MAX:
        return tuple(
            (key, _built(item, pair[1], f"{name}.{key}", file)) for key, item in found.items()
        )
    problem = f"{_file_of(found, file)}: {name} is a table"
    raise ConfigError(problem, f"Expected: {described(wanted)}.")


def file_of(tree: Tree, keys: tuple[str, ...], file: Path) -> Path:
    """Return the file that set the value below ``keys``, or ``file`` where none did."""
    found: Placed | Tree = tree
    for key in keys:
        if isinstance(found, Placed) or key not in found:
            return file
        found = found[key]
    return _file_of(found, file)


def _words(error: ValueError) -> list[str]:
    return re.findall(r"\w+", str(error))


def _file_of(found: Placed | Tree, file: Path) -> Path:
    """Return the file of a value, or of the first one in a table."""
    if isinstance(found, Placed):
        return found.file
    return next((_file_of(one, file) for one in found.values()), file)


def described(wanted: object) -> str:
    """Return what a key of this type takes, for a person."""
    if isinstance(wanted, UnionType):
        (wanted,) = (one for one in get_args(wanted) if one is not type(None))
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return " or ".join(f'"{one}"' for one in wanted)
    if get_origin(wanted) is tuple:
        element = get_args(wanted)[0]
        if get_origin(element) is tuple:
            return "a table of strings"
        return "a list of tables" if is_dataclass(element) else "a list of strings"
    return _NAMES.get(wanted, "a table")


_TYPES = {"Path": Path, "Secret": Secret}
"""What settings may import for the type checker only."""

_NAMES: dict[object, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path in quotes",
    Secret: "a string, file:/path or ${env:NAME}",
}
