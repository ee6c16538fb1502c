"""What runs already does not start; what began unseen is one, once; what is gone has stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.agent_records import Heartbeat
from sensor.model.container import Description, Orchestrator
from sensor.model.events import SensorNote
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import EventType, LastEnd, Lineage, Witness
from tests.correlate.observations import HOST, attached, inventory, knowledge, ns, wall
from tests.correlate.scenario import DB, PLAIN, WEB, Core

START, STOP = "container.start", "container.stop"
DESCRIBED = Description(WEB.id, name="web")


def test_containers_that_ran_before_the_first_agent_are_inventory(core: Core) -> None:
    core >> attached(0) >> inventory(10, WEB.found(born=-60_000), DB.found(born=-5))
    assert core.types() == []
    assert core.table.running == 2
    notes = [event.sensor for event in core.of(EventType.SENSOR)]
    assert [note.action for note in notes if note] == ["probes_attached", "inventory_taken"]
    assert [note.containers for note in notes if note] == [None, 2]


@pytest.mark.parametrize("ended", [None, *LastEnd])
def test_an_agent_reports_how_long_none_ran_and_how_the_last_one_ended(
    core: Core, ended: LastEnd | None
) -> None:
    core >> replace(knowledge(-12_500), ended=ended) >> attached(-60_000)
    (event,) = [one for one in core.of(EventType.SENSOR) if one.sensor is not None]
    assert event.sensor is not None
    down = (core.now - ns(-12_500)) / 1e9
    assert (event.sensor.down_seconds, event.sensor.last_end) == (round(down, 3), ended)


def test_down_time_across_boots_goes_by_the_wall_clock(core: Core) -> None:
    seen = replace(knowledge(0, boot_id="another"), seen_wall=wall(-3_600_000))
    core >> seen >> attached(0)
    (event,) = core.of(EventType.SENSOR)
    assert event.sensor is not None
    assert event.sensor.down_seconds is not None
    assert event.sensor.down_seconds == pytest.approx(3600, abs=2)


def test_down_time_is_unknown_when_the_clock_went_backwards(core: Core) -> None:
    seen = replace(knowledge(0, boot_id="another"), seen_wall=wall(3_600_000))
    core >> seen >> attached(0)
    (event,) = core.of(EventType.SENSOR)
    assert event.sensor is not None
    assert event.sensor.down_seconds is None


def test_a_heartbeat_is_a_sign_of_life_and_nothing_else(core: Core) -> None:
    core >> attached(0) >> inventory(10, WEB.found(born=-60_000)) >> Heartbeat(ns(500))
    (*_, event) = core.events
    assert (event.type, event.time) == (EventType.SENSOR, ns(500))
    assert event.sensor == SensorNote("alive", containers=1)
    core >> Heartbeat(ns(900))
    assert len({event.id for event in core.events}) == len(core.events)


def test_inventory_is_followed_to_its_stop(core: Core) -> None:
    core >> attached(0) >> inventory(10, WEB.found(born=WEB.born + 10, description=DESCRIBED))
    core >> WEB.exits(500, 3)
    assert core.types() == [STOP]
    (stop,) = core.of(EventType.STOP)
    assert stop.container is not None
    assert (stop.container.id, stop.container.name) == (WEB.id, "web")


def test_an_inventoried_init_that_executes_itself_anew_is_not_a_start(core: Core) -> None:
    core >> attached(0) >> inventory(10, WEB.found(born=WEB.born + 10))
    core >> WEB.execs(100, lineage=Lineage.CGROUP)
    assert core.types() == []


def test_a_start_between_last_seen_and_attached_is_reported_late(core: Core) -> None:
    core >> knowledge(-60_000) >> attached(0) >> inventory(10, WEB.found(-500, DESCRIBED))
    event = core.start
    assert core.types() == [START]
    assert event.container is not None
    assert event.container.name == "web"
    assert (event.time, event.observed) == (ns(-500), ns(10))
    assert [e.source for e in event.evidence] == [Witness.PROCFS]


def test_a_late_start_is_reported_once(core: Core) -> None:
    found = WEB.found(born=-500)
    core >> knowledge(-60_000) >> attached(0) >> inventory(10, found) >> inventory(20, found)
    assert core.types() == [START]
    assert core.table.running == 1


def test_the_next_agent_does_not_report_a_late_start_again(core: Core) -> None:
    found = WEB.found(born=-500)
    core >> knowledge(-60_000) >> attached(0) >> inventory(10, found)
    changed, gone = core.core.changes()
    assert gone == ()
    heir = Core()
    heir >> knowledge(20, *changed) >> attached(0, surviving=True) >> inventory(30, found)
    assert heir.types() == []
    assert heir.table.running == 1


@pytest.mark.parametrize("born", [-90_000, 5], ids=["before-last-seen", "after-attached"])
def test_only_what_began_between_last_seen_and_attached_is_late(core: Core, born: float) -> None:
    core >> knowledge(-60_000) >> attached(0) >> inventory(10, WEB.found(born))
    assert core.types() == []
    assert core.table.running == 1


def test_what_the_probes_reported_is_not_reported_again_by_the_inventory(core: Core) -> None:
    core >> knowledge(-60_000) >> attached(0) >> WEB.create(1) >> WEB.described(2)
    core >> WEB.execs(5) >> inventory(10, WEB.found(born=WEB.born + 10))
    assert core.types() == [START]
    assert core.table.running == 1


def test_a_start_after_the_inventory_was_taken_is_not_taken_for_a_stop(core: Core) -> None:
    core >> attached(0) >> WEB.create(10) >> WEB.described(11) >> WEB.execs(15)
    core >> inventory(12)
    assert core.types() == [START]
    assert core.table.running == 1


def test_a_container_that_ended_while_the_inventory_was_taken_does_not_come_back(
    core: Core,
) -> None:
    core >> knowledge(-60_000) >> attached(0) >> WEB.exits(15)
    core >> inventory(10, WEB.found(born=WEB.born + 10))
    assert core.types() == []
    assert core.table.running == 0


def test_a_run_that_the_probes_saw_end_does_not_come_back(core: Core) -> None:
    core >> knowledge(-60_000) >> attached(0) >> WEB.create(1) >> WEB.described(2)
    core >> WEB.execs(5) >> WEB.exits(8) >> inventory(6, WEB.found(born=WEB.born + 10))
    assert core.types() == [START, STOP]
    assert core.table.running == 0


def test_a_late_inventory_does_not_bring_back_a_run_that_was_followed_by_another(
    core: Core,
) -> None:
    again = WEB.again()
    core >> knowledge(-60_000) >> attached(0)
    core >> WEB.life(1) >> again.create(21) >> again.described(22) >> again.execs(25)
    core >> inventory(6, WEB.found(born=WEB.born + 10))
    assert core.types() == [START, STOP, START]
    assert core.table.running == 1
    core >> again.exits(40)
    assert core.types() == [START, STOP, START, STOP]


def test_a_start_that_waits_for_its_description_is_not_taken_for_inventory(core: Core) -> None:
    core >> knowledge(-60_000) >> attached(-1000) >> WEB.create(1) >> WEB.execs(5)
    core >> inventory(6, WEB.found(born=WEB.born + 10)) >> WEB.described(7)
    assert core.types() == [START]
    assert core.table.running == 1


def test_a_known_container_that_is_gone_has_stopped_unseen(core: Core) -> None:
    core >> knowledge(-1000, WEB.known(running=True, born=-90_000, started=-90_000))
    core >> attached(0) >> inventory(10)
    assert core.types() == [STOP]
    (event,) = core.of(EventType.STOP)
    assert event.stop is not None
    assert (event.stop.reason, event.stop.exit_code, event.stop.signal) == (
        "stopped unseen",
        None,
        None,
    )
    assert [e.source for e in event.evidence] == [Witness.PROCFS]
    core >> inventory(20)
    assert core.types() == [STOP]


def test_what_ran_in_an_earlier_boot_does_not_stop_in_this_one(core: Core) -> None:
    """An agent of this boot noted other containers, and was killed."""
    earlier = replace(WEB.known(running=True, born=-90_000, started=-90_000), boot_id="another")
    core >> knowledge(-1000, earlier) >> attached(0) >> inventory(10)
    assert core.types() == []
    assert core.table.running == 0
    core >> WEB.again().life(20)
    start = core.last_start()
    assert (start.kind, start.previous) != ("first", None)


@pytest.mark.parametrize(("noted", "began"), [(-89_900, -89_900), (5e9, -90_000), (None, -90_000)])
def test_a_run_goes_on_from_when_its_start_was_reported(
    core: Core, noted: float | None, began: float
) -> None:
    """A time outside of the run is of another clock; its init's stands for it."""
    core >> knowledge(-1000, WEB.known(running=True, born=-90_000, started=noted))
    core >> attached(0)
    init = ProcessKey(WEB.init.pid, ns(-90_000))
    core >> replace(WEB.exits(100), process=init) >> WEB.again().life(200)
    (stop, _) = core.of(EventType.STOP)
    assert stop.stop is not None
    assert stop.stop.duration_seconds == pytest.approx((100 - began) / 1000)
    previous = core.last_start().previous
    assert previous is not None
    assert previous.started_wall == wall(began)


