"""Which container an init belongs to, by the rules at the top of init_owners.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.lifecycle import DESCRIPTION_WAIT
from sensor.model.container import Description
from sensor.model.inventory import ContainerDescribed
from sensor.model.process import CgroupPaths, ProcessKey
from sensor.model.vocabulary import Confidence, Lineage
from tests.correlate.observations import MS, ns
from tests.correlate.scenario import DB, PLAIN, WEB, Core

START, FAILED, STOP = "container.start", "container.start_failed", "container.stop"
WAIT = DESCRIPTION_WAIT / MS


# --------------------------------------------------------------- 2: whose init it is


def test_a_renamed_runtime_is_known_by_the_cgroup_that_it_makes(core: Core) -> None:
    odd = replace(PLAIN, program="frobnicate")
    core >> odd.birth(0) >> odd.described(1) >> odd.execs(5, lineage=Lineage.CGROUP_MAKER)
    container = core.start.container
    assert container is not None
    assert (container.id, container.oci_runtime) == ("plain", "frobnicate")
    assert core.start.confidence.container is Confidence.EXACT
    assert [request.bundle for request in core.requests] == ["/bundles/plain"]


def test_a_cgroup_whose_maker_reads_like_no_runtime_has_no_owner(core: Core) -> None:
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


def test_a_cgroup_without_an_init_is_not_a_container(core: Core) -> None:
    core >> replace(PLAIN, path="/innocuous", program="innocent").birth(0)
    core.wait(until=10_000)
    assert core.types() == []


def test_the_cgroups_own_name_is_enough_when_no_command_was_seen(core: Core) -> None:
    core >> WEB.execs(5, lineage=Lineage.CGROUP) >> WEB.described(6)
    assert core.start.confidence.container is Confidence.EXACT
    assert [e.what for e in core.start.evidence] == ["first execve of the init"]
    (request,) = core.requests
    assert (request.id, request.cgroup, request.bundle) == (WEB.id, f"/docker/{WEB.id}", None)


def test_a_cgroup_that_only_may_be_an_id_is_not_a_container_without_a_command(core: Core) -> None:
    core >> PLAIN.execs(5, lineage=Lineage.CGROUP)
    core.wait(until=WAIT + 10)
    assert core.types() == []
    core >> PLAIN.again().create(500) >> PLAIN.again().described(501) >> PLAIN.again().execs(505)
    assert core.types() == [START]


def test_a_private_pid_namespace_without_runtime_or_cgroup_is_not_a_container(core: Core) -> None:
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


def test_an_init_below_a_runtime_whose_command_was_held_back_is_a_start_of_unknown_id(
    core: Core,
) -> None:
    """A flood of commands by the same user uses up what the probes hand on of them."""
    core >> replace(PLAIN.execs(5), causes_lost=True) >> PLAIN.exits(9)
    assert core.types() == [START, STOP]
    assert core.start.container is not None
    assert (core.start.container.id, core.start.container.pid) == (None, PLAIN.init.pid)
    assert core.start.confidence.container is Confidence.INFERRED


def test_a_plain_users_init_below_an_unknown_runtime_is_a_start_without_a_note_of_loss(
    core: Core,
) -> None:
    """Else a flood of their own commands would hide it."""
    exec_ = PLAIN.execs(5)
    core >> replace(exec_, process=replace(exec_.process, uid=1001))
    assert core.types() == [START]


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
    core >> replace(WEB, path=f"/system.slice/docker-{WEB.id}.scope").life(-90)[:-1]
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
    """cgroup-parent-like-a-build, the same kind: who starts a container chooses it."""
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


def test_a_cgroup_that_only_may_be_an_id_is_not_a_parent(core: Core) -> None:
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
