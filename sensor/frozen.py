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

from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

Class = TypeVar("Class")

_become = object.__dict__["__class__"].__set__


def quick(cls: type[Class]) -> type[Class]:
    """Decorate a frozen dataclass with slots, as the outermost decorator.

    Raises TypeError for one that this cannot be done for: without slots of its own, with fields of
    a base, keyword-only or not in ``__init__``, or with a ``__post_init__``.
    """
    own: tuple[Field[Any], ...] = fields(cls)  # type: ignore[arg-type] # a dataclass: the next line asks
    slots = cls.__dict__.get("__slots__")
    fitting = slots == tuple(one.name for one in own) and not hasattr(cls, "__post_init__")
    if not fitting or not all(one.init and not one.kw_only for one in own):
        message = f"{cls.__name__} is not a dataclass with slots and positional fields alone"
        raise TypeError(message)
    known: dict[str, object] = {
        "_become": _become,
        "_closed": cls,
        "_missing": MISSING,
        "_open": type(cls.__name__, cls.__bases__, {"__slots__": slots}),
    }
    parameters, body = ["self"], ["_become(self, _open)"]
    for one in own:
        name = one.name
        if one.default is not MISSING:
            known[f"_default_{name}"] = one.default
            parameters.append(f"{name}=_default_{name}")
        elif one.default_factory is not MISSING:
            known[f"_make_{name}"] = one.default_factory
            parameters.append(f"{name}=_missing")
            body.append(f"if {name} is _missing: {name} = _make_{name}()")
        else:
            parameters.append(name)
        body.append(f"self.{name} = {name}")
    body.append("self.__class__ = _closed")
    text = f"def __init__({', '.join(parameters)}):\n" + "".join(f"    {one}\n" for one in body)
    exec(text, known)  # noqa: S102 - as dataclasses makes its own: of the names of fields alone
    init: Any = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    init.__annotations__ = getattr(cls.__init__, "__annotations__", {})
    setattr(cls, "__init__", init)  # noqa: B010 - mypy takes no assignment to it
    return cls
