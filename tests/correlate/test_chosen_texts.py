"""Texts that a user chose, of the own cgroups, programs and containers: they speak for the user."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.start_limits import FAILURES_BURST, STARTS_BURST
from sensor.model.container import EngineRecord, Orchestrator
from sensor.model.inventory import ContainerDescribed
from sensor.model.process import CgroupPaths
from sensor.model.vocabulary import Confidence, ContainerId, Engine, EventType, Trigger
from tests.correlate.observations import SHIM, ancestor, asks, below, engine_boots, typed
from tests.correlate.scenario import DB, WEB, Box, Core, described, numbered, supervised

START, STOP = "container.start", "container.stop"
MALLORY = 1001
SLICE = f"/user.slice/user-{MALLORY}.slice"
THERE = CgroupPaths(None, f"{SLICE}/session-9.scope")
GHOST = Box("ghost", ContainerId("ghost"), pid=900, uid=MALLORY, place=THERE, path=THERE.v2)


@pytest.fixture
def core() -> Core:
    core = Core()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    return core


# ------------------------------------------------------------------ texts in a user's own cgroups


def called_like(id_: str) -> CgroupPaths:
    """A cgroup that the user made in the own slice, called like a container's."""
    return CgroupPaths(None, f"{SLICE}/user@{MALLORY}.service/docker-{id_}.scope")


def test_cgroups_called_like_containers_give_a_user_no_more_budget() -> None:
    """sec-event-log-washed-out, by another container around each command."""
    core = Core()
    for number in range(4 * FAILURES_BURST):
        place = called_like(numbered(5000 + number).id)
        box = replace(numbered(number), uid=MALLORY, place=place)
        core >> box.create(10) >> box.exits(15, 1, started=False)
    assert len(core.of(EventType.START_FAILED)) == FAILURES_BURST
    starting = Core()
    for number in range(2 * STARTS_BURST):
        place = called_like(numbered(5000 + number).id)
        box = replace(numbered(number), uid=MALLORY, place=place)
        starting >> box.create(10) >> box.execs(15) >> box.described(16)
    assert len(starting.starts) == STARTS_BURST
    (gap,) = starting.of(EventType.GAP)
    assert gap.gap is not None
    assert gap.gap.reason.startswith(f"starts by uid {MALLORY} are ")


def test_cgroups_called_like_containers_take_no_place_of_another_users_container() -> None:
    core = Core(limit=1500)
    ann = replace(DB, uid=1002, place=CgroupPaths(None, "/user.slice/user-1002.slice/a.scope"))
    core >> ann.create(0) >> ann.described(1) >> ann.execs(5)
    for number in range(3000):
        place = called_like(numbered(5000 + number).id)
        core >> replace(numbered(number), uid=MALLORY, place=place).create(100)
    core >> ann.exits(200)
    assert core.types() == [START, STOP]


def test_a_client_in_a_cgroup_called_like_roots_container_is_in_no_container(core: Core) -> None:
    """The member of the engine's group is named, and not a container that did nothing."""
    core >> asks(15, "docker start db", uid=MALLORY, cgroup=called_like(WEB.id))
    core >> below(DB.create(20), SHIM) >> DB.described(22) >> DB.execs(35)
    initiator = core.starts[-1].initiator
    assert initiator is not None
    assert initiator.user is not None
    assert (initiator.user.uid, initiator.container_id) == (MALLORY, None)


def test_a_client_in_roots_container_is_in_it(core: Core) -> None:
    there = CgroupPaths(None, f"/docker/{WEB.id}/init.scope")
    core >> asks(15, "docker start db", uid=0, cgroup=there)
    core >> below(DB.create(20), SHIM) >> DB.described(22) >> DB.execs(35)
    initiator = core.starts[-1].initiator
    assert initiator is not None
    assert initiator.container_id == WEB.id


def test_a_container_in_a_cgroup_called_like_roots_has_no_such_parent(core: Core) -> None:
    place = called_like(WEB.id)
    box = replace(DB, uid=MALLORY, place=place, path=f"{place.v2}/docker-{DB.id}.scope")
    core >> box.create(20) >> box.execs(25) >> box.described(26)
    container = core.starts[-1].container
    assert container is not None
    assert container.parents == ()


# ------------------------------------------------------------------ who is called like an engine


