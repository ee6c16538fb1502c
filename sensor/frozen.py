"""Frozen dataclasses whose instances are made in a fourth of the time.

A frozen dataclass cannot assign in its ``__init__``: it calls ``object.__setattr__`` for each
field, 70 ns each, and a start makes a hundred objects of up to 22 fields. :func:`quick` gives the
class an ``__init__`` that turns the new object into one of an open twin (the same slots, and no
guard), assigns, and turns it back. ``__class__`` may be assigned between classes of equal layout
(``object_set_class`` of CPython, Objects/typeobject.c).

Everything else stays as dataclasses have it: signature, equality, hash, ``replace``, pickling, and
that no field can be set afterwards.
"""

from __future__ import annotations

from typing import TypeVar

from sensor.dataclass import initializer, own_fields

Class = TypeVar("Class")

_become = object.__dict__["__class__"].__set__


def quick(cls: type[Class]) -> type[Class]:
    """Decorate a frozen dataclass with slots, as the outermost decorator.

    Raises TypeError for one that this cannot be done for: without slots of its own, with fields of
    a base, keyword-only or not in ``__init__``, or with a ``__post_init__``.
    """
    slots = cls.__dict__.get("__slots__")
    names = tuple(one.name for one in own_fields(cls))
    if slots != names or hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__} is not a dataclass with slots and positional fields alone")
    twin = type(cls.__name__, cls.__bases__, {"__slots__": slots})
    init = initializer(
        cls,
        {"_become": _become, "_closed": cls, "_open": twin},
        first=["_become(self, _open)"],
        last=["self.__class__ = _closed"],
    )
    type.__setattr__(cls, "__init__", init)
    return cls
