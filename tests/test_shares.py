"""Tables and budgets with a share for each user."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.shares import DOMAINS_MAX, Budget, SharedTable, account_of

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


def test_what_one_account_has_many_of_has_no_more_than_the_account() -> None:
    """A user makes any number of cgroups called like containers, and has thousands of uids."""
    table: SharedTable[int, str] = SharedTable(limit=64, share=8)
    table.put(0, "ann", "uid 1001")
    table.put(1, "mallory", "uid 1000")
    for number in range(2, 200):
        table.put(number, "mallory", f"uid 1000/in box{number} uid 1000")
    kept = list(table.values())
    assert (kept.count("ann"), kept.count("mallory")) == (1, 8)
    assert table.share_of(0) == "uid 1001"


def test_the_part_with_the_most_gives_way_within_an_account() -> None:
    table: SharedTable[int, str] = SharedTable(limit=64, share=4)
    table.put(0, "mallory", "uid 1000")
    for number in range(1, 20):
        table.put(number, "box", "uid 1000/in box uid 1000")
    table.put(20, "mallory", "uid 1000")
    assert sorted(table.values()) == ["box", "box", "mallory", "mallory"]


def test_an_entry_is_renewed_in_its_own_share() -> None:
    table: SharedTable[int, str] = SharedTable(limit=2, share=2)
    for number in (1, 2):
        table.put(number, "ann", "uid 1000")
    table.renew(1)
    table.put(3, "ann", "uid 1000")
    assert [table.get(number) for number in (1, 2, 3)] == ["ann", None, "ann"]
    table.put(4, "root", None)
    table.put(5, "root", None)
    table.renew(4)
    table.put(6, "root", None)
    assert 5 not in table


def test_parts_of_an_account_together_have_its_budget() -> None:
    budget = Budget(burst=8, every=1.0)
    allowed = sum(budget.allows(f"uid 1000/in box{number} uid 1000", 0) for number in range(100))
    assert allowed == 8
    assert budget.allows("uid 1001", 0)


def test_a_part_leaves_half_of_its_accounts_budget() -> None:
    budget = Budget(burst=8, every=1.0)
    assert sum(budget.allows("uid 1000/in box uid 1000", 0) for _ in range(100)) == 4
    assert sum(budget.allows("uid 1000", 0) for _ in range(100)) == 4


OPERATIONS = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(0, 20),
        st.sampled_from([None, "uid 1", "uid 1/a", "uid 1/b", "uid 2", "uid 3"]),
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
        accounts = [account_of(owner or "root") for owner in owners]
        assert all(accounts.count(f"uid {number}") <= 3 for number in (1, 2, 3))


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
