"""Frozen dataclasses whose instances are made in a fourth of the time.

A frozen dataclass cannot assign in its ``__init__``: it calls ``object.__setattr__`` for each
field, 70 ns each, and a start makes a hundred objects of up to 22 fields. :func:`quick` gives the
class an ``__init__`` that turns the new object into one of an open twin (the same slots, and no
guard), assigns, and turns it back. ``__class__`` may be assigned between classes of equal layout
(``object_set_class`` of CPython, Objects/typeobject.c).

Everything else stays as dataclasses have it: signature, equality, hash, ``replace``, pickling, and
that no field can be set afterwards.

Where an object is made with every start, a function takes the place of the class: :func:`maker`
has its signature and takes half its time, :func:`changer` copies with another value of one field.
Calling a class makes a dictionary of the keyword arguments, and a function's call makes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from sensor.dataclass import initializer, method, own_fields

if TYPE_CHECKING:
    from collections.abc import Callable

Class = TypeVar("Class")
Params = ParamSpec("Params")

_become = object.__dict__["__class__"].__set__
_CLOSE = "self.__class__ = _closed"


def quick(cls: type[Class]) -> type[Class]:
    """Decorate a frozen dataclass with slots, as the outermost decorator.

    Raises TypeError for one that this cannot be done for: without slots of its own, with fields of
    a base, keyword-only or not in ``__init__``, or with a ``__post_init__``.
    """
    init = initializer(
        cls,
        {"_become": _become, "_closed": cls, "_open": _twin(cls)},
        first=["_become(self, _open)"],
        last=[_CLOSE],
    )
    type.__setattr__(cls, "__init__", init)
    return cls


def maker(cls: Callable[Params, Class]) -> Callable[Params, Class]:
    """Return a function that makes objects of a dataclass, from the arguments of the class.

    Raises TypeError as :func:`quick` does.
    """
    of = cast("type[Class]", cls)
    made = initializer(
        of,
        {"_closed": of, "_open": _twin(of)},
        name="make",
        receives=(),
        first=["self = _open()"],
        last=[_CLOSE, "return self"],
    )
    return cast("Callable[Params, Class]", made)


def changer(cls: type[Class], field: str) -> Callable[[Class, Any], Class]:
    """Return a function that copies an object of a dataclass, with another value of one field.

    Raises TypeError as :func:`quick` does.
    """
    names = [one.name for one in own_fields(cls) if one.name != field]
    body = [
        "self = _open()",
        *[f"self.{name} = of.{name}" for name in names],
        f"self.{field} = value",
        _CLOSE,
        "return self",
    ]
    made = method(cls, "change", ("of", "value"), body, {"_closed": cls, "_open": _twin(cls)})
    return cast("Callable[[Class, Any], Class]", made)


def _twin(cls: type[Class]) -> type[object]:
    """Return a class of the same layout whose fields can be set."""
    slots = cls.__dict__.get("__slots__")
    names = tuple(one.name for one in own_fields(cls))
    if slots != names or hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__} is not a dataclass with slots and positional fields alone")
    return type(cls.__name__, cls.__bases__, {"__slots__": slots})
