"""Which process of a kubelet's name is one: by what the kernel shows of its container."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.api_calls import Caller
from sensor.model.container import Security
from sensor.model.kernel_records import CommandExit
from sensor.model.process import CgroupPaths, ProcessKey
from sensor.model.vocabulary import Confidence, ContainerId, Role, Trigger
from tests.correlate.engine_api.wire import field
from tests.correlate.observations import attached, command, facts, inventory, knowledge, ns
from tests.correlate.scenario import DB, WEB, Box, Core, described
from tests.correlate.test_kubelet_requests import (
    APP,
    EXACT,
    KUBELET,
    POD,
    UID,
    Client,
    cause,
    starts,
)

NODE = Box("kubelet", ContainerId("c" * 64), pid=900)
"""The container that the kubelet runs in, made by Docker before all else."""
HOSTS = ("pid", "network", "ipc")
INSIDE = replace(KUBELET, cgroup=NODE.cgroup, user_ns=0xEFFFFFFD)
AS_CONTAINER = (Trigger.CONTAINER, Confidence.EXACT, 12)


def runs(
    core: Core, shared: tuple[str, ...] | None = HOSTS, box: Box = NODE, *, pod: bool = False
) -> None:
    """Start the kubelet's container, which shares these namespaces with the host."""
    claim = replace(POD, pod="kubelet-0", container="kubelet") if pod else None
    observed = described(-999, box, pod=claim)
    security = Security(host_namespaces=shared) if shared is not None else None
    description = replace(observed.description, security=security)
    core >> box.create(-1000) >> replace(observed, description=description) >> box.execs(-995)


def asked_by(core: Core, who: Caller) -> tuple[Trigger, Confidence, int | None]:
    Client(core, who).asks(0, "StartContainer", field(1, WEB.id))
    return cause(starts(core, APP, 10))


def test_a_kubelet_in_a_container_that_is_the_host_but_for_its_files_is_one(core: Core) -> None:
    runs(core)
    assert asked_by(core, INSIDE) == EXACT
    initiator = core.starts[-1].initiator
    assert initiator is not None
    assert initiator.container_id == NODE.id


def test_a_kubelet_whose_container_was_there_before_the_agent_is_one(core: Core) -> None:
    core >> attached(-2000)
    security = Security(host_namespaces=HOSTS)
    description = replace(described(0, NODE).description, security=security)
    core >> inventory(-1500, NODE.found(-9000, description))
    assert asked_by(core, INSIDE) == EXACT


UNSURE = (Trigger.CONTAINER, Confidence.INFERRED)


def asked_early(core: Core, who: Caller = INSIDE) -> tuple[Trigger, Confidence]:
    """Have it ask before the inventory is there; return the trigger."""
    core >> attached(-2000)
    asked_by(core, who)
    event = core.starts[-1]
    assert event.start is not None
    assert event.confidence.initiator is Confidence.EXACT, "the process is known"
    return event.start.trigger, event.confidence.trigger


@pytest.mark.parametrize("by_an_earlier_agent", [False, True])
def test_before_the_inventory_a_kubelet_in_a_container_is_not_certainly_none(
    core: Core, by_an_earlier_agent: bool
) -> None:
    """An earlier agent's knowledge has no namespaces of a container."""
    if by_an_earlier_agent:
        core >> knowledge(-3000, NODE.known(running=True, born=-9000))
    assert asked_early(core) == UNSURE


def test_what_was_prepared_before_the_inventory_counts_no_more(core: Core) -> None:
    core >> attached(-2000)
    Client(core, INSIDE).asks(0, "StartContainer", field(1, WEB.id))
    core >> APP.create(10) >> described(11, APP, pod=POD)
    security = Security(host_namespaces=HOSTS)
    description = replace(described(0, NODE).description, security=security)
    core >> inventory(12, NODE.found(-9000, description)) >> APP.execs(15)
    assert cause(core.starts[-1]) == EXACT


