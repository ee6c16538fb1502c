"""Bad input that needs no engine: what cannot be waited for, or is too much to be made for real."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.container_table import CONTAINERS_MAX
from sensor.model.observations import Observation
from sensor.model.vocabulary import Confidence, ContainerId
from tests.correlate.observations import (
    SESSION,
    ancestor,
    asks,
    below,
    caller,
    command,
    connects,
    facts,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import WEB, Core, numbered

HOUR = 3_600_000
MALLORY = 1001


def test_an_init_that_waits_an_hour_before_its_execve_is_one_start() -> None:
    core = Core()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.created(20)
    core >> WEB.other(HOUR, "start") >> WEB.execs(HOUR + 5) >> WEB.exits(HOUR + 50)
    assert core.types() == ["container.start", "container.stop"]
    start = core.events[0]
    assert start.container is not None
    assert (start.container.id, start.container.name) == (WEB.id, WEB.name)


def test_more_containers_than_the_table_holds_do_not_take_roots_place() -> None:
    """16,384 containers, by a user who makes them up; root's container runs through all of it."""
    core = Core()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    process = facts(900, 0, comm="runc", exe="runc", cgroup=SESSION, uid=MALLORY)
    batch: list[Observation] = [
        command(10 + n / 100, ("runc", "create", "-b", "/b", f"f{n}"), process=process)
        for n in range(CONTAINERS_MAX + 500)
    ]
    for at in range(0, len(batch), 1000):
        core >> batch[at : at + 1000]
    core >> WEB.exits(5000)
    assert core.types().count("container.start") == 1
    assert core.types()[-1] == "container.stop"
    stop = core.events[-1]
    assert stop.container is not None
    assert stop.container.id == WEB.id


def test_as_many_running_containers_of_root_are_all_reported() -> None:
    """16,384 that run at once: the table holds them, and each has its own start."""
    core = Core()
    count = CONTAINERS_MAX
    for n in range(count):
        # Ten seconds apart: no user starts so many at once.
        box, at = numbered(n), 10_000 * n
        core >> [box.create(at), box.described(at + 1), box.execs(at + 2)]
    assert core.types() == ["container.start"] * count
    ids = {event.container.id for event in core.events if event.container is not None}
    assert len(ids) == count


def test_a_pid_that_is_used_again_is_another_process() -> None:
    core = Core()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5) >> WEB.exits(10)
    other = replace(WEB, id=ContainerId("e" * 64), name="other", run=3, path=f"/docker/{'e' * 64}")
    assert other.again().pid != other.pid
    reused = replace(other, pid=WEB.pid)
    core >> reused.create(100) >> reused.described(101) >> reused.execs(105)
    assert core.types() == ["container.start", "container.stop", "container.start"]
    last = core.events[-1]
    assert last.container is not None
    assert last.container.id == reused.id


@pytest.mark.parametrize("beside", ["request", "command", "nothing"])
def test_a_poser_that_connects_to_a_port_of_the_engine_is_not_exact(beside: str) -> None:
    """sec-forged-client-is-exact, by a TLS port: who connects there may still be refused."""
    core = Core()
    poser = typed(0, "docker -H tcp://127.0.0.1:2376 start web", 52, uid=MALLORY)
    connect = replace(talks(poser, "tcp:127.0.0.1:2376"), confirmed=False)
    core >> poser >> connect
    if beside == "request":
        line = f"POST /containers/{WEB.id}/start"
        core >> connects(1, caller(77)) >> requests(2, caller(77), line)
    elif beside == "command":
        core >> asks(1, "docker start web", 77, uid=0)
    shim = ancestor("containerd-shim-runc-v2", 60)
    core >> below(WEB.create(10), shim) >> WEB.described(11) >> WEB.execs(15)
    (start,) = core.starts
    blamed = start.initiator.process.pid if start.initiator and start.initiator.process else None
    sure = start.confidence.initiator
    if beside == "nothing":
        assert (blamed, sure) == (52, Confidence.INFERRED)
    else:
        assert (blamed, sure) == (77, Confidence.EXACT)


def test_a_strangers_run_start_and_delete_of_an_id_is_not_a_gap() -> None:
    """A plain user's command lines alone make no loss, either."""
    core = Core()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    fake = replace(WEB, pid=800, run=1, uid=MALLORY, place=SESSION, id=ContainerId("named"))
    core >> fake.create(10, "run") >> fake.other(20, "start") >> fake.other(30, "delete")
    assert core.types() == ["container.start"]
