"""What the socket asks of the judge is done, named and counted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sensor.errors import ConfigError
from sensor.model.events import Event
from sensor.model.vocabulary import EventType
from tests.agent.judging_world import World, play
from tests.judge.samples import start


def body(**values: object) -> bytes:
    change = {"id": "CHG-1", "by": "carol", "for_seconds": 3600, "name": "web", **values}
    return json.dumps(change).encode()


def test_a_change_is_recorded_with_who_added_it_and_outlasts_the_agent(tmp_path: Path) -> None:
    rows: dict[tuple[str, str], bytes] = {}

    async def first(world: World) -> None:
        world.judging.restore({})
        world.judging.start()
        entry = world.commands.add_change(body(), None, 0)
        assert entry is not None
        assert (entry.change.added_by, entry.change.added_by_uid) == ("root", 0)
        with pytest.raises(ConfigError, match="exists already"):
            world.commands.add_change(body(), 1234567, 0)
        await asyncio.sleep(0)
        assert [(one.action, one.by) for one in world.notices] == [("change_added", "root")]
        rows.update(world.rows)

    async def second(world: World) -> None:
        world.judging.restore(rows)
        world.judging.start()
        (entry,) = world.commands.changes()
        assert entry.change.by == "carol"
        assert world.commands.end_change("CHG-1", 1234567, 0)
        assert not world.commands.end_change("CHG-1", None, 0)
        await asyncio.sleep(0)
        assert world.notices[-1].by == "1234567"

    play(tmp_path, first)
    play(tmp_path, second)


def test_open_alerts_are_counted_by_severity_and_acknowledged_over_the_socket(
    tmp_path: Path,
) -> None:
    async def scenario(world: World) -> None:
        world.judging.restore({})
        world.judging.start()
        published: list[Event] = []
        world.judging.publish = published.extend
        event = world.judging.judge(start("web", runtime_path="/tmp/.x/runc"))
        found = world.judging.conclude(event)
        assert [one.type for one in found.alerts] == [EventType.ALERT]
        assert ("alert", "high", 1) in world.commands.counts()
        ((_, entry),) = world.commands.alerts()
        done = world.commands.acknowledge(entry.id, "ours", (None, 0), expected=False)
        assert done is not None
        assert [one.alert.by for one in published if one.alert is not None] == ["root"]
        assert ("alert", "high", 0) in world.commands.counts()
        assert world.commands.suppress("zz", "x", 60, (None, 0)) is None
        world.judging.on_silent([start("box")])
        assert ("alert", "high", 1) in world.commands.counts()

    play(tmp_path, scenario)
