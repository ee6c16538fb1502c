"""The rules at the top of lifecycle.py, each as a script of what the kernel reported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sensor.correlate.lifecycle import DESCRIPTION_WAIT
from sensor.model.observations import Observation
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    EventType,
    StartKind,
    Trigger,
    Witness,
)
from tests.correlate.observations import MS, SHIM, ancestor, asks, below, command, ns
from tests.correlate.scenario import PLAIN, WEB, Box, Core

START, FAILED, STOP = "container.start", "container.start_failed", "container.stop"
WAIT = DESCRIPTION_WAIT / MS


# --------------------------------------------------------------- 1: a start, once


def test_the_first_execve_of_the_init_is_the_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.created(2) >> WEB.described(3)
    assert core.types() == []
    core >> WEB.execs(5, argv=("nginx", "-g", "daemon off;"))
    event = core.start
    container = event.container
    assert container is not None
    assert (container.id, container.name, container.pid) == (WEB.id, "web", WEB.init.pid)
    assert container.command == ("nginx", "-g", "daemon off;")
    assert (event.time, event.observed) == (ns(5), ns(5))
    assert event.confidence.container is Confidence.EXACT
    assert [e.what for e in event.evidence] == ["first execve of the init", "runc create"]
    assert {e.source for e in event.evidence} == {Witness.KERNEL}


def test_a_later_execve_of_the_same_init_is_not_a_second_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5) >> WEB.execs(6)
    assert core.types() == [START]
    assert core.ignored["init_known"] == 1


def test_a_record_reported_twice_while_the_start_waits_is_one_start(core: Core) -> None:
    exec_ = WEB.execs(5)
    core >> WEB.create(0) >> exec_ >> exec_ >> WEB.described(7)
    assert core.types() == [START]
    core.wait(until=2 * WAIT)
    assert core.types() == [START]


def test_a_record_reported_again_after_the_stop_is_not_a_second_start(core: Core) -> None:
    exec_ = WEB.execs(5)
    core >> WEB.create(0) >> WEB.described(1) >> exec_ >> WEB.exits(6) >> exec_
    core.wait(until=2 * WAIT)
    assert core.types() == [START, STOP]


def test_two_probe_sets_that_report_everything_twice_make_each_event_once(core: Core) -> None:
    core >> [
        twice
        for observation in (
            WEB.create(0),
            WEB.created(2),
            WEB.execs(5),
            WEB.exits(6, 3),
        )
        for twice in (observation, observation)
    ]
    core >> WEB.described(7)
    assert core.types() == [START, STOP]


def test_a_create_command_alone_is_not_a_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.created(2)
    core.wait(until=10_000)
    assert core.types() == []


def test_an_exec_session_is_not_a_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> WEB.other(20, "exec") >> WEB.other_done(30, "exec")
    assert core.types() == [START]


def test_the_next_run_of_the_same_container_is_a_start_of_its_own(core: Core) -> None:
    core >> WEB.life(0) >> WEB.again().life(5000)
    assert core.types() == [START, STOP, START, STOP]
    first, second = core.starts
    assert first.id != second.id


def test_the_id_of_a_start_does_not_depend_on_when_it_was_reported() -> None:
    early, late = Core(), Core()
    early >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    late >> WEB.create(0) >> WEB.execs(5) >> WEB.described(80)
    assert early.start.observed != late.start.observed
    assert early.start.id == late.start.id


def test_a_new_init_proves_the_unseen_end_of_the_last(core: Core) -> None:
    again = WEB.again()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> again.execs(3000) >> again.described(3001)
    assert core.types() == [START, START]
    assert core.table.running == 1
    previous = core.last_start().previous
    assert previous is not None
    assert (previous.id, previous.stopped_wall) == (WEB.id, None)


# --------------------------------------------------------------- 4: failed creations

ENDED_UNSTARTED: Observation = WEB.exits(10, 1, started=False)
COMMAND_FAILED: Observation = WEB.created(11, 1 << 8)
DELETED: Observation = WEB.other(12, "delete")
WAYS = {
    "init-ended": (ENDED_UNSTARTED, "its init ended before its first execve", 1),
    "command-failed": (COMMAND_FAILED, "create failed", 1),
    "deleted": (DELETED, "deleted before its first execve", None),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_creation_fails_in_each_of_three_ways(core: Core, way: str) -> None:
    observation, reason, code = WAYS[way]
    core >> WEB.create(0) >> WEB.described(1) >> observation
    assert core.types() == [FAILED]
    (event,) = core.of(EventType.START_FAILED)
    assert event.stop is not None
    assert (event.stop.reason, event.stop.exit_code) == (reason, code)
    assert event.container is not None
    assert (event.container.id, event.container.name) == (WEB.id, "web")


@pytest.mark.parametrize("way", WAYS)
def test_a_start_that_failed_has_its_cause_as_one_that_did_not(core: Core, way: str) -> None:
    core >> asks(1, "docker run --name web nginx")
    core >> below(WEB.create(5), SHIM) >> WEB.described(6) >> WAYS[way][0]
    (event,) = core.of(EventType.START_FAILED)
    assert event.start is not None
    assert (event.start.kind, event.start.trigger) == (StartKind.FIRST, Trigger.USER_COMMAND)
    assert (event.confidence.trigger, event.confidence.initiator) == (Confidence.EXACT,) * 2
    assert event.initiator is not None
    assert event.initiator.process is not None
    assert event.initiator.process.argv == ("docker", "run", "--name", "web", "nginx")


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("third", WAYS)
def test_a_creation_fails_once_however_many_ways_show_it(
    core: Core, first: str, second: str, third: str
) -> None:
    core >> WEB.create(0) >> WEB.described(1)
    core >> WAYS[first][0] >> WAYS[second][0] >> WAYS[third][0]
    assert core.types() == [FAILED]


def test_a_creation_that_fails_again_is_counted_until_it_is_reported_with_the_count(
    core: Core,
) -> None:
    box = WEB
    for at in (0, 100, 20_000):
        core >> box.create(at) >> box.described(at + 1) >> box.created(at + 2, 1 << 8)
        box = box.again()
    assert core.types() == [FAILED, FAILED]
    first, second = core.events
    assert first.id != second.id
    assert first.stop is not None
    assert second.stop is not None
    assert (first.stop.count, second.stop.count) == (None, 3)


def test_a_start_says_how_many_failures_came_before_it(core: Core) -> None:
    again = WEB.again()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.created(2, 1 << 8)
    core >> again.life(100)
    start = core.last_start()
    assert start.failures == 1


def test_a_failed_creation_ends_no_earlier_run(core: Core) -> None:
    again = WEB.again()
    core >> WEB.life(0) >> again.create(5000) >> again.created(5002, 1 << 8)
    third = again.again()
    core >> third.create(9000) >> third.described(9001) >> third.execs(9005)
    assert core.types() == [START, STOP, FAILED, START]
    previous = core.last_start().previous
    assert previous is not None
    assert previous.exit_code == 0


def test_a_creation_that_succeeded_and_was_started_did_not_fail(core: Core) -> None:
    core >> WEB.life(0) >> WEB.other(20, "delete") >> WEB.created(21, 1 << 8)
    assert core.types() == [START, STOP]


def test_a_command_for_an_id_in_use_fails_without_a_word(core: Core) -> None:
    again = WEB.again()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> again.create(10) >> again.created(11, 1 << 8)
    assert core.types() == [START]
    assert core.ignored["create_of_running"] == 1
    core >> WEB.exits(20)
    assert core.types() == [START, STOP]


def test_the_end_of_another_unstarted_child_is_not_a_failure_of_a_waiting_start(core: Core) -> None:
    stray = replace(
        WEB.exits(10, started=False), process=ProcessKey(WEB.pid + 7, ns(WEB.born + 20))
    )
    core >> WEB.create(0) >> WEB.execs(5) >> stray >> WEB.described(11)
    assert core.types() == [START]


def test_the_end_of_another_unstarted_child_of_the_runtime_stops_nothing(core: Core) -> None:
    stray = replace(
        WEB.exits(10, started=False), process=ProcessKey(WEB.pid + 7, ns(WEB.born + 20))
    )
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5) >> stray
    assert core.types() == [START]


# --------------------------------------------------------------- 5: restored containers


def test_a_restore_is_a_start_when_its_command_succeeds(core: Core) -> None:
    core >> WEB.create(0, "restore") >> WEB.described(1)
    assert core.types() == []
    core >> WEB.created(50)
    assert core.types() == [START]
    assert core.last_start().kind == "restore"
    assert [e.what for e in core.start.evidence] == ["runc restore", "restore succeeded"]


def test_a_restore_whose_records_come_twice_is_one_start(core: Core) -> None:
    restored: list[Observation] = [WEB.create(0, "restore"), WEB.described(1), WEB.created(50)]
    core >> restored >> WEB.exits(60, started=False) >> restored
    assert [event.type for event in core.events] == ["container.start", "container.stop"]


def test_what_a_containers_init_restores_is_a_start_of_another_container(core: Core) -> None:
    inner = WEB.create(20, "restore")
    core >> PLAIN.create(0) >> PLAIN.created(1) >> PLAIN.described(2) >> PLAIN.execs(3)
    core >> replace(inner, process=replace(inner.process, key=PLAIN.init)) >> WEB.described(21)
    core >> replace(WEB.created(30), process=PLAIN.init)
    assert [event.container.id for event in core.starts if event.container] == [PLAIN.id, WEB.id]


def test_a_failed_restore_is_a_failed_start(core: Core) -> None:
    core >> WEB.create(0, "restore") >> WEB.described(1) >> WEB.created(50, 1 << 8)
    assert core.types() == [FAILED]


def test_the_end_of_a_restored_container_is_its_stop(core: Core) -> None:
    core >> WEB.create(0, "restore") >> WEB.described(1) >> WEB.created(50)
    core >> WEB.exits(900, started=False)
    assert core.types() == [START, STOP]


# --------------------------------------------------------------- 6: build steps


STEP = Box("step", ContainerId("x7zq9" * 5), path="/docker/buildkit/x7zq9x7zq9x7zq9x7zq9x7zq9")
STEP_BUNDLE = f"/var/lib/docker/buildkit/executor/{STEP.id}"


def step_runs(bundle: str = STEP_BUNDLE, above: str = "dockerd", id_: str = STEP.id) -> list[Any]:
    """A step of a build: dockerd runs the runtime itself."""
    box = replace(STEP, id=ContainerId(id_))
    argv = ("runc", "run", "--bundle", bundle, id_)
    create = below(command(0, argv, process=box.runtime), ancestor(above, 9))
    return [create, box.execs(5), box.exits(6)]


def test_a_buildkit_step_is_counted_and_no_start(core: Core) -> None:
    core >> step_runs()
    core.wait(until=WAIT + 10)
    assert core.types() == []
    assert core.requests == []
    assert core.ignored["build_step"] == 1


NO_STEPS = {
    "its-bundle": {"bundle": "/run/b"},
    "what-runs-it": {"above": "bash"},
    "its-id": {"id_": "web"},
}


@pytest.mark.parametrize("differs", NO_STEPS.values(), ids=NO_STEPS)
def test_a_container_that_differs_from_a_build_step_in_one_thing_is_one(
    core: Core, differs: dict[str, str]
) -> None:
    core >> step_runs(**differs)
    core.wait(until=WAIT + 10)
    assert core.types() == [START, STOP]


def test_a_parent_cgroup_with_the_name_of_a_build_hides_nothing(core: Core) -> None:
    """cgroup-parent-like-a-build: who starts a container chooses its parent cgroup."""
    box = replace(WEB, path=f"/docker/buildkit/{WEB.id}")
    core >> box.create(0) >> box.described(1) >> box.execs(5) >> box.exits(6)
    core >> box.other(7, "delete")
    assert core.types() == [START, STOP]


def test_a_container_described_as_a_build_step_is_not_a_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5) >> WEB.described(6, build_step=True) >> WEB.exits(7, 1)
    assert core.types() == []
    assert core.ignored["build_step"] == 1
    assert core.table.running == 0


def test_a_failed_build_step_is_not_a_failed_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1, build_step=True) >> WEB.created(2, 1 << 8)
    assert core.types() == []


# --------------------------------------------------------------- stops, pauses


def test_a_stop_shows_exit_code_and_duration(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5) >> WEB.exits(1505, 7)
    (event,) = core.of(EventType.STOP)
    stop = event.stop
    assert stop is not None
    assert (stop.exit_code, stop.signal, stop.oom_killed) == (7, None, False)
    assert stop.duration_seconds == 1.5


def test_a_stop_by_a_signal_has_no_exit_code(core: Core) -> None:
    exit_ = replace(WEB.exits(20, signal=9), oom_killed=True)
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5) >> exit_
    (event,) = core.of(EventType.STOP)
    assert event.stop is not None
    assert (event.stop.exit_code, event.stop.signal) == (None, 9)
    assert event.stop.oom_killed


def test_the_end_of_an_init_that_is_unknown_is_not_an_event(core: Core) -> None:
    core >> WEB.exits(5)
    assert core.types() == []
    assert core.ignored["exit_unknown"] == 1


@pytest.mark.parametrize(
    "argv", [(), ("runc",), ("runc", "--version"), ("runc", "list"), ("runc", "create")]
)
def test_runtime_commands_about_no_container_change_nothing(
    core: Core, argv: tuple[str, ...]
) -> None:
    core >> command(0, argv or ("",), program="runc")
    assert core.types() == []
    assert core.requests == []
