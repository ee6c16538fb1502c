"""A namespace with many entries gives up its own; else the namespaces give up theirs in turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.correlate.namespace_shares import NamespaceTable, Turns

SHOP, OTHER = (None, "shop"), (None, "other")


def test_a_namespace_alone_may_have_all() -> None:
    turns = Turns[int](10)
    assert [turns.add(SHOP, number) for number in range(10)] == [None] * 10
    assert turns.add(SHOP, 10) == (SHOP, 0)
    assert len(turns) == 10


@given(st.lists(st.tuples(st.integers(0, 2), st.integers()), max_size=300), st.integers(1, 40))
def test_each_namespace_gives_up_its_items_in_the_order_of_entering(
    items: list[tuple[int, int]], limit: int
) -> None:
    turns = Turns[int](limit)
    held: dict[str, list[int]] = {}
    for home, item in items:
        held.setdefault(str(home), []).append(item)
        gone = turns.add((None, str(home)), item)
        if gone is not None:
            assert gone[1] == held[str(gone[0][1])].pop(0)
        assert len(turns) == sum(map(len, held.values())) <= limit


def test_a_flood_of_one_namespace_leaves_the_others_theirs() -> None:
    table = NamespaceTable[str, int](100)
    for number in range(40):
        table.put(f"other-{number}", number, OTHER)
    for number in range(1000):
        table.put(f"shop-{number}", number, SHOP)
    assert all(table.get(f"other-{number}") == number for number in range(40))
    assert table.get("shop-999") == 999
    assert len(table) == 100


def test_quiet_namespaces_give_up_theirs_in_turn() -> None:
    table = NamespaceTable[int, int](10)
    for number in range(30):
        table.put(number, number, (None, f"ns-{number}"))
    assert [number for number in range(30) if table.get(number) is not None] == list(range(20, 30))


def test_what_is_put_again_stays() -> None:
    table = NamespaceTable[str, int](3)
    for key in ("a", "b", "c"):
        table.put(key, 1, SHOP)
    table.put("a", 2, SHOP)
    assert table.put("d", 1, SHOP) == ("b", 1)
    assert table.get("a") == 2


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=200))
def test_it_never_holds_more_than_its_limit_and_always_the_latest(
    puts: list[tuple[int, int]],
) -> None:
    table, gone = NamespaceTable[int, int](8), 0
    held: set[int] = set()
    for number, (key, home) in enumerate(puts):
        went = table.put(key, number, (None, str(home)))
        held.add(key)
        if went is not None:
            held.discard(went[0])
            gone += 1
        assert table.get(key) == number or (went is not None and went[0] == key)
        assert len(table) == len(held) <= 8