@pytest.mark.parametrize(
    "who",
    [
        replace(INSIDE, uid=1000, euid=1000),
        replace(INSIDE, user_ns=4711),
        replace(INSIDE, exe="/usr/bin/python3"),
        replace(INSIDE, cgroup=CgroupPaths(None, f"{NODE.cgroup.v2}/docker/{DB.id}")),
    ],
    ids=["a user", "another user namespace", "another program", "a container within"],
)
def test_who_has_less_is_a_container_before_the_inventory_too(core: Core, who: Caller) -> None:
    assert asked_early(core, who) == (Trigger.CONTAINER, Confidence.EXACT)


def test_what_no_inventory_has_is_no_kubelets_container(core: Core) -> None:
    core >> attached(-2000) >> inventory(-1500)
    assert asked_by(core, INSIDE) == AS_CONTAINER


def test_one_that_only_is_connected_is_inferred_where_its_request_was_not_read(core: Core) -> None:
    runs(core)
    Client(core, INSIDE)
    trigger, certainty, pid = cause(starts(core, APP, 10))
    assert (trigger, certainty, pid) == (Trigger.ORCHESTRATOR, Confidence.INFERRED, 12)


@pytest.mark.parametrize(
    "shared",
    [None, (), ("pid",), ("network",), ("network", "ipc", "uts")],
    ids=["unknown", "none", "no network", "no pid", "others"],
)
def test_a_container_that_has_not_the_hosts_namespaces_is_a_container(
    core: Core, shared: tuple[str, ...] | None
) -> None:
    runs(core, shared)
    assert asked_by(core, INSIDE) == AS_CONTAINER


def test_a_pod_that_has_the_hosts_namespaces_is_a_container(core: Core) -> None:
    """Its author named the program, and chose ``hostPID`` and ``hostNetwork``."""
    box = NODE.in_pod(UID.replace("0a4d", "0a4e"))
    runs(core, box=box, pod=True)
    assert asked_by(core, replace(INSIDE, cgroup=box.cgroup)) == AS_CONTAINER


def test_a_users_own_container_is_a_container(core: Core) -> None:
    runs(core, box=replace(NODE, uid=1000))
    assert asked_by(core, INSIDE) == AS_CONTAINER


@pytest.mark.parametrize(
    "who",
    [
        replace(INSIDE, uid=1000, euid=1000),
        replace(INSIDE, user_ns=4711),
        replace(INSIDE, exe="/usr/bin/python3"),
        replace(INSIDE, cgroup=CgroupPaths(None, f"{NODE.cgroup.v2}/docker/{DB.id}")),
    ],
    ids=["a user", "another user namespace", "another program", "a container within"],
)
def test_who_has_less_than_the_container_is_a_container(core: Core, who: Caller) -> None:
    runs(core)
    assert asked_by(core, who)[0] is Trigger.CONTAINER


def test_a_kubelets_container_that_ended_vouches_for_no_kubelet(core: Core) -> None:
    runs(core)
    core >> NODE.exits(-500)
    assert asked_by(core, INSIDE) == AS_CONTAINER


def test_what_is_in_no_pod_is_asked_for_by_a_container(core: Core) -> None:
    runs(core)
    Client(core, INSIDE).asks(0, "StartContainer", field(1, WEB.id))
    assert cause(starts(core, WEB, 10, None)) == AS_CONTAINER


def test_a_kubelet_in_a_container_names_the_node(core: Core) -> None:
    runs(core)
    process = replace(
        facts(12, -900, comm="kubelet", exe="kubelet", cgroup=NODE.cgroup), user_ns=0xEFFFFFFD
    )
    argv = ("kubelet", "--hostname-override=node-a")
    core >> command(-800, argv, role=Role.ORCHESTRATOR, program="kubelet", process=process)
    event = starts(core, APP, 10)
    assert event.host is not None
    assert event.host.node == "node-a"


def test_a_kubelet_in_a_container_that_ended_is_named_no_more(core: Core) -> None:
    runs(core)
    Client(core, INSIDE)
    core >> CommandExit(ns(100), 1, ProcessKey(12, INSIDE.start_time or 0), 0)
    event = starts(core, DB.in_pod(UID), 200)
    assert cause(event)[2] is None
