"""Kinds of starts, known by what surrounded them, and what they remember of the run before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.kind import AT_ONCE, ENGINE_BOOT_WINDOW
from sensor.model.container import EngineRecord, Orchestrator
from sensor.model.events import PreviousRun
from sensor.model.vocabulary import EndedBy
from tests.correlate.observations import MS, OFFSET, client, engine_boots, knowledge, ns, wall
from tests.correlate.scenario import DB, WEB, Box, Core

POD_UID, OTHER_UID = "0a4d1c6e-0000-4000-8000-000000000001", "0a4d1c6e-0000-4000-8000-000000000002"

LATER = 10 + AT_ONCE / MS + 1000
"""Long enough after a life() that began at 0 that it cannot count as one operation."""


def run_again(
    core: Core,
    at: float,
    *,
    box: Box = WEB,
    record: EngineRecord | None = None,
    pod: Orchestrator | None = None,
) -> None:
    box = box.in_pod(pod.pod_uid) if pod is not None and pod.pod_uid else box
    again = box.again()
    core >> again.create(at) >> again.described(at + 1, record=record, pod=pod)
    core >> again.execs(at + 5)


def pod(container: str = "app", attempt: int | None = None, uid: str = POD_UID) -> Orchestrator:
    return Orchestrator("kubernetes", pod_uid=uid, container=container, attempt=attempt)


def test_a_container_never_seen_before_starts_first(core: Core) -> None:
    core >> WEB.life(0)
    start = core.last_start()
    assert (start.kind, start.previous, start.dormant_seconds) == ("first", None, None)


def test_another_container_does_not_make_a_start_less_first(core: Core) -> None:
    core >> WEB.life(0) >> DB.life(20)
    assert [e.start.kind for e in core.starts if e.start] == ["first", "first"]


def test_a_start_long_after_the_stop_is_a_reactivation(core: Core) -> None:
    core >> WEB.life(0, code=3)
    run_again(core, LATER)
    start = core.last_start()
    assert start.kind == "reactivation"
    assert start.previous == PreviousRun(
        WEB.id, wall(5), wall(10), 3, None, oom_killed=False, ended_by=EndedBy.ITSELF
    )
    assert start.dormant_seconds == (LATER + 5 - 10) / 1000


def test_a_failed_creation_between_two_runs_is_not_the_previous_run(core: Core) -> None:
    core >> WEB.life(0, code=3)
    failed = WEB.again()
    core >> failed.create(1000) >> failed.created(1001, 1 << 8)
    run_again(core, LATER, box=failed)
    previous = core.last_start().previous
    assert previous is not None
    assert previous.exit_code == 3


def test_a_start_at_once_after_the_stop_is_a_restart(core: Core) -> None:
    core >> WEB.life(0, code=1)
    run_again(core, 300)
    start = core.last_start()
    assert (start.kind, start.dormant_seconds) == ("restart", 0.295)


@pytest.mark.parametrize(("late", "kind"), [(0, "restart"), (1, "reactivation")])
def test_at_once_ends_where_it_says(core: Core, late: float, kind: str) -> None:
    core >> WEB.life(0)
    run_again(core, 10 + AT_ONCE / MS - 5 + late)
    assert core.last_start().kind == kind


@pytest.mark.parametrize(
    "command",
    [
        "docker start web",
        f"docker start {WEB.id}",
        f"docker start {WEB.id[:6]}",
        "docker start a web",
    ],
)
def test_a_client_that_asks_to_start_makes_it_a_reactivation(core: Core, command: str) -> None:
    core >> WEB.life(0) >> client(100, command)
    run_again(core, 300)
    assert core.last_start().kind == "reactivation"


@pytest.mark.parametrize("command", ["docker start other", "docker ps", "docker run web"])
def test_a_client_that_asks_for_something_else_does_not(core: Core, command: str) -> None:
    core >> WEB.life(0) >> client(100, command)
    run_again(core, 300)
    assert core.last_start().kind == "restart"


def test_a_start_command_before_the_stop_asked_for_the_run_before(core: Core) -> None:
    core >> client(-20, "docker start web") >> WEB.life(0)
    run_again(core, 300)
    assert core.last_start().kind == "restart"


def test_a_clients_restart_command_is_a_restart_however_long_the_stop_takes(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> client(1000, "docker restart -t 30 web") >> WEB.exits(31_000, signal=9)
    run_again(core, 31_000 + LATER)
    start = core.last_start()
    assert start.kind == "restart"
    assert start.previous is not None
    assert (start.previous.exit_code, start.previous.signal) == (None, 9)


def test_a_restart_command_explains_one_restart_only(core: Core) -> None:
    again = WEB.again()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> client(10, "docker restart web") >> WEB.exits(20) >> again.life(30)
    assert core.last_start().kind == "restart"
    run_again(core, 30 + LATER, box=again)
    assert core.last_start().kind == "reactivation"


def test_the_engines_word_that_it_restarts_by_policy_is_a_restart(core: Core) -> None:
    core >> WEB.life(0, code=1)
    record = EngineRecord(has_run=True, restarting=True, restart_count=4)
    run_again(core, 60_000, record=record)
    start = core.last_start()
    assert (start.kind, start.attempt) == ("restart", 4)


def test_the_engines_boot_between_stop_and_start_is_a_restart(core: Core) -> None:
    core >> WEB.life(0) >> engine_boots(5000)
    run_again(core, 9000)
    assert core.last_start().kind == "restart"


def test_a_client_after_the_engines_boot_is_a_reactivation(core: Core) -> None:
    core >> WEB.life(0) >> engine_boots(5000) >> client(8000, "docker start web")
    run_again(core, 9000)
    assert core.last_start().kind == "reactivation"


def test_a_boot_before_the_stop_is_not_a_reason(core: Core) -> None:
    core >> engine_boots(-50) >> WEB.life(0)
    run_again(core, LATER)
    assert core.last_start().kind == "reactivation"


def test_a_boot_long_ago_is_not_a_reason(core: Core) -> None:
    core >> WEB.life(0) >> engine_boots(5000)
    run_again(core, 5000 + ENGINE_BOOT_WINDOW / MS)
    assert core.last_start().kind == "reactivation"


def test_another_engines_boot_is_not_a_reason(core: Core) -> None:
    core >> WEB.life(0) >> engine_boots(5000, "crio")
    run_again(core, 9000)
    assert core.last_start().kind == "reactivation"


def test_a_run_that_only_the_engine_remembers_is_the_previous_one(core: Core) -> None:
    record = EngineRecord(
        has_run=True, started_wall=OFFSET, finished_wall=wall(-60_000), exit_code=137
    )
    core >> WEB.create(0) >> WEB.described(1, record=record) >> WEB.execs(5)
    start = core.last_start()
    assert start.kind == "reactivation"
    assert start.previous == PreviousRun(WEB.id, OFFSET, wall(-60_000), 137, None)
    assert start.dormant_seconds == 60.005


def test_an_engine_that_knows_of_no_run_makes_it_a_first_start(core: Core) -> None:
    core >> WEB.create(0) >> WEB.described(1, record=EngineRecord(has_run=False)) >> WEB.execs(5)
    assert core.last_start().kind == "first"


def test_what_was_seen_counts_more_than_what_the_engine_wrote(core: Core) -> None:
    core >> WEB.life(0, code=3)
    run_again(core, LATER, record=EngineRecord(has_run=True, exit_code=0, finished_wall=1))
    previous = core.last_start().previous
    assert previous is not None
    assert (previous.exit_code, previous.stopped_wall) == (3, wall(10))


def test_a_stop_in_the_future_of_the_start_gives_no_dormancy(core: Core) -> None:
    record = EngineRecord(has_run=True, finished_wall=wall(60_000))
    core >> WEB.create(0) >> WEB.described(1, record=record) >> WEB.execs(5)
    start = core.last_start()
    assert (start.kind, start.dormant_seconds) == ("reactivation", None)


def test_a_pods_first_container_of_a_name_is_first(core: Core) -> None:
    web = WEB.in_pod(POD_UID)
    core >> web.create(0) >> web.described(1, pod=pod(attempt=0)) >> web.execs(5)
    start = core.last_start()
    assert (start.kind, start.attempt) == ("first", 0)


def test_a_pods_next_container_of_the_same_name_is_a_restart_of_the_last(core: Core) -> None:
    web = WEB.in_pod(POD_UID)
    core >> web.create(0) >> web.described(1, pod=pod(attempt=0)) >> web.execs(5)
    core >> WEB.exits(10, 1)
    run_again(core, 60_000, box=DB, pod=pod(attempt=1))
    start = core.last_start()
    assert (start.kind, start.attempt) == ("restart", 1)
    assert start.previous == PreviousRun(
        WEB.id, wall(5), wall(10), 1, None, oom_killed=False, ended_by=EndedBy.ITSELF
    )
    assert start.dormant_seconds == 59.995


def test_kubelets_count_of_attempts_is_enough(core: Core) -> None:
    web = WEB.in_pod(POD_UID)
    core >> web.create(0) >> web.described(1, pod=pod(attempt=3)) >> web.execs(5)
    start = core.last_start()
    assert (start.kind, start.attempt, start.previous) == ("restart", 3, None)


@pytest.mark.parametrize("other", [pod("sidecar", 0), pod("app", 0, uid=OTHER_UID)])
def test_other_names_and_other_pods_have_their_own_history(core: Core, other: Orchestrator) -> None:
    web = WEB.in_pod(POD_UID)
    core >> web.create(0) >> web.described(1, pod=pod(attempt=0)) >> web.execs(5)
    core >> WEB.exits(10)
    run_again(core, 60_000, box=DB, pod=other)
    assert core.last_start().kind == "first"


def test_a_predecessor_whose_end_was_not_seen_is_named_all_the_same(core: Core) -> None:
    web = WEB.in_pod(POD_UID)
    core >> web.create(0) >> web.described(1, pod=pod(attempt=0)) >> web.execs(5)
    run_again(core, 60_000, box=DB, pod=pod(attempt=1))
    start = core.last_start()
    assert start.kind == "restart"
    assert start.previous == PreviousRun(WEB.id)


def test_a_restore_is_a_restore_whatever_ran_before(core: Core) -> None:
    again = WEB.again()
    core >> WEB.life(0) >> again.create(300, "restore") >> again.created(400)
    start = core.last_start()
    assert start.kind == "restore"
    assert start.previous is not None
    assert start.previous.stopped_wall == wall(10)


def test_a_run_that_an_earlier_agent_saw_is_the_previous_one(core: Core) -> None:
    core >> knowledge(-1000, WEB.known(started=-90_000, stopped=-60_000))
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    start = core.last_start()
    assert start.kind == "reactivation"
    assert start.previous == PreviousRun(
        WEB.id, wall(-90_000), wall(-60_000), 0, None, None, EndedBy.ITSELF
    )
    assert start.dormant_seconds == 60.005


def test_an_engine_boot_explains_starts_after_the_nodes_own_boot(core: Core) -> None:
    known = replace(WEB.known(started=-9e9, stopped=-8e9), boot_id="the boot before")
    core >> knowledge(-1000, known, boot_id="the boot before") >> engine_boots(-500)
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    assert core.last_start().kind == "restart"


def test_the_image_of_ctr_run_is_taken_from_its_command_line(core: Core) -> None:
    line = f"ctr -n moby run --rm docker.io/library/nginx:1.25 {WEB.id}"
    core >> client(-5, line) >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    container = core.start.container
    assert container is not None
    assert container.image is not None
    assert container.image.name == "docker.io/library/nginx:1.25"
    assert ns(5) == core.start.time
