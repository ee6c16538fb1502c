"""The last use of each way, from the starts of the log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sensor.access import last_use
from sensor.model.access import UNUSED_AFTER, Way, WayKind
from sensor.model.events import InitiatorUser
from sensor.store.log import Store
from tests.evidence.logs import entry, event, make_log
from tests.outputs.sample_events import START

DAY = 86_400 * 1_000_000_000


def way(login: str | None) -> Way:
    return Way(WayKind.GROUP, login or "x", "group docker", login=login)


def test_the_newest_start_of_a_login_is_its_last_use(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = []
    for number, login in ((2, "alice"), (4, "bob"), (6, "alice")):
        one = event(number)
        assert START.initiator is not None
        user = InitiatorUser(0, "root", 1000, login, 3)
        made.append(replace(one, initiator=replace(START.initiator, user=user)))
    store.append([entry(one) for one in made])
    store.close()
    uses = last_use.read(store.path)
    last = made[2].time + made[2].realtime_offset
    assert uses.of(way("alice")).last_use == last
    assert uses.of(way("carol")).last_use is None
    assert uses.covers == made[0].time + made[0].realtime_offset


def test_a_way_is_unused_only_if_the_log_is_long_enough_to_say_so() -> None:
    now = 100 * DAY
    used = Way(WayKind.GROUP, "a", "", login="a", last_use=now - DAY)
    old = Way(WayKind.GROUP, "a", "", login="a", last_use=now - UNUSED_AFTER - 1)
    never, unseen = way("a"), way(None)
    assert [one.is_unused(now, 0) for one in (used, old, never, unseen)] == [
        False, True, True, False,
    ]  # fmt: skip
    assert not never.is_unused(now, now - DAY)
    assert not never.is_unused(now, None)


def test_a_log_that_cannot_be_read_is_a_problem_and_not_an_error(tmp_path: Path) -> None:
    path = make_log(tmp_path, 3)
    path.write_bytes(b"nothing of a database" * 400)
    assert last_use.read(path).problem is not None
