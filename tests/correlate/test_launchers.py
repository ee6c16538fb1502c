"""Containers that a program without an engine or a runtime starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.process import ProcessKey
from sensor.model.vocabulary import ContainerId, Engine, Lineage, Role, StartKind, Trigger
from tests.correlate.cases import ANN, INFERRED, MALLORY, cause
from tests.correlate.observations import ancestor, ns, typed
from tests.correlate.scenario import Box, Core


def test_a_launcher_that_moved_into_its_containers_cgroup_is_outside_of_it(core: Core) -> None:
    """lxc-start, the same kind: lxc-execute goes into the cgroup that it makes."""
    box = Box("job", ContainerId("job"), pid=300, path="/lxc.payload.job")
    launch = typed(0, "lxc-execute -n job -- true", ANN, cgroup=box.cgroup)
    launch = replace(launch, role=Role.ENGINE, program="lxc-execute")
    exec_ = box.execs(50, lineage=Lineage.SUPERVISOR)
    above = ancestor("lxc-execute", ANN, 0)
    core >> launch >> replace(exec_, process=replace(exec_.process, ancestors=(above,)))
    core.wait(until=2000)
    event = core.start
    assert event.initiator is not None
    assert event.initiator.container_id is None
    assert event.start is not None
    assert event.start.trigger is Trigger.USER_COMMAND


def test_lxc_names_its_container_and_who_ran_it(core: Core) -> None:
    """lxc-start: its monitor is forked from the command that was typed."""
    launch = typed(0, "lxc-start -n web", ANN)
    launch = replace(launch, role=Role.ENGINE, program="lxc-start")
    box = Box("web", ContainerId("web"), pid=300, path="/lxc.payload.web")
    for number, at in enumerate((0.0, 6000.0)):
        run = box if not number else box.again()
        began = replace(
            launch,
            time=ns(at),
            process=replace(launch.process, key=ProcessKey(ANN + number, ns(at))),
        )
        exec_ = run.execs(at + 50, lineage=Lineage.SUPERVISOR)
        init = replace(
            exec_.process,
            key=ProcessKey(run.init.pid, ns(at + 20)),
            loginuid=1000,
            session=3,
            ancestors=(ancestor("[lxc monitor] x", 299, at + 10, exe="lxc-start"),),
        )
        core >> began >> replace(exec_, process=init)
        core.wait(until=at + 2000)
        core >> replace(run.exits(at + 3000), process=init.key)
    kinds = [event.start.kind for event in core.starts if event.start is not None]
    assert kinds == [StartKind.FIRST, StartKind.REACTIVATION]
    pids: list[int] = []
    for event in core.starts:
        assert event.container is not None
        assert (event.container.name, event.container.runtime) == ("web", Engine.LXC)
        assert event.initiator is not None
        assert event.initiator.process is not None
        assert event.initiator.process.argv == ("lxc-start", "-n", "web")
        pids.append(event.initiator.process.pid)
        assert event.initiator.user is not None
        assert event.initiator.user.auid == 1000
        assert event.start is not None
        assert event.start.trigger is Trigger.USER_COMMAND
    assert pids == [ANN, ANN + 1], "each start has the command that was typed for it"


@pytest.mark.parametrize("user", [0, 1001])
def test_a_machine_of_systemd_nspawn_without_a_cgroup_of_its_own_is_reported_for_root(
    core: Core, user: int
) -> None:
    """``systemd-nspawn --keep-unit --register=no``: its cgroup is its caller's."""
    launch = typed(0, "systemd-nspawn --keep-unit --register=no -D /srv/web true", ANN, uid=user)
    launch = replace(launch, role=Role.ENGINE, program="systemd-nspawn")
    box = Box("web", ContainerId("web"), pid=300, path=launch.process.cgroup.v2 or "")
    exec_ = box.execs(50, lineage=Lineage.SUPERVISOR)
    above = ancestor("systemd-nspawn", ANN, 0)
    init = replace(exec_.process, ancestors=(above,), cgroup=launch.process.cgroup)
    core >> launch >> replace(exec_, process=init, root=launch.process.key)
    core.wait(until=2000)
    if user:
        assert core.types() == []
        return
    event = core.start
    assert event.container is not None
    assert event.container.id == "web"
    assert event.initiator is not None
    assert event.initiator.process is not None
    assert event.initiator.process.argv == launch.argv


def test_another_users_program_called_like_a_launcher_started_nothing(core: Core) -> None:
    """lxc-start, the other way: a name that a stranger chose."""
    box = Box("web", ContainerId("web"), pid=300, path="/lxc.payload.web")
    real = typed(0, "lxc-start -n web", ANN, uid=0, login=None)
    fake = typed(5, "lxc-start -n web", MALLORY, uid=1001)
    for launch in (real, fake):
        core >> replace(launch, role=Role.ENGINE, program="lxc-start")
    exec_ = box.execs(50, lineage=Lineage.SUPERVISOR)
    monitor = ancestor("[lxc monitor] x", 299, 10, exe="lxc-start")
    core >> replace(exec_, process=replace(exec_.process, loginuid=None, ancestors=(monitor,)))
    core.wait(until=2000)
    assert cause(core.start)[1:] == (INFERRED, ANN)


def test_nspawn_takes_the_login_from_what_it_starts(core: Core) -> None:
    """With ``--as-pid2`` a stub of nspawn's own is the init's parent."""
    argv = "systemd-nspawn --keep-unit --register=no -D /m -M web --as-pid2 sleep 9"
    launch = replace(typed(0, argv, ANN, uid=0), role=Role.ENGINE, program="systemd-nspawn")
    exec_ = Box("web", ContainerId("web"), pid=300).execs(50, lineage=Lineage.SUPERVISOR)
    stub = ancestor("(sd-stubinit)", 299, 10, exe="systemd-nspawn")
    init = replace(exec_.process, cgroup=launch.process.cgroup, loginuid=None, ancestors=(stub,))
    core >> launch >> replace(exec_, process=init, root=launch.process.key)
    core.wait(until=2000)
    assert cause(core.start) == (Trigger.USER_COMMAND, INFERRED, ANN)
