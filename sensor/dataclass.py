"""Dataclasses of a third of the size: ``from sensor.dataclass import dataclass``.

The agent has more than 300 of them, and each of ``dataclasses`` with slots takes 15 KiB:

- ``__weakref__`` and ``__setattr__`` keep the class from before it got its slots;
- six methods are compiled for it, and most of them are never called.

Here frozen ones share the methods that refuse. ``__eq__`` and ``__hash__`` are compiled when they
are first called, and then take the place of what all share. That halves the time of the imports,
too. The rest is as ``dataclasses`` has it: fields, defaults, ``replace``, matching, pickling. What
is not served here (an order, a dataclass as base, no slots) is made there.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import MISSING, Field, FrozenInstanceError, fields, is_dataclass
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Never, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FunctionType

__all__ = ["dataclass", "initializer", "own_fields"]

Class = TypeVar("Class")

SERVED = frozenset({"frozen", "slots", "eq", "repr"})
"""Options; with any other the class is made by ``dataclasses``."""


def decorate(**options: bool) -> Callable[[type[Class]], type[Class]]:
    """Return a decorator. It takes the options of ``dataclasses.dataclass``."""

    def made(cls: type[Class]) -> type[Class]:
        if options.keys() <= SERVED and options.get("slots") and not _is_derived(cls):
            return _slim(cls, options)
        return dataclasses.dataclass(**options)(cls)

    return made


if TYPE_CHECKING:
    # For mypy it is what it stands for.
    from dataclasses import dataclass
else:
    dataclass = decorate


def method(
    cls: type[object],
    name: str,
    parameters: Iterable[str],
    body: Iterable[str],
    known: Mapping[str, object],
) -> FunctionType:
    """Compile a method as if it stood in the module of ``cls``; ``known``: names that it uses."""
    lines = [
        f"def make({', '.join(known)}):",
        f" def {name}({', '.join(parameters)}):",
        *[f"  {line}" for line in body],
        f" return {name}",
    ]
    made: dict[str, Callable[..., FunctionType]] = {}
    module = getattr(sys.modules.get(cls.__module__), "__dict__", {})
    exec("\n".join(lines), module, made)  # noqa: S102 - its text has names of fields alone, as in dataclasses
    function = made["make"](**known)
    function.__qualname__ = f"{cls.__qualname__}.{name}"
    return function


def own_fields(cls: type[object]) -> tuple[Field[Any], ...]:
    """Return a dataclass's fields. Raises TypeError for one that is not a positional parameter."""
    own = fields(cls) if is_dataclass(cls) else ()
    if not all(one.init and not one.kw_only for one in own):
        raise TypeError(f"{cls.__name__} is not a dataclass with slots and positional fields alone")
    return own


def _is_derived(cls: type[object]) -> bool:
    return any(is_dataclass(base) for base in cls.__bases__)


def _slim(cls: type[Class], options: Mapping[str, bool]) -> type[Class]:
    """Make a dataclass with slots, and give it methods."""
    frozen, eq = options.get("frozen", False), options.get("eq", True)
    # Python gives a class with __eq__ and no __hash__ the hash None; that was not written.
    hashes = cls.__dict__.get("__hash__", MISSING)
    hashes_itself = hashes is not MISSING and not (hashes is None and "__eq__" in cls.__dict__)
    made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    if "__weakref__" in made.__dict__:
        # That of the class without slots, which it keeps alive.
        type.__delattr__(made, "__weakref__")
    checks = ["self.__post_init__()"] if hasattr(made, "__post_init__") else []
    known: dict[str, object] = {"_set": object.__setattr__} if frozen else {}
    assign = "_set(self, '{0}', {0})" if frozen else "self.{0} = {0}"
    methods: dict[str, object] = {"__init__": initializer(made, known, assign=assign, last=checks)}
    if options.get("repr", True):
        methods["__repr__"] = _repr
    if eq:
        methods["__eq__"] = _eq
    for name in ("__repr__", "__eq__", "__init__"):
        if name in made.__dict__:
            methods.pop(name, None)
    if eq and not hashes_itself:
        methods["__hash__"] = _hash if frozen else None
    if frozen:
        methods |= _FROZEN
        # What derives from it has to be frozen, too.
        made.__dict__["__dataclass_params__"].frozen = True
    for name, function in methods.items():
        type.__setattr__(made, name, function)
    return made


def initializer(
    cls: type[object],
    known: Mapping[str, object],
    *,
    name: str = "__init__",
    receives: Iterable[str] = ("self",),
    first: Iterable[str] = (),
    assign: str = "self.{0} = {0}",
    last: Iterable[str] = (),
) -> FunctionType:
    """Compile an ``__init__``: a line ``assign`` for each field, between ``first`` and ``last``.

    ``receives`` are its parameters before the fields.
    """
    names = dict(known)
    parameters, body, defaults = [*receives], [*first], []
    for one in own_fields(cls):
        field = one.name
        if one.default_factory is not MISSING:
            names |= {"_missing": MISSING, f"_make_{field}": one.default_factory}
            body.append(f"if {field} is _missing: {field} = _make_{field}()")
        if one.default is MISSING and one.default_factory is MISSING:
            parameters.append(field)
        else:
            parameters.append(f"{field}=None")
            defaults.append(one.default)
        body.append(assign.format(field))
    body += last
    made = method(cls, name, parameters, body or ["pass"], names)
    made.__defaults__ = tuple(defaults)
    # One for both: an own one takes 250 bytes.
    made.__annotations__ = cls.__annotations__
    return made


# --------------------------------------------------------------------------- what all share


@recursive_repr()
def _repr(self: object) -> str:
    shown = [one.name for one in own_fields(type(self)) if one.repr]
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{type(self).__qualname__}({values})"


def _eq(self: object, other: object) -> object:
    owner = _owner(self, "__eq__", _eq)
    names = [one.name for one in own_fields(owner) if one.compare]
    body = [
        "if other.__class__ is self.__class__:",
        f" return {_values('self', names)} == {_values('other', names)}",
        "return NotImplemented",
    ]
    # Perhaps NotImplemented: no truth value.
    return _settle(owner, "__eq__", ("self", "other"), body)(self, other)


def _hash(self: object) -> int:
    owner = _owner(self, "__hash__", _hash)
    own = own_fields(owner)
    names = [one.name for one in own if (one.compare if one.hash is None else one.hash)]
    body = [f"return hash({_values('self', names)})"]
    return int(_settle(owner, "__hash__", ("self",), body)(self))


def _owner(of: object, name: str, shared: object) -> type[object]:
    """Return the class that has the shared method: the object's own, or one that it derives."""
    return next(cls for cls in type(of).__mro__ if cls.__dict__.get(name) is shared)


def _values(of: str, names: Iterable[str]) -> str:
    return f"({''.join(f'{of}.{name}, ' for name in names)})"


def _settle(
    cls: type[object], name: str, parameters: Iterable[str], body: Iterable[str]
) -> FunctionType:
    """Compile a method and have it take the shared one's place; from any thread."""
    made = method(cls, name, parameters, body, {})
    type.__setattr__(cls, name, made)
    return made


def _refuse_to_set(self: object, name: str, value: object) -> Never:
    del self, value
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> Never:
    del self
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: object) -> list[object]:
    return [getattr(self, one.name) for one in own_fields(type(self))]


def _set_state(self: object, state: Iterable[object]) -> None:
    for one, value in zip(own_fields(type(self)), state, strict=True):
        object.__setattr__(self, one.name, value)


_FROZEN: dict[str, object] = {
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
    "__getstate__": _state,
    "__setstate__": _set_state,
}
