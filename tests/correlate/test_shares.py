"""Tables and budgets with a share for each user."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.correlate.shares import DOMAINS_MAX, Budget, SharedTable

SECOND = 1_000_000_000


def test_a_full_share_forgets_its_own_oldest_entry() -> None:
    table: SharedTable[int, str] = SharedTable(limit=4, share=2)
    table.put(0, "root", None)
    for number in range(1, 4):
        table.put(number, "ann", "uid 1000")
    assert [table.get(number) for number in range(4)] == ["root", None, "ann", "ann"]
    assert table.forgotten == 1


def test_many_users_together_have_no_more_than_root() -> None:
    table: SharedTable[int, int] = SharedTable(limit=4, share=2)
    for number in range(4):
        table.put(number, number, None)
    for number in range(100, 200):
        table.put(number, number, f"uid {number}")
    assert [table.get(number) for number in range(4)] == [0, 1, 2, 3]
    assert len(table) == 8


def test_the_user_with_the_most_makes_room() -> None:
    table: SharedTable[int, str] = SharedTable(limit=3, share=2)
    table.put(1, "ann", "uid 1000")
    table.put(2, "bob", "uid 1001")
    table.put(3, "bob", "uid 1001")
    table.put(4, "eve", "uid 1002")
    assert [table.get(number) for number in (1, 2, 3, 4)] == ["ann", None, "bob", "eve"]


OPERATIONS = st.lists(
    st.tuples(
        st.booleans(), st.integers(0, 20), st.sampled_from([None, "uid 1", "uid 2", "uid 3"])
    ),
    max_size=80,
)


@given(OPERATIONS)
def test_whatever_is_put_and_taken_the_shares_hold(
    operations: list[tuple[bool, int, str | None]],
) -> None:
    table: SharedTable[int, str | None] = SharedTable(limit=6, share=3)
    for put, key, domain in operations:
        if put:
            table.put(key, domain or "root", domain)
            assert table.get(key) == (domain or "root")
        else:
            table.pop(key)
            assert key not in table
        owners = table.values()
        assert len(owners) == len(table)
        assert owners.count("root") <= 6
        assert sum(owner != "root" for owner in owners) <= 6
        assert all(owners.count(f"uid {number}") <= 3 for number in (1, 2, 3))


def test_a_budget_allows_a_burst_and_then_one_in_a_while() -> None:
    budget = Budget(burst=3, every=10)
    assert [budget.allows("uid 1", 0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert budget.allows("uid 2", 0)
    assert not budget.allows("uid 1", 9 * SECOND)
    assert budget.allows("uid 1", 10 * SECOND)
    assert budget.refused == 3


def test_root_of_the_host_has_no_budget_to_exhaust() -> None:
    budget = Budget(burst=1, every=10)
    assert all(budget.allows(None, 0) for _ in range(100))


def test_budgets_are_remembered_of_a_bounded_number_of_users() -> None:
    budget = Budget(burst=1, every=10)
    for number in range(2 * DOMAINS_MAX):
        budget.allows(f"uid {number}", 0)
    assert len(budget._buckets) == DOMAINS_MAX
