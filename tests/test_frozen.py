"""A quick frozen dataclass is a frozen dataclass in everything but the time that it takes."""

from __future__ import annotations

import copy
import inspect
import pickle
import statistics
import timeit
from dataclasses import FrozenInstanceError, dataclass, field, make_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.frozen import changer, maker, quick

LEAST_GAIN = 1.5
"""By how much it is faster at the least; 4 where nothing else runs."""
PAIRS = 15


def declared(name: str) -> Any:
    """Return a class as ``quick`` is given it."""
    fields: list[tuple[str, Any, Any]] = [
        ("a", int, field()),
        ("b", str, field()),
        ("c", float | None, field(default=None)),
        ("d", tuple[int, ...], field(default_factory=lambda: (1,))),
        ("e", int, field(default=7, compare=False)),
        *[(one, str, field(default=one)) for one in "fgh"],
    ]
    return make_dataclass(name, fields, frozen=True, slots=True, namespace={"__module__": __name__})


Plain, Quick = declared("Plain"), quick(declared("Quick"))
make_quick, with_c = maker(Quick), changer(Quick, "c")


VALUES = st.fixed_dictionaries(
    {"a": st.integers(), "b": st.text()},
    optional={"c": st.floats(allow_nan=False), "d": st.tuples(st.integers()), "e": st.integers()},
)


@given(VALUES, VALUES)
def test_it_equals_hashes_and_shows_as_a_plain_one(
    one: dict[str, object], other: dict[str, object]
) -> None:
    plain, quick_ = Plain(**one), Quick(**one)
    assert repr(quick_) == repr(plain).replace("Plain", "Quick")
    assert hash(quick_) == hash(plain)
    others = Plain(**other), Quick(**other)
    assert (quick_ == others[1]) == (plain == others[0])
    assert replace(quick_, a=3) == Quick(**{**one, "a": 3})
    assert pickle.loads(pickle.dumps(quick_)) == copy.deepcopy(quick_) == quick_


@given(VALUES)
def test_a_maker_takes_what_the_class_takes_and_makes_the_same(values: dict[str, object]) -> None:
    made = make_quick(**values)
    assert type(made) is Quick
    assert made == Quick(**values)
    assert repr(made) == repr(Quick(**values))
    with pytest.raises(FrozenInstanceError):
        made.a = 2
    with pytest.raises(TypeError):
        make_quick(1)
    with pytest.raises(TypeError):
        make_quick(1, "b", z=1)


@given(VALUES)
def test_a_changer_copies_all_but_one_field(values: dict[str, object]) -> None:
    of = Quick(**values)
    changed = with_c(of, 2.5)
    assert type(changed) is Quick
    assert repr(changed) == repr(replace(of, c=2.5))
    assert of == Quick(**values)
    with pytest.raises(FrozenInstanceError):
        changed.a = 2


def test_no_field_can_be_set_afterwards() -> None:
    made = Quick(1, "b")
    assert type(made) is Quick
    with pytest.raises(FrozenInstanceError):
        made.a = 2
    with pytest.raises(FrozenInstanceError):
        del made.b
    with pytest.raises((AttributeError, TypeError)):
        made.other = 1
    assert made == Quick(1, "b")


def test_its_signature_is_that_of_the_dataclass() -> None:
    own, plain = inspect.signature(Quick), inspect.signature(Plain)
    assert list(own.parameters) == list(plain.parameters)
    with pytest.raises(TypeError):
        Quick(1)
    with pytest.raises(TypeError):
        Quick(1, "b", z=1)


def test_a_default_that_is_made_is_made_for_each() -> None:
    @quick
    @dataclass(frozen=True, slots=True)
    class Listing:
        found: list[int] = field(default_factory=list)

    for make in (Listing, maker(Listing)):
        first, second = make(), make()
        first.found.append(1)
        assert second.found == []


def test_a_class_that_it_does_not_fit_is_refused() -> None:
    @dataclass(frozen=True)
    class Open:
        a: int

    @dataclass(frozen=True, slots=True)
    class Checked:
        a: int

        def __post_init__(self) -> None:
            pass

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        a: int

    for cls in (Open, Checked, Named):
        for made in (quick, maker, lambda one: changer(one, "a")):
            with pytest.raises(TypeError, match="is not a dataclass with slots"):
                made(cls)


@pytest.mark.timed
def test_it_takes_less_time() -> None:
    def spent(cls: Any) -> float:
        return timeit.timeit(lambda: cls(1, "b", 2.0, (), 3, "", "", ""), number=2000)

    # In pairs: the speed of a processor changes while others work on its core.
    assert statistics.median(spent(Plain) / spent(Quick) for _ in range(PAIRS)) > LEAST_GAIN
    assert statistics.median(spent(Quick) / spent(make_quick) for _ in range(PAIRS)) > 1