def test_a_known_container_that_still_runs_is_not_an_event(core: Core) -> None:
    core >> knowledge(-1000, WEB.known(running=True, born=-90_000))
    core >> attached(0) >> inventory(10, WEB.found(born=-90_000))
    assert core.types() == []
    assert core.table.running == 1


def test_a_known_container_with_a_new_init_stopped_and_started_unseen(core: Core) -> None:
    core >> knowledge(-1000, WEB.known(running=True, born=-90_000, started=-90_000))
    core >> attached(0) >> inventory(10, WEB.again().found(born=-500))
    assert core.types() == [STOP, START]
    start = core.last_start()
    assert start.kind != "first"
    assert start.previous is not None
    assert (start.previous.started_wall, start.previous.stopped_wall) == (wall(-90_000), None)
    assert core.table.running == 1


def test_a_container_whose_id_is_a_name_is_found_under_its_runtime_root(core: Core) -> None:
    known = PLAIN.known(running=True, born=-90_000, scope="/run/runc")
    core >> knowledge(-1000, known) >> attached(0) >> inventory(10, PLAIN.found(born=-90_000))
    assert core.types() == []
    assert core.table.running == 1
    assert len(core.table) == 1


def test_of_another_boot_nothing_runs_and_everything_is_remembered(core: Core) -> None:
    known = WEB.known(running=True, born=-90_000, started=-90_000)
    known = replace(known, boot_id="another boot")
    core >> knowledge(-1000, known, boot_id="another boot") >> attached(0)
    assert core.table.running == 0
    core >> inventory(10, WEB.again().found(born=-500))
    assert core.types() == [START]
    assert core.last_start().kind != "first"
    assert core.start.host == HOST


