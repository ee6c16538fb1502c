"""A dataclass of the house behaves as one of ``dataclasses``, and takes a third of its memory."""

from __future__ import annotations

import copy
import dataclasses
import gc
import inspect
import pickle
import tracemalloc
from dataclasses import FrozenInstanceError, field
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor import dataclass as own

MADE, ROUNDS = 20, 4
"""Classes of each kind whose memory is compared, and how often they are made."""

LEAST_GAIN = 2.0


class _Shape:
    """Fields of many kinds; those of the classes below."""

    a: int
    b: str
    c: float | None = None
    d: tuple[int, ...] = field(default_factory=lambda: (1,))
    e: int = field(default=7, compare=False)
    f: str = field(default="secret", repr=False)
    g: int = field(default=0, hash=False)


def declared(name: str, make: Any, **options: bool) -> Any:
    """Return a class with these fields, made by ``make``."""
    space = {
        "__module__": __name__,
        "__qualname__": name,
        "__annotations__": dict(_Shape.__annotations__),
        **{one: value for one, value in vars(_Shape).items() if one in _Shape.__annotations__},
    }
    return make(slots=True, **options)(type(name, (), space))


Plain, Own = (
    declared("Plain", dataclasses.dataclass, frozen=True),
    declared("Own", own.decorate, frozen=True),
)
PlainOpen, OwnOpen = declared("PlainOpen", dataclasses.dataclass), declared("OwnOpen", own.decorate)

VALUES = st.fixed_dictionaries(
    {"a": st.integers(0, 2), "b": st.sampled_from("xy")},
    optional={
        "c": st.sampled_from([None, 1.5]),
        "d": st.tuples(st.integers(0, 1)),
        "e": st.integers(0, 1),
        "f": st.sampled_from("xy"),
        "g": st.integers(0, 1),
    },
)


@pytest.mark.parametrize(("plain_cls", "own_cls"), [(Plain, Own), (PlainOpen, OwnOpen)])
@given(one=VALUES, other=VALUES)
def test_it_compares_and_shows_as_a_plain_one(
    plain_cls: Any, own_cls: Any, one: dict[str, object], other: dict[str, object]
) -> None:
    plain, mine = plain_cls(**one), own_cls(**one)
    assert repr(mine) == repr(plain).replace(plain_cls.__name__, own_cls.__name__)
    assert (mine == own_cls(**other)) == (plain == plain_cls(**other))
    assert mine != plain
    assert dataclasses.astuple(mine) == dataclasses.astuple(plain)
    assert dataclasses.replace(mine, a=3) == own_cls(**{**one, "a": 3})
    assert pickle.loads(pickle.dumps(mine)) == copy.deepcopy(mine) == mine


@given(VALUES)
def test_it_hashes_as_a_plain_one(one: dict[str, object]) -> None:
    assert hash(Own(**one)) == hash(Plain(**one))
    assert len({Own(**one), Own(**one)}) == 1


def test_the_first_comparison_may_be_with_something_else() -> None:
    class Anything:
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 0

    made = declared("Fresh", own.decorate, frozen=True)(1, "x")
    assert (made == 1) is False
    again = declared("Fresh", own.decorate, frozen=True)(1, "x")
    assert again == Anything()


def test_one_that_can_change_has_no_hash() -> None:
    made = OwnOpen(1, "x")
    made.a = 2
    assert made == OwnOpen(2, "x")
    with pytest.raises(TypeError, match="unhashable"):
        hash(made)


def test_without_eq_it_is_equal_to_itself_alone() -> None:
    @own.dataclass(slots=True, eq=False)
    class Part:
        a: int

    first, second = Part(1), Part(1)
    assert first == first  # noqa: PLR0124 - what is shown
    assert first != second
    assert len({first, second}) == 2


def test_methods_of_its_own_stay() -> None:
    @own.dataclass(frozen=True, slots=True)
    class Named:
        a: int

        def __repr__(self) -> str:
            return "named"

        def __hash__(self) -> int:
            return 5

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Named)

    assert (repr(Named(1)), hash(Named(1)), Named(1) == Named(2)) == ("named", 5, True)


