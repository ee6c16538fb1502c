"""A change that is added after the fact finds the starts of open alerts in the log."""

from __future__ import annotations

from pathlib import Path

from sensor.agent.judging import wall_now
from sensor.judge.judge import Judge
from sensor.model.alert import AlertState
from sensor.model.events import Event
from sensor.schema.times import rfc3339
from sensor.store.reader import LogReader
from tests.agent.judging_world import World, play
from tests.agent.kept_log import kept
from tests.agent.test_judge_commands import body
from tests.judge.samples import HOUR, SECOND, start

POLICY = '[require_explanation.all]\nname = "*"\n'


def begun(world: World, *names: str) -> list[Event]:
    """Have starts judged that need an explanation; return what is published from then on."""
    world.write(POLICY)
    world.judging.restore({})
    world.judging.start()
    published: list[Event] = []
    world.judging.publish = published.extend
    at = wall_now() - HOUR
    judged = [
        world.judged(start(name, at=at + number * SECOND))[0] for number, name in enumerate(names)
    ]
    world.judging.reader = kept(world.state / "log", judged)
    return published


def states(judge: Judge) -> dict[str | None, AlertState]:
    return {one.workload: one.state for one in judge.alerting.book.entries()}


def past(**values: object) -> bytes:
    return body(not_before=rfc3339(wall_now() - 2 * HOUR), for_seconds=4 * 3600, **values)


def test_alerts_of_covered_starts_are_acknowledged_and_counted(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        published = begun(world, "web", "db")
        world.commands.add_change(past(), None, 0)
        entry = await world.commands.look_back("CHG-1")
        assert entry is not None
        assert (entry.usage.late_alerts, entry.usage.late_starts) == (1, 1)
        assert states(world.judging.judge_) == {
            "name/web": AlertState.ACKNOWLEDGED,
            "name/db": AlertState.NEW,
        }
        (alert,) = [one.alert for one in published if one.alert is not None]
        assert (alert.state, alert.by) == (AlertState.ACKNOWLEDGED, "root")

    play(tmp_path, scenario)


def test_a_change_that_begins_now_looks_back_at_nothing(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        published = begun(world, "web")
        world.commands.add_change(body(), None, 0)
        await world.commands.look_back("CHG-1")
        assert published == []
        assert await world.commands.look_back("CHG-2") is None

    play(tmp_path, scenario)


def test_a_change_of_a_file_looks_back_when_it_is_read(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        published = begun(world, "web")
        changes = world.etc / "changes.d"
        changes.mkdir(mode=0o755)
        begin, end = rfc3339(wall_now() - 2 * HOUR), rfc3339(wall_now() + HOUR)
        text = f'[change.A]\nby = "x"\nname = "web"\nnot_before = {begin}\nnot_after = {end}\n'
        (changes / "a.toml").write_text(text)
        (changes / "a.toml").chmod(0o644)
        await world.reload()
        assert states(world.judging.judge_) == {"name/web": AlertState.ACKNOWLEDGED}
        (alert,) = [one.alert for one in published if one.alert is not None]
        assert alert.by == str(changes / "a.toml")

    play(tmp_path, scenario)


def test_a_log_that_cannot_be_read_acknowledges_nothing(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        begun(world, "web")
        world.judging.reader = LogReader(tmp_path / "missing.db")
        world.commands.add_change(past(), None, 0)
        await world.commands.look_back("CHG-1")
        assert states(world.judging.judge_) == {"name/web": AlertState.NEW}

    play(tmp_path, scenario)


def test_starts_are_found_beyond_the_first_page(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.write(POLICY)
        world.judging.restore({})
        world.judging.start()
        at = wall_now() - HOUR
        first = world.judged(start("web", at=at))[0]
        many = [world.judged(start("box", at=at + one * SECOND))[0] for one in range(1, 450)]
        last = world.judged(start("web", at=at + 450 * SECOND))[0]
        world.judging.reader = kept(world.state / "log", [first, *many, last])
        world.commands.add_change(past(), None, 0)
        entry = await world.commands.look_back("CHG-1")
        assert entry is not None
        assert (entry.usage.late_alerts, entry.usage.late_starts) == (1, 2)

    play(tmp_path, scenario)
