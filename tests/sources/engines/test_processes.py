"""Which processes are looked at, by real processes that bear engines' names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.sources.engines import processes
from sensor.sources.engines.processes import WHOLE_EVERY, YOUNG, EngineProcesses
from tests.sources.engines.test_listeners import process_called

PROC = Path("/proc")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engines(clock: Clock) -> EngineProcesses:
    one = EngineProcesses(frozenset({"dockerd"}), PROC, clock)
    one.all()
    return one


def pids_of(found: tuple[tuple[int, str], ...]) -> set[int]:
    return {pid for pid, _ in found}


def test_a_new_engine_is_among_the_latest_until_it_ends(engines: EngineProcesses) -> None:
    with process_called("dockerd") as pid:
        assert (pid, "dockerd") in engines.latest()
        assert (pid, "dockerd") in engines.latest()
    assert pid not in pids_of(engines.latest())


def test_the_latest_are_looked_for_among_known_engines_and_new_processes_alone(
    engines: EngineProcesses, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    inner = processes.engines_among

    def among(*given: object) -> object:
        candidates = list(given[0])  # type: ignore[call-overload] # the pids
        looked.extend(candidates)
        return inner(candidates, *given[1:])  # type: ignore[arg-type] # as they came

    with process_called("dockerd") as known:
        engines.latest()
        with process_called("cat") as other:
            clock.now += YOUNG
            engines.latest()
            monkeypatch.setattr(processes, "engines_among", among)
            clock.now += YOUNG / 2
            assert known in pids_of(engines.latest())
            assert known in looked
            assert other in looked, "it is young"
            assert 1 not in looked
            looked.clear()
            clock.now += YOUNG / 4
            engines.latest()
            assert 1 not in looked
            looked.clear()
            clock.now += WHOLE_EVERY
            engines.latest()
            assert {1, known, other} <= set(looked)


def test_pids_that_begin_again_have_all_processes_looked_at(
    engines: EngineProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    with process_called("dockerd") as pid:
        monkeypatch.setattr(processes, "_last_pid", lambda _: 5)
        assert pid in pids_of(engines.latest())


def test_a_procfs_of_another_pid_namespace_is_looked_at_as_a_whole(
    tmp_path: Path, clock: Clock
) -> None:
    for pid, name in ((7, "cat"), (9, "dockerd")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n", encoding="ascii")
    (tmp_path / "loadavg").write_text("0.00 0.00 0.00 1/2 9\n", encoding="ascii")
    engines = EngineProcesses(frozenset({"dockerd"}), tmp_path, clock)
    assert engines.latest() == ((9, "dockerd"),)
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "comm").write_text("dockerd\n", encoding="ascii")
    assert engines.latest() == ((3, "dockerd"), (9, "dockerd"))