def test_a_method_that_calls_that_of_its_base_gets_it() -> None:
    @own.dataclass(frozen=True, slots=True)
    class Base:
        a: int

    class Derived(Base):
        def __eq__(self, other: object) -> bool:
            return super().__eq__(other) is True

        def __hash__(self) -> int:
            return super().__hash__() + 1

    assert Derived(1) == Derived(1) != Derived(2)
    assert hash(Derived(1)) == hash(Base(1)) + 1
    assert Base(1) == Base(1) != Base(2)


def test_no_field_of_a_frozen_one_can_be_set_or_deleted() -> None:
    made = Own(1, "x")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'a'"):
        made.a = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'b'"):
        del made.b
    with pytest.raises(AttributeError):
        made.other = 1
    assert made == Own(1, "x")


def test_its_parameters_are_those_of_a_plain_one() -> None:
    assert list(inspect.signature(Own).parameters) == list(inspect.signature(Plain).parameters)
    assert get_type_hints(Own.__init__)["d"] == tuple[int, ...]
    assert Own.__match_args__ == Plain.__match_args__
    for wrong in ((1,), (1, "x", None, (), 0, "", 0, 1)):
        with pytest.raises(TypeError):
            Own(*wrong)
    with pytest.raises(TypeError):
        Own(1, "x", z=1)


def test_a_default_that_is_made_is_made_for_each_and_post_init_is_called() -> None:
    @own.dataclass(slots=True)
    class Listing:
        found: list[int] = field(default_factory=list)

        def __post_init__(self) -> None:
            self.found.append(len(self.found))

    first, second = Listing(), Listing()
    assert first.found == second.found == [0]
    assert first.found is not second.found


@pytest.mark.parametrize("options", [{"order": True, "slots": True}, {"slots": False}])
def test_what_it_does_not_serve_dataclasses_makes(options: dict[str, bool]) -> None:
    made = declared("Made", lambda **_: own.decorate(frozen=True, **options))
    assert dataclasses.is_dataclass(made)
    assert ("__lt__" in vars(made)) == options.get("order", False)
    assert ("__slots__" in vars(made)) == options["slots"]


def test_one_that_derives_from_another_has_the_fields_of_both() -> None:
    @own.dataclass(frozen=True, slots=True)
    class Base:
        a: int

    @own.dataclass(frozen=True, slots=True)
    class More(Base):
        b: int = 2

    assert More(1) == More(1, 2) != More(1, 3)
    with pytest.raises(FrozenInstanceError):
        More(1).a = 2  # type: ignore[misc] # what is refused


def test_a_keyword_only_field_is_refused() -> None:
    class Named:
        a: int = field(default=0, kw_only=True)

    with pytest.raises(TypeError, match="positional fields alone"):
        own.decorate(slots=True)(Named)


def test_the_class_from_before_its_slots_is_gone() -> None:
    def alive() -> int:
        gc.collect()
        return sum(one.__qualname__ == "Gone" for one in object.__subclasses__())

    made = declared("Gone", own.decorate, frozen=True)
    assert alive() == 1
    assert hash(made(1, "x")) == hash(made(1, "x"))
    assert alive() == 1


def test_it_takes_less_memory() -> None:
    def taken(make: Any) -> int:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        kept = [declared(f"Kept{number}", make, frozen=True) for number in range(MADE)]
        gc.collect()
        assert len(kept) == MADE
        return tracemalloc.get_traced_memory()[0] - before

    def least(make: Any) -> int:
        """The interpreter's table of subclasses grows now and then, by more than they take."""
        return min(taken(make) for _ in range(ROUNDS))

    tracemalloc.start()
    try:
        assert least(dataclasses.dataclass) / least(own.decorate) > LEAST_GAIN
    finally:
        tracemalloc.stop()
