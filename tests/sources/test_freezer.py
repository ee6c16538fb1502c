"""On the v1 hierarchy a pause is what the freezer says when the command ends."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from sensor.model.observations import CgroupFrozen, CommandExec, CommandExit, Observation
from sensor.model.process import CgroupPaths, ProcessFacts, ProcessKey
from sensor.model.vocabulary import Role
from sensor.sources.freezer import COMMANDS_MAX, LOOKS_MAX, FreezerReader, freezer_root

PATH = "/docker/" + "a" * 64
OTHER = "/docker/" + "b" * 64
SCOPE = "/machine.slice/libpod-" + "c" * 64 + ".scope"
SECOND = 1_000_000_000


def command(pid: int, *argv: str, role: Role = Role.RUNTIME) -> CommandExec:
    facts = ProcessFacts(
        ProcessKey(pid, pid), 0, 0, None, None, "runc", "runc", None, (pid,), 1, 1, 1,
        CgroupPaths(None, None), (),
    )  # fmt: skip
    return CommandExec(1, pid, role, "runc", facts, ("runc", *argv), argv_truncated=False)


def ends(pid: int, time: int = 5, *, again: bool = False) -> CommandExit:
    return CommandExit(time, pid, ProcessKey(pid, pid), 0, again)


class Host:
    """A node with a v1 freezer and three containers."""

    def __init__(self, base: Path) -> None:
        self.proc, self.root = base / "proc", base / "freezer"
        self.inits = {10: PATH, 11: OTHER, 12: SCOPE}
        for pid, path in self.inits.items():
            (self.proc / str(pid)).mkdir(parents=True)
            (self.proc / str(pid) / "cgroup").write_text(f"8:pids:{path}\n6:freezer:{path}\n0::/\n")
            self.say(path, "THAWED")
        self.reader = FreezerReader(lambda: self.inits, self.root, self.proc)

    def say(self, path: str, state: str) -> None:
        place = self.root / path.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        (place / "freezer.state").write_text(f"{state}\n")

    def sift(self, batch: Iterable[Observation]) -> list[Observation]:
        return self.reader.sift([*batch])


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_what_the_freezer_says_stands_before_the_end_of_the_command(host: Host) -> None:
    host.say(PATH, "FROZEN")
    pause, end = command(50, "pause", "a" * 64), ends(50)
    first, frozen, last = host.sift([pause, end])
    assert (first, last) == (pause, end)
    assert isinstance(frozen, CgroupFrozen)
    assert (frozen.path, frozen.frozen, frozen.settled, frozen.time) == (PATH, True, True, 5)
    assert frozen.process == ProcessKey(50, 50)


def test_a_command_that_froze_nothing_is_contradicted(host: Host) -> None:
    (_, thawed, _) = host.sift([command(50, "pause", "a" * 64), ends(50)])
    assert isinstance(thawed, CgroupFrozen)
    assert not thawed.frozen


def test_a_container_in_a_scope_of_systemd_is_found_by_its_id(host: Host) -> None:
    host.say(SCOPE, "FROZEN")
    found = host.sift([command(50, "--root", "/x", "resume", "c" * 64), ends(50)])
    assert [one.path for one in found if isinstance(one, CgroupFrozen)] == [SCOPE]


@pytest.mark.parametrize(
    "batch",
    [
        [command(50, "kill", "a" * 64), ends(50)],
        [command(50, "pause", "a" * 64, role=Role.CLIENT), ends(50)],
        [command(50, "pause", "nobody"), ends(50)],
        [command(50, "pause", "a" * 64), ends(51)],
        [command(50, "pause", "a" * 64), ends(50, again=True)],
    ],
)
def test_nothing_else_has_the_freezer_read(host: Host, batch: list[Observation]) -> None:
    assert host.sift(batch) == batch


def test_a_host_without_a_v1_freezer_reads_nothing(host: Host) -> None:
    reader = FreezerReader(lambda: pytest.fail("looked"), None, host.proc)
    batch: list[Observation] = [command(50, "pause", "a" * 64), ends(50)]
    assert reader.sift(batch) == batch


def test_a_flood_of_commands_has_the_freezer_read_a_few_times_a_second(host: Host) -> None:
    read = 0
    for number in range(3 * LOOKS_MAX):
        found = host.sift([command(50, "pause", "a" * 64), ends(50, SECOND + number)])
        read += any(isinstance(one, CgroupFrozen) for one in found)
    assert (read, host.reader.limited) == (LOOKS_MAX, 2 * LOOKS_MAX)
    assert len(host.sift([command(50, "pause", "a" * 64), ends(50, 3 * SECOND)])) == 3


def test_commands_that_never_end_are_forgotten(host: Host) -> None:
    host.sift([command(100 + number, "pause", "a" * 64) for number in range(COMMANDS_MAX + 1)])
    assert len(host.sift([ends(100)])) == 1
    assert len(host.sift([ends(101)])) == 2


def test_a_path_never_leads_out_of_the_freezer(host: Host, tmp_path: Path) -> None:
    (tmp_path / "freezer.state").write_text("FROZEN\n")
    (host.proc / "10" / "cgroup").write_text("6:freezer:/x/../..\n")
    batch: list[Observation] = [command(50, "pause", ".."), ends(50)]
    assert host.sift(batch) == batch


def test_the_v1_freezer_is_found_among_the_mounts(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
        "cgroup /sys/fs/cgroup/freezer\\040x cgroup rw,nosuid,freezer 0 0\n"
    )
    assert freezer_root(mounts) == Path("/sys/fs/cgroup/freezer x")
    mounts.write_text("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    assert freezer_root(mounts) is None
    assert freezer_root(tmp_path / "absent") is None
