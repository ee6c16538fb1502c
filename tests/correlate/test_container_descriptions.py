"""A start waits for its description, and for how long."""

from __future__ import annotations

from dataclasses import replace

from sensor.correlate.lifecycle import DESCRIPTION_WAIT
from sensor.correlate.pauses import LATER_MAX
from sensor.model.container import Description
from sensor.model.inventory import ContainerDescribed
from sensor.model.vocabulary import ContainerId, EventType
from tests.correlate.observations import MS, ns
from tests.correlate.scenario import DB, WEB, Core

START, FAILED, STOP = "container.start", "container.start_failed", "container.stop"
WAIT = DESCRIPTION_WAIT / MS


# --------------------------------------------------------------- 3: waiting for the description


def test_a_start_waits_for_its_description(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5)
    assert core.types() == []
    assert core.core.deadline() == ns(5) + DESCRIPTION_WAIT
    core >> WEB.described(40)
    container = core.start.container
    assert container is not None
    assert container.name == "web"
    assert (core.start.time, core.start.observed) == (ns(5), ns(40))
    assert core.core.deadline() is None


def test_a_start_goes_out_undescribed_at_its_deadline_and_not_before(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5)
    core.wait(until=5 + WAIT - 1)
    assert core.types() == []
    core.wait(until=5 + WAIT)
    container = core.start.container
    assert container is not None
    assert (container.name, container.command) == (None, ("sleep", "1"))
    assert core.ignored["description_late"] == 1
    assert core.core.deadline() is None


def test_a_description_after_the_deadline_still_names_the_stop(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5)
    core.wait(until=5 + WAIT)
    core >> WEB.described(400) >> WEB.exits(500)
    assert core.types() == [START, STOP]
    (stop,) = core.of(EventType.STOP)
    assert stop.container is not None
    assert stop.container.name == "web"


def test_the_nearest_of_several_deadlines_counts(core: Core) -> None:
    core >> WEB.create(0) >> DB.create(0) >> DB.execs(5) >> WEB.execs(9)
    assert core.core.deadline() == ns(5) + DESCRIPTION_WAIT
    core >> DB.described(20)
    assert core.core.deadline() == ns(9) + DESCRIPTION_WAIT


def test_two_that_wait_may_have_had_the_same_pid(core: Core) -> None:
    """In a backlog, what happened within minutes is read within a second."""
    other = replace(DB, pid=WEB.pid, run=3)
    assert other.init.pid == WEB.init.pid
    core >> WEB.create(0) >> WEB.execs(5) >> WEB.exits(6, 3)
    core >> other.create(7) >> other.execs(8) >> other.exits(9, 4)
    assert core.types() == []
    core >> other.described(20)
    assert core.types() == [START, STOP]
    core.wait(until=5 + WAIT)
    assert core.types() == [START, STOP] * 2
    codes = {event.container.id: event.stop.exit_code for event in core.of(EventType.STOP)
             if event.container and event.stop}  # fmt: skip
    assert codes == {WEB.id: 3, DB.id: 4}
    assert core.core.deadline() is None


def test_a_container_is_described_once_for_its_creation(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5) >> WEB.described(6)
    (request,) = core.requests
    assert (request.bundle, request.runtime_root) == ("/bundles/web", "/run/runc")
    assert request.reader == WEB.runtime.key


def test_a_stop_stays_behind_the_start_that_waits(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5) >> WEB.exits(6, 3)
    assert core.types() == []
    core >> WEB.described(30)
    assert core.types() == [START, STOP]
    (stop,) = core.of(EventType.STOP)
    assert stop.stop is not None
    assert (stop.time, stop.stop.exit_code, stop.stop.duration_seconds) == (ns(6), 3, 0.001)


def test_a_stop_behind_a_waiting_start_goes_out_at_the_deadline_too(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5) >> WEB.exits(6)
    core.wait(until=5 + WAIT)
    assert core.types() == [START, STOP]
    assert core.table.running == 0


def test_pauses_stay_behind_the_start_that_waits(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5)
    core >> WEB.other(6, "pause") >> WEB.other_done(7, "pause")
    core >> WEB.other(8, "resume") >> WEB.other_done(9, "resume") >> WEB.exits(10)
    assert core.types() == []
    core >> WEB.described(30)
    assert core.types() == [START, "container.pause", "container.unpause", STOP]


def test_a_stop_finds_room_behind_however_many_pauses(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5)
    for number in range(LATER_MAX):
        verb = ("pause", "resume")[number % 2]
        core >> WEB.other(6, verb) >> WEB.other_done(6, verb)
    core >> WEB.other(7, "pause") >> WEB.other_done(7, "pause") >> WEB.exits(8)
    assert core.ignored["behind_waiting_start"] == 1
    core >> WEB.described(30)
    assert core.types()[0] == START
    assert core.types()[-1] == STOP
    assert len(core.types()) == LATER_MAX + 2


def test_the_runtimes_exit_behind_a_waiting_start_is_not_a_failure(core: Core) -> None:
    """``runc run`` in the foreground ends with the exit code of its container."""
    core >> WEB.create(0, "run") >> WEB.execs(5) >> WEB.exits(6, 3) >> WEB.created(7, 3 << 8)
    core >> WEB.described(30)
    assert core.types() == [START, STOP]


def test_a_deletion_behind_a_waiting_start_is_not_a_failure(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5) >> WEB.exits(6) >> WEB.other(7, "delete")
    core >> WEB.described(30)
    assert core.types() == [START, STOP]


def test_a_new_creation_lets_the_waiting_start_go_and_is_followed_itself(core: Core) -> None:
    again = WEB.again()
    core >> WEB.create(0) >> WEB.execs(5) >> WEB.exits(6)
    core >> again.create(20) >> again.described(21) >> again.created(30, 1 << 8)
    assert core.types() == [START, STOP, FAILED]


def test_descriptions_of_containers_that_are_unknown_are_ignored(core: Core) -> None:
    stranger = ContainerId("stranger")
    core >> ContainerDescribed(ns(0), stranger, Description(stranger))
    assert core.types() == []
    assert len(core.table) == 0
