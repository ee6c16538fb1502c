"""A pause counts when its command succeeded and the kernel froze the container."""

from __future__ import annotations

from sensor.correlate.lifecycle import DESCRIPTION_WAIT
from tests.correlate.observations import MS
from tests.correlate.scenario import WEB, Core

START, FAILED, STOP = "container.start", "container.start_failed", "container.stop"
WAIT = DESCRIPTION_WAIT / MS


def test_pause_and_resume_count_once_their_commands_succeeded(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> WEB.other(10, "pause")
    assert core.types() == [START]
    core >> WEB.other_done(12, "pause") >> WEB.other(20, "resume")
    assert core.types() == [START, "container.pause"]
    core >> WEB.other_done(22, "resume")
    assert core.types() == [START, "container.pause", "container.unpause"]


def test_a_pause_that_failed_is_not_a_pause(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> WEB.other(10, "pause") >> WEB.other_done(12, "pause", 1 << 8)
    core >> WEB.other(20, "resume") >> WEB.other_done(22, "resume")
    assert core.types() == [START]


def test_a_paused_container_stops_like_a_running_one(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> WEB.other(10, "pause") >> WEB.other_done(12, "pause") >> WEB.exits(20, signal=9)
    assert core.types() == [START, "container.pause", STOP]
    assert core.table.running == 0


def test_pauses_of_unknown_containers_are_ignored(core: Core) -> None:
    core >> WEB.other(10, "pause") >> WEB.other_done(12, "pause")
    assert core.types() == []
