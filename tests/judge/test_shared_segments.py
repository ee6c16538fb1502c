"""Segments of which each account has a share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.judge.shared_segments import SHARE, SharedSegments

USER = "uid 1000: "
OWNERS = ["", USER, "uid 7: ", "in name/a: "]


def filled(keys: int, prefix: str = USER, start: int = 0) -> SharedSegments[int]:
    table: SharedSegments[int] = SharedSegments(8, 16, start)
    for number in range(keys):
        table.see(f"{prefix}{number}", number)
    return table


def test_newcomers_of_one_account_push_out_its_own() -> None:
    table: SharedSegments[int] = SharedSegments(8, 16)
    for number in range(8):
        table.see(f"root-{number}", number)
    gone = [key for number in range(5) for key in table.see(f"{USER}{number}", number)]
    assert gone == [f"{USER}0", f"{USER}1", f"{USER}2"]
    assert all(table.get(f"root-{number}") == number for number in range(8))
    assert table.forgotten == 3


def test_what_an_account_has_established_goes_for_its_own_only() -> None:
    table: SharedSegments[int] = SharedSegments(8, 16)
    for _ in range(2):
        for number in range(16):
            table.see(f"root-{number % 8}", number)
    for number in range(100):
        for _ in range(2):
            table.see(f"{USER}{number}", number)
    assert len(table) == 8 + (8 + 16) // SHARE
    assert all(table.get(f"root-{number}") is not None for number in range(8))


def test_all_others_together_have_no_more_than_root() -> None:
    table: SharedSegments[int] = SharedSegments(8, 16)
    for user in range(40):
        for number in range(2):
            table.see(f"uid {1000 + user}: {number}", number)
    assert len(table) == 8 + 16


def test_the_account_with_the_most_gives_way() -> None:
    table: SharedSegments[int] = SharedSegments(8, 16)
    for user in range(12):
        for number in range(2):
            table.see(f"uid {1000 + user}: {number}", number)
    table.see("uid 9: first", 1)
    assert table.get("uid 9: first") == 1
    assert len(table) == 8 + 16


def test_the_owner_may_stand_behind_a_prefix() -> None:
    table = filled(20, f"w/{USER}", start=2)
    assert len(table) == 8 // SHARE
    assert len(filled(20, "w/", start=2)) == 8


def test_containers_of_two_workloads_are_two_accounts() -> None:
    table: SharedSegments[int] = SharedSegments(8, 16)
    for number in range(20):
        table.see(f"in name/a: {number}", number)
        table.see(f"in name/b: {number}", number)
    assert len(table) == 2 * 8 // SHARE


def test_the_newest_of_each_account_are_taken_over() -> None:
    table: SharedSegments[int] = SharedSegments(8, 16)
    taken = [table.restore(f"{USER}{number}", number, established=False) for number in range(4)]
    assert taken == [True, True, False, False]
    assert table.restore("root", 1, established=False)


@given(
    st.lists(st.tuples(st.sampled_from(["", USER, "uid 7: ", "in name/a: "]), st.integers(0, 9)))
)
def test_it_knows_what_it_did_not_say_was_gone(seen: list[tuple[str, int]]) -> None:
    table: SharedSegments[int] = SharedSegments(4, 4)
    known: dict[str, int] = {}
    for owner, number in seen:
        key = f"{owner}{number}"
        known[key] = number
        for gone in table.see(key, number):
            del known[gone]
    assert dict(table.items()) == known
    assert all(table.get(key) == number for key, number in known.items())
    assert len(table) == len(known)
