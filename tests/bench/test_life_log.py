"""The made-up node's log: whole, the same from the same seed, and like an agent's."""

from __future__ import annotations

from pathlib import Path

from bench.life_log import DOWN, LifeLog, write
from sensor.evidence.check import verify
from sensor.model.vocabulary import EventType
from sensor.schema.document import encode_line

SEED, DAYS = 1, 9


def test_a_seed_makes_the_same_log_in_the_order_of_its_times() -> None:
    first, again = (LifeLog(SEED, DAYS).events() for _ in range(2))
    assert [encode_line(one.event) for one in first] == [encode_line(one.event) for one in again]
    assert [one.wall for one in first] == sorted(one.wall for one in first)
    assert len({one.event.id for one in first}) == len(first)


def test_it_has_verdicts_alerts_changes_and_signs_of_life() -> None:
    events = [one.event for one in LifeLog(SEED, DAYS).events()]
    starts = [one for one in events if one.type is EventType.START]
    assert all(one.verdict is not None for one in starts)
    assert {one.verdict.explanation for one in starts if one.verdict} >= {"policy", "baseline"}
    actions = {one.sensor.action for one in events if one.sensor is not None}
    assert actions >= {"alive", "policy_loaded", "change_added", "change_expired"}


def test_the_log_on_disk_is_one_sound_chain_with_a_killed_agent_in_it(tmp_path: Path) -> None:
    path = write(tmp_path, SEED, killed=True, days=DAYS)
    verdict = verify(path, None, ())
    assert verdict.is_sound
    assert verdict.log is not None
    found = LifeLog(SEED, DAYS).events(killed=True)
    assert verdict.log.last == len(found)
    (event,) = [one.event for one in found if one.event.gap is not None]
    assert event.gap is not None
    assert event.gap.until - event.gap.since == DOWN
    since = event.gap.since + event.realtime_offset
    assert not any(since <= one.wall < since + DOWN for one in found)
