"""Which pod a start belongs to, by claims and by the kernel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.pods import LATE_AFTER
from sensor.model.container import Description, Orchestrator
from sensor.model.control_plane import Owner
from sensor.model.events import Event
from sensor.model.process import Namespaces
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    ContainerType,
    Engine,
    EventType,
    PodSource,
    StartKind,
    Trigger,
)
from tests.correlate.observations import HOST, MS, SHIM, below
from tests.correlate.scenario import DB, WEB, Box, Core, described

UID = "0a4d1c6e-0000-4000-8000-000000000001"
OTHER = "0a4d1c6e-0000-4000-8000-000000000002"
HASH = "bd12dd3393227d950605a2444b13c27a"
SANDBOX = Box("pause", ContainerId("f" * 64), pid=500).in_pod(UID)
APP = WEB.in_pod(UID)


def starts(
    core: Core,
    box: Box,
    at: float,
    claim: Orchestrator | None,
    *,
    sandbox_id: str | None = None,
    sandbox: bool = False,
) -> Event:
    observed = described(at + 1, box, pod=claim, engine=Engine.CONTAINERD)
    description = replace(
        observed.description,
        sandbox=sandbox,
        sandbox_id=ContainerId(sandbox_id) if sandbox_id is not None else None,
    )
    (
        core
        >> below(box.create(at), SHIM)
        >> replace(observed, description=description)
        >> box.execs(at + 5)
    )
    return core.starts[-1]


def pod(uid: str | None = UID, container: str | None = "app", attempt: int = 0) -> Orchestrator:
    source = PodSource.API if uid and "-" in uid else PodSource.FILE
    return Orchestrator("kubernetes", "shop", "web-1", uid, container, attempt, source=source)


def test_a_claim_that_the_cgroup_agrees_with_is_exact(core: Core) -> None:
    event = starts(core, APP, 0, pod())
    assert event.orchestrator is not None
    assert (event.orchestrator.pod, event.confidence.pod) == ("web-1", Confidence.EXACT)


@pytest.mark.parametrize("box", [WEB, WEB.in_pod(OTHER)], ids=["no pod", "another pod"])
def test_a_claim_that_the_cgroup_contradicts_is_dropped_with_the_reason(
    core: Core, box: Box
) -> None:
    starts(core, DB.in_pod(UID), 0, pod())
    event = starts(core, box, 60_000, pod(), sandbox=True)
    assert event.orchestrator is None
    assert event.confidence.pod is Confidence.NONE
    assert event.container is not None
    assert not event.container.sandbox
    assert event.start is not None
    assert (event.start.kind, event.start.previous) == (StartKind.FIRST, None)
    assert any("not believed" in one.what for one in event.evidence)


def test_a_claim_of_a_sandbox_of_another_pod_is_dropped(core: Core) -> None:
    foreign = Box("pause", ContainerId("e" * 64), pid=600).in_pod(OTHER)
    starts(core, foreign, 0, pod(OTHER, None), sandbox=True)
    event = starts(core, APP, 100, pod(), sandbox_id=foreign.id)
    assert event.orchestrator is None


def test_without_a_claim_the_cgroup_names_the_pod_and_its_siblings_the_rest(core: Core) -> None:
    other = Box("log", ContainerId("d" * 64), pid=700).in_pod(UID)
    starts(core, DB.in_pod(UID), 0, pod(container="side"))
    starts(core, other, 50, pod(container="log"))
    event = starts(core, APP, 100, None)
    assert event.orchestrator is not None
    assert (event.orchestrator.pod, event.orchestrator.pod_uid) == ("web-1", UID)
    assert event.orchestrator.container is None
    assert event.start is not None
    assert event.start.trigger is Trigger.ORCHESTRATOR


def test_the_only_container_that_a_pod_ever_had_is_not_first_again(core: Core) -> None:
    before = DB.in_pod(UID)
    starts(core, before, 0, pod())
    core >> before.exits(20, 1)
    event = starts(core, APP, 100, None)
    assert event.start is not None
    assert event.start.kind is StartKind.RESTART
    assert event.confidence.pod is Confidence.INFERRED


@pytest.mark.parametrize(
    ("root", "kind"), [("/run/runc", StartKind.RESTART), ("/run/other", StartKind.FIRST)]
)
def test_what_runs_for_a_pod_at_another_engine_is_no_earlier_run(
    core: Core, root: str, kind: StartKind
) -> None:
    starts(core, DB.in_pod(UID), 0, pod())
    event = starts(core, replace(APP, root=root), 100, pod())
    assert event.start is not None
    assert event.start.kind is kind


@pytest.mark.parametrize("engine", [Engine.DOCKER, Engine.PODMAN])
def test_a_plain_container_below_a_pods_cgroup_is_in_no_pod(core: Core, engine: Engine) -> None:
    """cgroup-parent-like-a-build, the same kind: ``docker run --cgroup-parent=/kubepods/…``."""
    core >> below(APP.create(0), SHIM) >> described(1, APP, engine=engine) >> APP.execs(5)
    event = core.start
    assert event.orchestrator is None
    assert event.confidence.pod is Confidence.NONE


def test_a_pod_that_only_the_cgroup_shows_is_the_orchestrators(core: Core) -> None:
    core >> below(APP.create(0), SHIM) >> APP.execs(5)
    core.wait(5000)
    event = core.starts[-1]
    assert event.orchestrator is not None
    assert event.orchestrator.pod_uid == UID
    assert event.start is not None
    assert event.start.trigger is Trigger.ORCHESTRATOR


@pytest.mark.parametrize(
    ("after", "attempt", "late"),
    [(1000, 0, False), (LATE_AFTER / MS + 2000, 0, True), (LATE_AFTER / MS + 2000, 3, False)],
)
def test_a_container_that_joins_an_old_pod_is_late(
    core: Core,
    after: float,
    attempt: int,
    late: bool,
) -> None:
    starts(core, SANDBOX, 0, pod(container=None), sandbox=True)
    event = starts(core, APP, after, pod(attempt=attempt), sandbox_id=SANDBOX.id)
    assert event.orchestrator is not None
    assert event.orchestrator.late is late


DEBUG = DB.in_pod(UID)
IN_APPS, OWN_ONE, SANDBOXES = 101, 102, 103
TYPES = {
    "in-another-containers": (IN_APPS, IN_APPS, SANDBOXES, ContainerType.EPHEMERAL),
    "in-one-of-its-own": (OWN_ONE, IN_APPS, SANDBOXES, None),
    "all-share-the-sandboxs": (SANDBOXES, SANDBOXES, SANDBOXES, None),
    "not-reported": (None, IN_APPS, SANDBOXES, None),
    "sandbox-not-reported": (IN_APPS, IN_APPS, None, None),
}


@pytest.mark.parametrize(("own", "apps", "sandboxs", "received"), TYPES.values(), ids=TYPES)
def test_an_init_among_the_processes_of_another_container_is_an_ephemeral_ones(
    core: Core,
    own: int | None,
    apps: int | None,
    sandboxs: int | None,
    received: ContainerType | None,
) -> None:
    for box, claim, pid_ns in (
        (SANDBOX, pod(container=None), sandboxs),
        (APP, pod(), apps),
        (DEBUG, pod(container="debugger"), own),
    ):
        observed = described(1, box, pod=claim, engine=Engine.CONTAINERD)
        sandbox = box is SANDBOX
        description = replace(
            observed.description, sandbox=sandbox, sandbox_id=None if sandbox else SANDBOX.id
        )
        core >> below(box.create(0), SHIM) >> replace(observed, description=description)
        core >> replace(box.execs(5), namespaces=Namespaces(1, pid_ns, 3, 4, 5, 6, 7))
    found = [event.orchestrator.container_type for event in core.starts if event.orchestrator]
    assert found == [None, None, received]
    core >> DEBUG.exits(100)
    stop = core.of(EventType.STOP)[-1]
    assert stop.orchestrator is not None
    assert stop.orchestrator.container_type is received


def test_the_owner_that_one_container_of_a_pod_showed_is_that_of_all(core: Core) -> None:
    """The labels of a pod could be read for its sandbox, and not for its other containers."""
    owner = Owner("Deployment", "web")
    starts(core, SANDBOX, 0, replace(pod(container=None), owner=owner), sandbox=True)
    event = starts(core, APP, 100, pod(), sandbox_id=SANDBOX.id)
    again = starts(core, DB.in_pod(UID), 200, pod(container="side"), sandbox_id=SANDBOX.id)
    for one in (event, again):
        assert one.orchestrator is not None
        assert one.orchestrator.owner == owner
        assert one.confidence.owner is Confidence.INFERRED


def test_a_pod_whose_sandbox_is_unknown_may_be_late_or_not(core: Core) -> None:
    event = starts(core, APP, 0, pod(), sandbox_id=SANDBOX.id)
    assert event.orchestrator is not None
    assert event.orchestrator.late is None


def test_the_same_static_manifest_again_is_another_pod(core: Core) -> None:
    first = WEB.in_pod(HASH)
    starts(core, first, 0, pod(HASH))
    core >> first.exits(20)
    event = starts(core, DB.in_pod(HASH), 780_000, pod(HASH))
    assert event.start is not None
    assert (event.start.kind, event.start.previous) == (StartKind.FIRST, None)


def test_a_static_pods_next_attempt_is_a_restart(core: Core) -> None:
    first = WEB.in_pod(HASH)
    starts(core, first, 0, pod(HASH))
    core >> first.exits(20, 1)
    event = starts(core, DB.in_pod(HASH), 1000, pod(HASH, attempt=1))
    assert event.start is not None
    assert event.start.kind is StartKind.RESTART


OWN = Namespaces(1, 2, 3, 4, 5, 6, 7)
HOSTS = Namespaces(11, 12, 13, 14, 15, 6, 7)


@pytest.mark.parametrize(
    ("init", "shared"),
    [
        (OWN, ()),
        (replace(OWN, pid=12, net=13, ipc=14), ("pid", "network", "ipc")),
        (replace(OWN, uts=15), ("uts",)),
    ],
)
def test_namespaces_are_the_inits_and_not_what_the_bundle_says(
    core: Core, init: Namespaces, shared: tuple[str, ...]
) -> None:
    core >> replace(HOST, namespaces=HOSTS)
    core >> APP.create(0) >> described(1, APP, pod=pod(), engine=Engine.CONTAINERD)
    core >> replace(APP.execs(5), namespaces=init)
    container = core.starts[-1].container
    assert container is not None
    assert container.security is not None
    assert container.security.host_namespaces == shared


def test_a_user_namespace_is_reported_as_shared_only_where_others_have_their_own(
    core: Core,
) -> None:
    core >> replace(HOST, namespaces=HOSTS)
    seen = []
    for box, init in [(WEB, OWN), (DB, replace(OWN, user=99)), (WEB.again(), OWN)]:
        core >> box.create(0) >> box.described(1)
        core >> replace(box.execs(5), namespaces=init) >> box.exits(10)
        container = core.starts[-1].container
        assert container is not None
        assert container.security is not None
        seen.append(container.security.host_namespaces)
    assert seen == [(), (), ("user",)]


def test_a_container_without_a_pod_has_none(core: Core) -> None:
    event = starts(core, WEB, 0, None)
    assert event.orchestrator is None
    assert event.confidence.pod is Confidence.NONE


def test_what_left_nothing_but_logs_is_described_again_by_its_cgroup(core: Core) -> None:
    core >> below(APP.create(0), SHIM) >> APP.execs(1) >> APP.exits(2)
    empty = described(3, APP, engine=None)
    core >> replace(empty, description=Description(APP.id))
    assert core.starts == []
    core >> replace(empty, description=Description(APP.id, orchestrator=pod()))
    (event,) = core.starts
    assert event.orchestrator is not None
    assert (event.orchestrator.pod, event.orchestrator.container) == ("web-1", "app")


def test_what_left_nothing_at_all_waits_no_longer_than_twice(core: Core) -> None:
    core >> below(APP.create(0), SHIM) >> APP.execs(1)
    for at in (2, 3):
        empty = described(at, APP, engine=None)
        core >> replace(empty, description=Description(APP.id))
    (event,) = core.starts
    assert event.orchestrator is not None
    assert event.orchestrator.pod_uid == UID