def test_a_process_called_dockerd_takes_no_boot_from_roots() -> None:
    """sec-reactivation-disguised (b), the other way: a boot stays one."""
    core = Core()
    policy = EngineRecord(restart_policy="always", restarting=False)
    core >> WEB.life(0)
    core >> engine_boots(1000)
    forged = engine_boots(1010)
    core >> replace(forged, process=replace(forged.process, uid=MALLORY, euid=None))
    again = WEB.again()
    (
        core
        >> below(again.create(1100), SHIM)
        >> again.described(1101, record=policy)
        >> again.execs(1105)
    )
    assert core.last_start().trigger is Trigger.ENGINE_BOOT


def test_a_process_called_conmon_makes_no_cause_of_a_stranger(core: Core) -> None:
    """sec-forged-client-is-exact, by the monitor of a container that stopped."""
    core >> WEB.exits(10)
    client = typed(15, "podman start web", 90, uid=MALLORY)
    core >> client
    above = ancestor("podman", 90, 15)
    forged = supervised(20, WEB, "conmon", "-c", WEB.id, above=above)
    core >> replace(forged, process=replace(forged.process, uid=MALLORY, euid=None))
    again = WEB.again()
    core >> below(again.create(30), ancestor("conmon", 95))
    core >> again.described(31) >> again.execs(35)
    start = core.starts[-1]
    assert start.initiator is None
    assert not start.candidates


# ------------------------------------------------------------------ pods and services of others

POD = "0a4d1c6e-0000-4000-8000-000000000001"


def test_a_users_container_follows_none_of_a_pod_of_roots() -> None:
    """What it says of itself makes it no predecessor of root's, and names no pod of root's."""
    core = Core()
    claim = Orchestrator("kubernetes", "shop", "web-1", POD, "app", 0)
    app = WEB.in_pod(POD)
    core >> below(app.create(0), SHIM) >> pod_of(1, app, claim) >> app.execs(5) >> app.exits(9)
    ghost = replace(GHOST, id=ContainerId("e" * 64))
    false = replace(claim, pod="evil", namespace="evil")
    core >> ghost.create(10) >> pod_of(11, ghost, false) >> ghost.execs(15) >> ghost.exits(19)
    assert core.starts[-1].container is not None
    assert core.starts[-1].container.id == ghost.id
    again = replace(DB.in_pod(POD), pid=1500)
    core >> below(again.create(30), SHIM) >> pod_of(31, again, claim) >> again.execs(35)
    previous = core.last_start().previous
    assert previous is not None
    assert previous.id == WEB.id
    unread = replace(numbered(7).in_pod(POD), pid=1700)
    core >> below(unread.create(50), SHIM) >> unread.execs(55)
    core.wait(until=5000)
    pod = core.starts[-1].orchestrator
    assert pod is not None
    assert pod.pod == "web-1"


def test_an_event_says_whose_the_container_is(core: Core) -> None:
    """Start, stop and failed start: what is remembered of root's is not of another's."""
    core >> WEB.exits(9)
    box = replace(GHOST, id=WEB.id)
    core >> box.create(10) >> box.execs(15) >> box.exits(19)
    failing = replace(numbered(8), uid=MALLORY, place=THERE)
    core >> failing.create(30) >> failing.exits(35, 1, started=False)
    owners = [(one.type, one.owner) for one in core.events if one.container is not None]
    assert owners == [
        (EventType.START, None),
        (EventType.STOP, None),
        (EventType.START, f"uid {MALLORY}"),
        (EventType.STOP, f"uid {MALLORY}"),
        (EventType.START_FAILED, f"uid {MALLORY}"),
    ]


def pod_of(at: float, box: Box, claim: Orchestrator) -> ContainerDescribed:
    observed = described(at, box, pod=claim, engine=Engine.CONTAINERD)
    scope = None if not box.uid else f"uid {box.uid}:"
    return replace(observed, scope=scope)


def test_the_uid_of_a_pod_in_a_users_own_slice_is_not_exact() -> None:
    core = Core()
    path = f"{SLICE}/user@{MALLORY}.service/kubepods-pod{POD.replace('-', '_')}.slice/{GHOST.id}"
    box = replace(GHOST, id=ContainerId("e" * 64))
    box = replace(box, path=path.replace("ghost", f"cri-containerd-{box.id}.scope"))
    core >> box.create(0) >> box.execs(5)
    core.wait(until=5000)
    (start,) = core.starts
    assert start.orchestrator is not None
    assert start.confidence.pod is Confidence.INFERRED
