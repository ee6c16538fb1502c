"""What the agent reports when its probes are taken away, or when it did not run itself."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sensor.agent import probe_watch
from sensor.agent.probe_watch import REPORTED_FOR, ProbeWatch
from sensor.bpf.pins import PinSet
from sensor.bpf.presence import Absence
from sensor.model.agent_records import AgentStalled, ProbesLost, ProbesRestored

SECOND = 1_000_000_000
NOTHING = Absence((), ())
DETACHED = Absence(("on_connect_unix",), ())
UNPINNED = Absence((), ("on_exec",))


class ScriptedPresence:
    """Lacks what a test takes away, until it is restored."""

    attached: tuple[str, ...] = ("on_exec",)
    closed = False

    def __init__(self) -> None:
        self.absence = NOTHING
        self.refusing = False
        self.restored: list[Absence] = []

    def check(self) -> Absence:
        return self.absence

    def restore(self, absence: Absence) -> None:
        if self.refusing:
            raise PermissionError("not allowed")
        self.restored.append(absence)
        self.absence = NOTHING

    def close(self) -> None:
        self.closed = True


class Stage:
    """A watch and its clocks."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.presence = ScriptedPresence()
        patch.setattr(probe_watch, "Presence", lambda _: self.presence)
        self.boottime = self.monotonic = 100 * SECOND
        self.watch = ProbeWatch(
            PinSet(Path("/none")), lambda: self.boottime, lambda: self.monotonic
        )

    def passes(self, seconds: int, *, asleep: int = 0) -> None:
        self.monotonic += seconds * SECOND
        self.boottime += (seconds + asleep) * SECOND


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def test_nothing_is_reported_of_probes_that_are_there(stage: Stage) -> None:
    for _ in range(5):
        stage.passes(2)
        assert stage.watch.tick() == []
    assert stage.watch.problems() == ()


@pytest.mark.parametrize(("absence", "blind"), [(DETACHED, True), (UNPINNED, False)])
def test_what_is_taken_away_is_reported_and_mended_at_once(
    stage: Stage, absence: Absence, caplog: pytest.LogCaptureFixture, *, blind: bool
) -> None:
    stage.passes(2)
    assert stage.watch.tick() == []
    seen = stage.boottime
    stage.passes(2)
    stage.presence.absence = absence
    with caplog.at_level(logging.WARNING, "castoff"):
        lost, restored = stage.watch.tick()
    assert isinstance(lost, ProbesLost)
    assert (lost.since, lost.time, lost.programs) == (seen, stage.boottime, absence.names)
    assert lost.blind is blind
    assert isinstance(restored, ProbesRestored)
    assert restored.since == seen
    assert stage.presence.restored == [absence]
    assert absence.names[0] in caplog.text
    assert stage.watch.losses == 1


def test_a_problem_that_was_mended_is_shown_for_a_while(stage: Stage) -> None:
    stage.presence.absence = UNPINNED
    stage.watch.tick()
    (problem,) = stage.watch.problems()
    assert "on_exec" in problem
    assert "mended" in problem
    stage.passes(REPORTED_FOR // SECOND - 1)
    assert stage.watch.problems()
    stage.passes(2)
    assert stage.watch.problems() == ()


def test_what_cannot_be_mended_is_reported_once_and_stays_a_problem(stage: Stage) -> None:
    stage.presence.refusing = True
    stage.presence.absence = DETACHED
    assert [type(one) for one in stage.watch.tick()] == [ProbesLost]
    for _ in range(40):
        stage.passes(2)
        assert stage.watch.tick() == []
    (problem,) = stage.watch.problems()
    assert "mended" not in problem
    stage.presence.refusing = False
    stage.passes(2)
    (restored,) = stage.watch.tick()
    assert isinstance(restored, ProbesRestored)
    assert restored.since == 100 * SECOND


def test_an_agent_that_was_stopped_reports_for_how_long(stage: Stage) -> None:
    stage.watch.tick()
    stage.passes(60)
    (stalled,) = stage.watch.tick()
    assert isinstance(stalled, AgentStalled)
    assert stalled.time - stalled.since == 60 * SECOND
    assert stage.watch.stalls == 1
    assert stage.watch.problems()


def test_a_machine_that_was_suspended_did_not_stall_the_agent(stage: Stage) -> None:
    stage.watch.tick()
    stage.passes(2, asleep=3600)
    assert stage.watch.tick() == []


def test_an_incomplete_set_of_an_earlier_agent_is_reported(stage: Stage) -> None:
    lost, restored = stage.watch.began(("on_exec",), 40 * SECOND)
    assert isinstance(lost, ProbesLost)
    assert isinstance(restored, ProbesRestored)
    assert lost.since == restored.since == 40 * SECOND
    assert "on_exec" in stage.watch.problems()[0]
    assert stage.watch.began((), 40 * SECOND) == []
