"""Followers share each line; one that does not read is cut and costs the others nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sensor.api.followers import NO_LOG, Follower, Followers
from sensor.api.limits import LIMITS
from sensor.schema.filters import Filters, parse
from tests.api.sample_agent import line

FEW = replace(LIMITS, followers=2, queue_lines=3, queue_bytes=10_000)


def joined(followers: Followers, filters: Filters | None = None) -> Follower:
    one = followers.join(filters or Filters())
    assert one is not None
    one.listening = True
    return one


def counted(body: bytes) -> tuple[Callable[[], bytes], list[int]]:
    calls: list[int] = []

    def encode() -> bytes:
        calls.append(1)
        return body

    return encode, calls


def test_a_line_is_encoded_once_for_all_and_not_at_all_without_followers() -> None:
    followers = Followers(FEW, None)
    encode, calls = counted(line(1))
    followers.publish(1, encode)
    assert (calls, followers.published) == ([], 1)
    first, second = joined(followers), joined(followers)
    followers.publish(2, encode)
    assert calls == [1]
    assert first.take() == second.take()
    assert (first.idle, first.wake.is_set()) == (True, False)


def test_a_follower_gets_what_fits_its_filters_once_it_listens() -> None:
    followers = Followers(FEW, None)
    one = joined(followers, parse(["name=db"]))
    one.listening = False
    followers.publish(1, lambda: line(1, name="db"))
    one.listening = True
    followers.publish(2, lambda: line(2, name="web"))
    followers.publish(3, lambda: line(3, name="db"))
    assert [sequence for sequence, _ in one.take()] == [3]


def test_a_follower_that_does_not_read_is_cut_and_its_loss_counted() -> None:
    followers = Followers(FEW, None)
    slow, quick = joined(followers), joined(followers)
    for number in range(1, 6):
        followers.publish(number, lambda: line(1))
        quick.take()
    assert (slow.cut, slow.lost, slow.take()) == (True, 5, [])
    assert (quick.cut, followers.cut) == (False, 1)


def test_the_bytes_of_a_queue_are_limited_too() -> None:
    followers = Followers(replace(FEW, queue_bytes=100), None)
    one = joined(followers)
    followers.publish(1, lambda: line(1))
    assert (one.cut, one.lost) == (True, 1)


def test_beyond_the_limit_no_follower_joins_until_one_leaves() -> None:
    followers = Followers(FEW, None)
    first, _ = joined(followers), joined(followers)
    assert followers.join(Filters()) is None
    followers.leave(first)
    assert followers.join(Filters()) is not None
    assert (len(followers), followers.stream) == (2, NO_LOG)