def test_late_starts_of_a_pod_know_their_predecessor(core: Core) -> None:
    uid = "0a4d1c6e-0000-4000-8000-000000000001"
    pod = Orchestrator("kubernetes", pod_uid=uid, container="app", attempt=1)
    description = Description(DB.id, orchestrator=pod)
    found = DB.in_pod(uid).found(-500, description)
    core >> knowledge(-60_000) >> attached(0) >> inventory(10, found)
    assert (core.last_start().kind, core.last_start().attempt) == ("restart", 1)


def test_an_inventory_before_the_probes_are_attached_reports_nothing(core: Core) -> None:
    core >> knowledge(-60_000) >> inventory(10, WEB.found(born=-500))
    assert core.types() == []


def test_surviving_probes_are_said_to_be(core: Core) -> None:
    core >> attached(0, surviving=True)
    (event,) = core.of(EventType.SENSOR)
    assert event.sensor is not None
    assert event.sensor.probes_surviving


# ------------------------------------------------------------------ whose they are


def test_a_strangers_container_of_that_name_is_another_one(core: Core) -> None:
    """A user makes a cgroup with the id of a container of root below the user's own slice."""
    path = f"/user.slice/user-1001.slice/user@1001.service/docker-{WEB.id}.scope"
    fake = replace(WEB, pid=900, path=path)
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    core >> inventory(100, WEB.found(WEB.born + 10), fake.found(50))
    assert core.types() == ["container.start"]
    core >> WEB.exits(200)
    assert core.types() == ["container.start", "container.stop"]


def test_a_users_container_is_that_users_after_the_agents_restart(core: Core) -> None:
    """rootless-podman-no-cgroup: its monitor's user shows whose it is."""
    alice = replace(WEB, uid=1000, path="/user.slice/user-1000.slice/session-3.scope")
    core >> inventory(0, replace(alice.found(alice.born + 10), supervisor_uid=1000))
    core >> alice.exits(100)
    again = alice.again()
    core >> again.create(5000) >> again.described(5001) >> again.execs(5005)
    assert core.types() == ["container.stop", "container.start"]
    assert core.last_start().kind == "reactivation"
