"""The judge in the agent: policy, changes and baseline as they are read, and what is kept."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from sensor.judge import judge
from sensor.judge.judge import Judge
from sensor.judge.memory import Memory
from tests.agent.judging_world import World, play
from tests.judge.samples import NOW, start

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="policy files belong to root")


FORBID = "[forbid.web]\nname = 'web'\n"
EXPECT = "[expect.web]\nname = 'web'\n"


def test_a_policy_is_loaded_at_the_start_and_an_event_says_so(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.write(EXPECT)
        world.judging.restore({})
        world.judging.start()
        assert world.expected() is True
        assert world.actions == ["policy_loaded"]
        assert "1 rules of 1 files" in (world.notices[0].detail or "")

    play(tmp_path, scenario)


def test_without_a_policy_nothing_is_reported(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.judging.restore({})
        world.judging.start()
        assert world.expected() is None
        assert world.actions == []

    play(tmp_path, scenario)


def test_with_a_broken_policy_at_the_start_the_last_good_one_counts(tmp_path: Path) -> None:
    async def first(world: World) -> None:
        world.write(EXPECT)
        world.judging.restore({})
        world.judging.start()

    async def second(world: World) -> None:
        world.write("[expct.web]\n")
        world.judging.restore({})
        world.judging.start()
        assert world.expected() is True
        assert world.actions == ["policy_refused", "policy_loaded"]
        assert "unknown key; the last good one" in (world.notices[0].detail or "")
        state = world.commands.policy_state()
        assert state.rules == 1
        assert state.problem is not None
        assert "policy.toml:1: expct: unknown key" in state.problem

    play(tmp_path, first)
    play(tmp_path, second)


def test_a_broken_policy_at_a_reload_changes_nothing(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.write(EXPECT)
        world.judging.restore({})
        world.judging.start()
        world.write("[forbid.web\n")
        await world.reload()
        assert world.expected() is True
        assert world.actions == ["policy_loaded", "policy_refused"]
        world.write(FORBID)
        await world.reload()
        assert world.expected() is False
        assert world.commands.policy_state().problem is None

    play(tmp_path, scenario)


def test_a_policy_that_is_gone_counts_no_more(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.write(FORBID)
        world.judging.restore({})
        world.judging.start()
        (world.etc / "policy.toml").unlink()
        await world.reload()
        assert world.expected() is None
        assert world.actions == ["policy_loaded", "policy_loaded"]

    play(tmp_path, scenario)


def test_changes_of_files_come_and_go_with_them(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        place = world.etc / "changes.d"
        place.mkdir(mode=0o755)
        text = (
            '[change.A]\nby = "x"\nname = "web"\n'
            "not_before = 2026-11-29T09:00:00Z\nnot_after = 2026-12-03\n"
        )
        (place / "a.toml").write_text(text)
        (place / "b.toml").write_text("[change.B]\n")
        world.judging.restore({})
        world.judging.start()
        assert [entry.change.id for entry in world.commands.changes()] == ["A"]
        assert "change_refused" in world.actions
        (place / "a.toml").unlink()
        await world.reload()
        await asyncio.sleep(0)
        assert world.commands.changes() == ()

    play(tmp_path, scenario)


def test_what_is_remembered_of_an_event_comes_with_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.judging.restore({})
        world.judging.start()
        _, found = world.judged(start("web", at=NOW))
        assert ("workload", "name/web") in found.rows
        world.judging.settle()
        assert world.rows == {}
        assert dict(world.commands.workloads())["name/web"].starts == 1
        assert ("explanation", "none", 1) in world.commands.counts()

    play(tmp_path, scenario)


def test_an_event_that_the_judge_cannot_take_is_reported_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(world: World) -> None:
        world.judging.restore({})
        world.judging.start()
        event = start("web")
        monkeypatch.setattr(judge, "decide", lambda *_: 1 // 0)
        assert world.judged(event)[0] is event
        assert world.judged(event)[0] is event
        assert ("defect.judge ZeroDivisionError", 2) in world.judging.counters()

    play(tmp_path, scenario)


def test_what_cannot_be_remembered_of_an_event_costs_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(world: World) -> None:
        world.judging.restore({})
        world.judging.start()
        monkeypatch.setattr(Memory, "note_start", lambda *_: 1 // 0)
        event, follows = world.judged(start("web"))
        assert event.verdict is not None
        assert event.verdict.workload == "name/web"
        assert follows.alerts == ()
        assert ("defect.judge ZeroDivisionError", 1) in world.judging.counters()

    play(tmp_path, scenario)


@pytest.mark.parametrize("name", ["\udcff a \ud800", "\x00", "a" * 100_000, "*" * 300])
def test_a_name_of_any_bytes_is_judged_and_kept(tmp_path: Path, name: str) -> None:
    async def scenario(world: World) -> None:
        world.write(EXPECT)
        world.judging.restore({})
        world.judging.start()
        _, found = world.judged(start(name))
        assert world.judging.defects == {}
        successor = Judge()
        successor.restore({key: row for key, row in found.rows.items() if row is not None})
        assert successor.damaged == ()

    play(tmp_path, scenario)


def test_a_fleet_beside_the_policy_is_taken_over_and_a_broken_one_changes_nothing(
    tmp_path: Path,
) -> None:
    async def scenario(world: World) -> None:
        row = (
            '{"profile":"","feature":"initiator","value":"unit x","starts":1,"days":1,"first":1,'
            '"last":1,"hosts":3}'
        )
        path = world.etc / "fleet.jsonl"
        path.write_text(f'{{"format":"castoff.fleet/1","exports":3}}\n{row}\n')
        path.chmod(0o644)
        world.judging.restore({})
        world.judging.start()
        assert len(world.judging.judge_.alerting.fleet) == 1
        assert [one.action for one in world.notices] == ["baseline_imported"]
        path.write_text("junk")
        await world.reload()
        assert len(world.judging.judge_.alerting.fleet) == 1
        assert world.notices[-1].action == "baseline_refused"
        header = world.commands.baseline(logins=False)["header"]
        assert isinstance(header, dict)
        assert str(header["fleet"]).startswith("fleet.jsonl, 3 exports, sha256 ")
        path.unlink()
        await world.reload()
        assert len(world.judging.judge_.alerting.fleet) == 0
        assert world.notices[-1].action == "baseline_forgotten"
        assert [key for key in world.rows if key[0] == "fleet"] == []
        reported = len(world.notices)
        await world.reload()
        assert len(world.notices) == reported

    play(tmp_path, scenario)
