"""What runtimes, supervisors and engines did lately: found by process, path and container."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate import runtimes
from sensor.correlate.authority import HOST_ROOT, Origin
from sensor.correlate.runtime_command import Verb
from sensor.correlate.runtimes import RuntimeLog
from sensor.model.process import CgroupPaths, ProcessKey
from sensor.model.vocabulary import Role
from tests.correlate.observations import MS, ROLES, ancestor, command, engine_boots, facts, ns
from tests.correlate.scenario import DB, WEB, numbered, supervised

MALLORY = Origin(1001)


@pytest.fixture
def log() -> RuntimeLog:
    return RuntimeLog(ROLES.of_name)


def test_a_creation_is_found_by_the_process_that_ran_it(log: RuntimeLog) -> None:
    run = log.add_runtime(WEB.create(0), HOST_ROOT)
    assert run is not None
    key = WEB.runtime.key
    assert log.creation_of(key) is run.creation
    assert log.creation_of(ProcessKey(key.pid, key.start_time + 20 * MS)) is None
    assert log.creation_of(ProcessKey(key.pid + 1, key.start_time)) is None
    assert log.creation_of(None) is None


def test_a_command_reported_twice_counts_once(log: RuntimeLog) -> None:
    run = log.add_runtime(WEB.create(0), HOST_ROOT)
    assert run is not None
    assert log.add_runtime(WEB.create(1), HOST_ROOT) is None
    assert log.creation_of(WEB.runtime.key) is run.creation


def test_a_process_that_runs_another_command_replaces_its_first(log: RuntimeLog) -> None:
    log.add_runtime(WEB.create(0), HOST_ROOT)
    other = replace(WEB, root="/elsewhere")
    run = log.add_runtime(other.create(1), HOST_ROOT)
    assert run is not None
    assert run.creation is log.creation_of(WEB.runtime.key)


def test_a_command_that_is_not_understood_leaves_the_one_before(log: RuntimeLog) -> None:
    """Runc executes "runc init" in the process that ran "runc create"."""
    log.add_runtime(WEB.create(0), HOST_ROOT)
    again = command(1, ("runc", "init"), process=WEB.runtime)
    assert log.add_runtime(again, HOST_ROOT) is None
    assert log.creation_of(WEB.runtime.key) is not None


def test_another_verb_is_taken_out_by_its_process_once(log: RuntimeLog) -> None:
    exec_ = WEB.other(0, "pause")
    log.add_runtime(exec_, HOST_ROOT)
    key = exec_.process.key
    assert log.take_command(ProcessKey(key.pid, key.start_time + 20 * MS)) is None
    taken = log.take_command(key)
    assert taken is not None
    assert taken.command is not None
    assert taken.command.verb is Verb.PAUSE
    assert log.take_command(key) is None


def test_the_nearest_creating_command_above_an_init_counts(log: RuntimeLog) -> None:
    """A shell that is called runc runs the runtime: both are above the init."""
    shell = command(0, ("runc", "-c", "runc run x"), process=facts(40, 0))
    log.add_runtime(shell, HOST_ROOT)
    run = log.add_runtime(WEB.create(1), HOST_ROOT)
    assert run is not None
    above = (ancestor("runc", WEB.pid, WEB.born), ancestor("runc", 40, 0))
    assert log.creation_above(shell.process.key, above) is run.creation
    assert log.run_above(shell.process.key, above) is run
    assert log.creation_above(shell.process.key, ()) is None
    only = log.run_above(shell.process.key, ())
    assert only is not None
    assert only.exec is shell


def test_other_commands_forget_no_creation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "COMMANDS_MAX", 10)
    log = RuntimeLog(ROLES.of_name)
    log.add_runtime(WEB.create(0), HOST_ROOT)
    deletes = [
        command(1, ("runc", "delete", WEB.id), process=facts(1000 + number, 1))
        for number in range(30)
    ]
    for one in deletes:
        log.add_runtime(one, HOST_ROOT)
    assert log.creation_of(WEB.runtime.key) is not None
    found = [log.run_of(one.process.key) is not None for one in deletes]
    assert found == [False] * 20 + [True] * 10


def test_what_led_to_a_run_is_forgotten_with_it(log: RuntimeLog) -> None:
    run = log.add_runtime(WEB.create(0), HOST_ROOT)
    other = log.add_runtime(DB.create(0), HOST_ROOT)
    assert run is not None
    assert other is not None
    log.add_birth(WEB.birth(1), HOST_ROOT)
    assert log.birth_of(WEB.birth(1).path) is run.creation
    log.forget_run(WEB.id, HOST_ROOT, run.creation, CgroupPaths(None, WEB.birth(1).path))
    assert log.creation_of(WEB.runtime.key) is None
    assert log.birth_of(WEB.birth(1).path) is None
    assert log.creation_of(DB.runtime.key) is other.creation


def test_only_the_latest_creations_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "CREATIONS_MAX", 10)
    log = RuntimeLog(ROLES.of_name)
    boxes = [numbered(number) for number in range(30)]
    for box in boxes:
        log.add_runtime(box.create(0), HOST_ROOT)
    found = [log.creation_of(box.runtime.key) is not None for box in boxes]
    assert found == [False] * 20 + [True] * 10


def test_a_users_commands_forget_nothing_of_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "CREATIONS_MAX", 10)
    log = RuntimeLog(ROLES.of_name)
    log.add_runtime(WEB.create(0), HOST_ROOT)
    for number in range(100):
        log.add_runtime(numbered(number).create(1), MALLORY)
    assert log.creation_of(WEB.runtime.key) is not None


def test_only_the_latest_births_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "BIRTHS_MAX", 10)
    log = RuntimeLog(ROLES.of_name)
    boxes = [numbered(number) for number in range(30)]
    for box in boxes:
        assert log.add_birth(box.birth(0), HOST_ROOT) is not None
    found = [log.birth_of(None, box.cgroup.v2) is not None for box in boxes]
    assert found == [False] * 20 + [True] * 10


@pytest.mark.parametrize(
    ("program", "makes"),
    [("innocent", True), ("runc", True), ("podman", False), ("containerd-shim-runc-v2", False)],
)
def test_a_cgroup_is_a_creation_unless_its_maker_is_known_for_another_role(
    log: RuntimeLog, program: str, *, makes: bool
) -> None:
    birth = replace(WEB.birth(0), maker=facts(9, 0, comm=program[:15], exe=program), path="/x")
    creation = log.add_birth(birth, HOST_ROOT)
    assert (creation is not None) is makes
    if creation is not None:
        assert (creation.by_cgroup, creation.named) == (True, False)
    assert log.maker_of(None, "/x") is birth


def test_an_engines_latest_boot_is_known_by_its_program(log: RuntimeLog) -> None:
    log.add_engine(engine_boots(0), HOST_ROOT, ())
    log.add_engine(engine_boots(50), HOST_ROOT, ())
    log.add_engine(engine_boots(60), HOST_ROOT, (WEB.id,))
    (outer,) = log.engine_boots("dockerd", (), HOST_ROOT)
    (inner,) = log.engine_boots("dockerd", (WEB.id,), None)
    assert (outer.time, inner.time) == (ns(50), ns(60))
    assert log.engine_boots("crio", (), HOST_ROOT) == []


def test_a_users_engine_takes_no_place_of_roots_of_the_same_name(log: RuntimeLog) -> None:
    log.add_engine(engine_boots(0), HOST_ROOT, ())
    log.add_engine(engine_boots(50), MALLORY, ())
    assert [boot.time for boot in log.engine_boots("dockerd", (), HOST_ROOT)] == [ns(0)]
    assert {boot.time for boot in log.engine_boots("dockerd", (), MALLORY)} == {ns(0), ns(50)}


def test_a_users_process_is_no_supervisor_of_roots_container(log: RuntimeLog) -> None:
    """A command line may name any container, before its own shim does."""
    above = ancestor("containerd", 8)
    forged = supervised(0, WEB, "containerd-shim-runc-v2", "-id", WEB.id, above=above)
    own = supervised(1, WEB, "containerd-shim-runc-v2", "-id", WEB.id, above=above)
    log.add_supervisor(forged, MALLORY)
    assert log.supervisor_of(WEB.id, HOST_ROOT) is None
    log.add_supervisor(own, HOST_ROOT)
    assert log.supervisor_of(WEB.id, HOST_ROOT) is own
    log.forget_run(WEB.id, MALLORY, None)
    assert log.supervisor_of(WEB.id, Origin(1002)) is None, "root's goes with a user's own"


def test_a_supervisor_is_known_until_its_run_ends(log: RuntimeLog) -> None:
    above = ancestor("containerd", 8)
    first = supervised(0, WEB, "containerd-shim-runc-v2", "-id", WEB.id, above=above)
    second = supervised(1, WEB, "containerd-shim-runc-v2", "-id", WEB.id, "start", above=above)
    log.add_supervisor(first, HOST_ROOT)
    log.add_supervisor(second, HOST_ROOT)
    assert log.supervisor_of(WEB.id, HOST_ROOT) is first
    assert log.supervisor_of(DB.id, None) is None
    log.forget_run(WEB.id, HOST_ROOT, None)
    assert log.supervisor_of(WEB.id, HOST_ROOT) is None
    log.forget_run(WEB.id, HOST_ROOT, None)


def test_what_is_only_called_a_supervisor_supervises_nothing(log: RuntimeLog) -> None:
    shell = command(
        0, ("containerd-shim-x", "-c", "runc run x"), role=Role.SHIM, process=facts(41, 0)
    )
    log.add_supervisor(shell, HOST_ROOT)
    assert log.supervises_nothing(ancestor("containerd-shim-x", 41, 0))
    assert not log.supervises_nothing(ancestor("containerd-shim-x", 41, 5))
    assert not log.supervises_nothing(ancestor("containerd-shim-x", 42, 0))
