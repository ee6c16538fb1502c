"""The rules at the top of lifecycle.py, each as a script of what the kernel told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sensor.correlate.lifecycle import DESCRIPTION_WAIT, LATER_MAX
from sensor.model.container import Description
from sensor.model.inventory import ContainerDescribed
from sensor.model.observations import Observation
from sensor.model.process import CgroupPaths, ProcessKey
from sensor.model.vocabulary import Confidence, ContainerId, EventType, Lineage, Witness
from tests.correlate.scenario import (
    DB,
    MS,
    PLAIN,
    WEB,
    Box,
    Core,
    ancestor,
    below,
    command,
    ns,
)

START, FAILED, STOP = "container.start", "container.start_failed", "container.stop"
WAIT = DESCRIPTION_WAIT / MS


@pytest.fixture
def core() -> Core:
    return Core()


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


def test_a_later_execve_of_the_same_init_is_no_second_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5) >> WEB.execs(6)
    assert core.types() == [START]
    assert core.ignored["init_known"] == 1


def test_a_record_told_twice_while_the_start_waits_is_one_start(core: Core) -> None:
    exec_ = WEB.execs(5)
    core >> WEB.create(0) >> exec_ >> exec_ >> WEB.described(7)
    assert core.types() == [START]
    core.wait(until=2 * WAIT)
    assert core.types() == [START]


def test_a_record_told_again_after_the_stop_is_no_second_start(core: Core) -> None:
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


def test_a_create_command_alone_is_no_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.created(2)
    core.wait(until=10_000)
    assert core.types() == []


def test_an_exec_session_is_no_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> WEB.other(20, "exec") >> WEB.other_done(30, "exec")
    assert core.types() == [START]


def test_the_next_run_of_the_same_container_is_a_start_of_its_own(core: Core) -> None:
    core >> WEB.life(0) >> WEB.again().life(5000)
    assert core.types() == [START, STOP, START, STOP]
    first, second = core.starts
    assert first.id != second.id


def test_the_id_of_a_start_does_not_depend_on_when_it_was_told() -> None:
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


# --------------------------------------------------------------- 2: whose init it is


def test_a_renamed_runtime_is_known_by_the_cgroup_that_it_makes(core: Core) -> None:
    odd = replace(PLAIN, program="frobnicate")
    core >> odd.birth(0) >> odd.described(1) >> odd.execs(5, lineage=Lineage.CGROUP_MAKER)
    container = core.start.container
    assert container is not None
    assert (container.id, container.oci_runtime) == ("plain", "frobnicate")
    assert core.start.confidence.container is Confidence.EXACT
    assert [request.bundle for request in core.requests] == ["/bundles/plain"]


def test_a_cgroup_whose_maker_reads_like_no_runtime_is_nobodys(core: Core) -> None:
    birth = replace(PLAIN.birth(0), argv=("systemd", "--user"))
    core >> birth >> PLAIN.execs(5, lineage=Lineage.CGROUP_MAKER)
    core.wait(until=WAIT + 10)
    assert core.types() == []
    assert core.requests == []
    assert core.ignored == {"no_container": 1}


def test_a_renamed_runtime_may_put_its_container_into_whatever_cgroup(core: Core) -> None:
    """sec-renamed-runtime-own-cgroup-path: the init in that cgroup proves that it is one."""
    odd = replace(PLAIN, path="/innocuous", program="innocent")
    core >> odd.birth(0) >> odd.described(1)
    assert core.types() == []
    core >> odd.execs(5, lineage=Lineage.CGROUP_MAKER)
    container = core.start.container
    assert container is not None
    assert (container.id, container.oci_runtime) == ("plain", "innocent")


def test_a_cgroup_without_an_init_is_no_container(core: Core) -> None:
    core >> replace(PLAIN, path="/innocuous", program="innocent").birth(0)
    core.wait(until=10_000)
    assert core.types() == []


def test_the_cgroups_own_name_is_enough_when_no_command_was_seen(core: Core) -> None:
    core >> WEB.execs(5, lineage=Lineage.CGROUP) >> WEB.described(6)
    assert core.start.confidence.container is Confidence.EXACT
    assert [e.what for e in core.start.evidence] == ["first execve of the init"]
    (request,) = core.requests
    assert (request.id, request.cgroup, request.bundle) == (WEB.id, f"/docker/{WEB.id}", None)


def test_a_cgroup_that_only_may_be_an_id_is_no_container_without_a_command(core: Core) -> None:
    core >> PLAIN.execs(5, lineage=Lineage.CGROUP)
    core.wait(until=WAIT + 10)
    assert core.types() == []
    core >> PLAIN.again().create(500) >> PLAIN.again().described(501) >> PLAIN.again().execs(505)
    assert core.types() == [START]


def test_a_private_pid_namespace_without_runtime_or_cgroup_is_no_container(core: Core) -> None:
    service = CgroupPaths(None, "/system.slice/cups.service")
    core >> WEB.execs(5, lineage=Lineage.CGROUP, cgroup=service)
    core >> WEB.again().execs(6, lineage=Lineage.SUPERVISOR, cgroup=service)
    assert core.types() == []
    assert core.requests == []
    assert core.ignored == {"no_container": 2}


def test_a_runtimes_word_counts_in_whatever_cgroup_the_init_is(core: Core) -> None:
    odd = replace(PLAIN, path="/system.slice/ssh.service")
    core >> odd.create(0) >> odd.described(1) >> odd.execs(5)
    assert core.start.confidence.container is Confidence.EXACT


def test_pid_reuse_never_ties_an_init_to_another_runtimes_container(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5) >> WEB.exits(6)
    stranger = replace(PLAIN, pid=WEB.pid, run=200)
    exec_ = stranger.execs(9000)
    reused = ProcessKey(WEB.pid, ns(8000))
    core >> replace(exec_, root=reused)
    core.wait(until=9000 + 2 * WAIT)
    assert core.types() == [START, STOP]
    assert core.ignored["no_container"] == 1


def test_pid_reuse_never_stops_another_container(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    exit_ = replace(WEB.exits(60_000), process=ProcessKey(WEB.init.pid, ns(50_000)))
    core >> exit_
    assert core.types() == [START]
    assert core.table.running == 1
    core >> WEB.exits(61_000)
    assert core.types() == [START, STOP]


def test_a_container_inside_a_container_names_its_parents(core: Core) -> None:
    path = f"/system.slice/docker-{WEB.id}.scope/kubelet/kubepods/burstable/{DB.id}"
    inner = replace(DB, path=path)
    core >> WEB.life(-90)[:-1]
    core >> inner.execs(5, lineage=Lineage.CGROUP) >> inner.described(6)
    container = core.starts[-1].container
    assert container is not None
    assert (container.id, container.parents) == (DB.id, (WEB.id,))


@pytest.mark.parametrize(
    "path",
    [
        f"/docker/{'ab' * 32}/inner/{DB.id}",
        f"/lxc.payload.office/{DB.id}",
        f"/lxc.payload/office/{DB.id}",
        f"/machine.slice/machine-office.scope/{DB.id}",
    ],
)
@pytest.mark.parametrize("commanded", [True, False])
def test_a_name_in_a_path_makes_no_parent(core: Core, path: str, *, commanded: bool) -> None:
    """cgroup-parent-like-a-build, the same kind: whoever starts a container chooses it."""
    inner = replace(DB, path=path)
    if commanded:
        core >> inner.create(0)
    core >> inner.execs(5, lineage=Lineage.RUNTIME if commanded else Lineage.CGROUP)
    core >> inner.described(6)
    container = core.start.container
    assert container is not None
    assert (container.id, container.parents) == (DB.id, ())


def test_a_runtime_that_runs_inside_a_container_makes_that_container_a_parent(
    core: Core,
) -> None:
    create = PLAIN.create(0)
    process = replace(create.process, cgroup=CgroupPaths(None, f"/docker/{WEB.id}"))
    inside = CgroupPaths(None, f"/docker/{WEB.id}/plain")
    core >> WEB.life(-90)[:-1]
    core >> replace(create, process=process) >> PLAIN.described(1)
    core >> PLAIN.execs(5, cgroup=inside)
    container = core.starts[-1].container
    assert container is not None
    assert (container.id, container.parents) == ("plain", (WEB.id,))


def test_a_cgroup_that_only_may_be_an_id_is_nobodys_parent(core: Core) -> None:
    odd = replace(PLAIN, path="/somewhere")
    core >> odd.create(0) >> odd.described(1) >> odd.execs(5)
    container = core.start.container
    assert container is not None
    assert container.parents == ()


def test_equal_names_under_two_runtime_roots_are_two_containers(core: Core) -> None:
    other = replace(PLAIN, pid=900, root="/run/other")
    core >> PLAIN.create(0) >> PLAIN.described(1) >> PLAIN.execs(5)
    core >> other.create(10) >> other.described(11) >> other.execs(15)
    assert core.types() == [START, START]
    assert core.table.running == 2
    assert core.last_start().kind == "first"


def test_equal_names_under_two_runtime_roots_keep_their_own_descriptions(core: Core) -> None:
    other = replace(PLAIN, pid=900, root="/run/other")
    core >> PLAIN.create(0) >> other.create(1) >> PLAIN.execs(5) >> other.execs(6)
    first, second = core.requests
    assert (first.scope, second.scope) == ("/run/runc", "/run/other")
    for at, request in ((20, second), (21, first)):
        name = f"read below {request.runtime_root}"
        core >> ContainerDescribed(
            ns(at), request.id, Description(request.id, name=name), request.scope
        )
    names = {event.time: event.container.name for event in core.starts if event.container}
    assert names == {ns(5): "read below /run/runc", ns(6): "read below /run/other"}


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


def test_the_runtimes_exit_behind_a_waiting_start_is_no_failure(core: Core) -> None:
    """``runc run`` in the foreground ends with the exit code of its container."""
    core >> WEB.create(0, "run") >> WEB.execs(5) >> WEB.exits(6, 3) >> WEB.created(7, 3 << 8)
    core >> WEB.described(30)
    assert core.types() == [START, STOP]


def test_a_deletion_behind_a_waiting_start_is_no_failure(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5) >> WEB.exits(6) >> WEB.other(7, "delete")
    core >> WEB.described(30)
    assert core.types() == [START, STOP]


def test_a_new_creation_lets_the_waiting_start_go_and_is_followed_itself(core: Core) -> None:
    again = WEB.again()
    core >> WEB.create(0) >> WEB.execs(5) >> WEB.exits(6)
    core >> again.create(20) >> again.described(21) >> again.created(30, 1 << 8)
    assert core.types() == [START, STOP, FAILED]


def test_descriptions_of_containers_nobody_knows_are_ignored(core: Core) -> None:
    stranger = ContainerId("stranger")
    core >> ContainerDescribed(ns(0), stranger, Description(stranger))
    assert core.types() == []
    assert len(core.table) == 0


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


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("third", WAYS)
def test_a_creation_fails_once_however_many_ways_tell_it(
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


def test_the_end_of_another_unstarted_child_is_no_failure_of_a_waiting_start(core: Core) -> None:
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
    """cgroup-parent-like-a-build: whoever starts a container chooses its parent cgroup."""
    box = replace(WEB, path=f"/docker/buildkit/{WEB.id}")
    core >> box.create(0) >> box.described(1) >> box.execs(5) >> box.exits(6)
    core >> box.other(7, "delete")
    assert core.types() == [START, STOP]


def test_a_container_described_as_a_build_step_is_no_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.execs(5) >> WEB.described(6, build_step=True) >> WEB.exits(7, 1)
    assert core.types() == []
    assert core.ignored["build_step"] == 1
    assert core.table.running == 0


def test_a_failed_build_step_is_no_failed_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1, build_step=True) >> WEB.created(2, 1 << 8)
    assert core.types() == []


# --------------------------------------------------------------- stops, pauses


def test_a_stop_tells_exit_code_and_duration(core: Core) -> None:
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


def test_the_end_of_an_init_that_nobody_knows_is_no_event(core: Core) -> None:
    core >> WEB.exits(5)
    assert core.types() == []
    assert core.ignored["exit_unknown"] == 1


def test_pause_and_resume_count_once_their_commands_succeeded(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> WEB.other(10, "pause")
    assert core.types() == [START]
    core >> WEB.other_done(12, "pause") >> WEB.other(20, "resume")
    assert core.types() == [START, "container.pause"]
    core >> WEB.other_done(22, "resume")
    assert core.types() == [START, "container.pause", "container.unpause"]


def test_a_pause_that_failed_is_no_pause(core: Core) -> None:
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


@pytest.mark.parametrize(
    "argv", [(), ("runc",), ("runc", "--version"), ("runc", "list"), ("runc", "create")]
)
def test_runtime_commands_about_no_container_change_nothing(
    core: Core, argv: tuple[str, ...]
) -> None:
    core >> command(0, argv or ("",), program="runc")
    assert core.types() == []
    assert core.requests == []
