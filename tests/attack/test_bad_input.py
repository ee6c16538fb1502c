"""Bad input that needs no engine: what cannot be waited for, or is too much to be made for real."""

from __future__ import annotations

from dataclasses import replace

from sensor.correlate.containers import CONTAINERS_MAX
from sensor.model.observations import Observation
from sensor.model.vocabulary import ContainerId
from tests.correlate.scenario import SESSION, WEB, Core, command, facts, numbered

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
        # Ten seconds apart: nobody starts so many at once.
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


def test_a_strangers_run_start_and_delete_of_an_id_is_no_gap() -> None:
    """A plain user's command lines alone make no loss, either."""
    core = Core()
    core >> WEB.create(0) >> WEB.described(1) >> WEB.execs(5)
    fake = replace(WEB, pid=800, run=1, uid=MALLORY, place=SESSION, id=ContainerId("named"))
    core >> fake.create(10, "run") >> fake.other(20, "start") >> fake.other(30, "delete")
    assert core.types() == ["container.start"]
