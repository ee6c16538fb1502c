"""What runs before the probes come is written into their maps as if they had seen it begin."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from sensor.bpf import seed
from sensor.bpf.libbpf import BpfMap, MapShape
from sensor.bpf.seed import Running, copy, fill, scan
from sensor.bpf.watched import Roles, WatchedProgram
from sensor.model.process import NS_PER_TICK
from sensor.model.vocabulary import Role

HOST_MOUNTS, BOX_MOUNTS = 4026531841, 4026532500
ROLES = Roles(
    (
        WatchedProgram("runc", Role.RUNTIME),
        WatchedProgram("containerd-shim", Role.SHIM),
        WatchedProgram("docker", Role.CLIENT),
    )
)
SHIM = Running(20, 1, 200, "containerd-shim", "containerd-shim-runc-v2", 0, 20, HOST_MOUNTS)
INIT = Running(30, 20, 300, "nginx", "nginx", 1, 1, BOX_MOUNTS)
RUNC = Running(40, 20, 400, "runc", "runc", 0, 40, HOST_MOUNTS)
SHELL = Running(50, 1, 500, "bash", "bash", 0, 50, HOST_MOUNTS)


class DictMap:
    """A BPF map without a kernel."""

    def __init__(self, value_size: int = 16) -> None:
        self.shape = MapShape(4, value_size, 99)
        self.entries: dict[bytes, bytes] = {}

    def update(self, key: bytes, value: bytes) -> None:
        self.entries[key] = value

    def delete(self, key: bytes) -> None:
        self.entries.pop(key, None)

    def lookup(self, key: bytes) -> bytes | None:
        return self.entries.get(key)

    def keys(self) -> Iterator[bytes]:
        yield from list(self.entries)


class Maps:
    """The three maps that are seeded."""

    def __init__(self) -> None:
        self.inits, self.mounts, self.lineages = DictMap(), DictMap(), DictMap()

    def fill(self, *processes: Running) -> None:
        made = {"inits": self.inits, "started_mounts": self.mounts, "lineages": self.lineages}
        fill(processes, ROLES, {name: cast(BpfMap, value) for name, value in made.items()})

    def started(self) -> dict[int, tuple[int, ...]]:
        entries = self.inits.entries.items()
        return {int.from_bytes(key, "little"): seed._STARTED.unpack(v) for key, v in entries}

    def founders(self) -> dict[int, tuple[int, int]]:
        """Per pid: its founder's pid and the kind of lineage."""
        unpacked = {
            int.from_bytes(key, "little"): seed._LINEAGE.unpack(value)
            for key, value in self.lineages.entries.items()
        }
        return {pid: (fields[1], fields[4]) for pid, fields in unpacked.items()}


@pytest.fixture
def maps(monkeypatch: pytest.MonkeyPatch) -> Maps:
    """Maps for processes that all stay as they are."""
    alive = {one.pid: one for one in (SHIM, INIT, RUNC, SHELL)}
    monkeypatch.setattr(seed, "_read", lambda path: alive.get(int(path.name)))
    return Maps()


def test_inits_of_running_containers_have_started(maps: Maps) -> None:
    maps.fill(SHIM, INIT, SHELL)
    assert maps.started() == {30: (0, BOX_MOUNTS, 0)}
    assert struct.pack("<I", BOX_MOUNTS) in maps.mounts.entries


def test_the_loader_in_a_container_leaves_its_mount_namespace_to_the_next_one(maps: Maps) -> None:
    loader = replace(INIT, pid=os.getppid(), level=0, innermost_pid=os.getppid())
    maps.fill(SHIM, loader, replace(loader, pid=os.getpid(), parent=loader.pid), SHELL)
    assert set(maps.mounts.entries) == {struct.pack("I", HOST_MOUNTS)}


def test_an_init_that_ended_meanwhile_leaves_no_entry(
    maps: Maps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "_read", lambda _path: None)
    maps.fill(INIT)
    assert maps.started() == {}


def test_an_init_whose_pid_was_reused_meanwhile_leaves_no_entry(
    maps: Maps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "_read", lambda _path: replace(INIT, start_time=999))
    maps.fill(INIT)
    assert maps.started() == {}


@pytest.mark.parametrize("comm", ["runc:[2:INIT]", "runc:[1:CHILD]"])
def test_an_init_that_waits_to_be_started_has_not(maps: Maps, comm: str) -> None:
    maps.fill(SHIM, replace(INIT, comm=comm, exe="6"))
    assert maps.started() == {}
    assert struct.pack("<I", BOX_MOUNTS) not in maps.mounts.entries


def test_a_runtime_that_waits_in_the_containers_namespaces_has_not_started(maps: Maps) -> None:
    maps.fill(SHIM, replace(INIT, comm="runc", exe="runc"))
    assert maps.started() == {}


def test_processes_below_a_shim_are_of_its_lineage(maps: Maps) -> None:
    child = Running(60, 20, 600, "sh", "sh", 0, 60, HOST_MOUNTS)
    grandchild = replace(child, pid=61, parent=60)
    maps.fill(SHIM, child, grandchild, SHELL)
    assert maps.founders() == {20: (20, 2), 60: (20, 2), 61: (20, 2)}


def test_processes_below_a_runtime_are_of_its_lineage_first(maps: Maps) -> None:
    hook = Running(70, 40, 700, "hook", "hook", 0, 70, HOST_MOUNTS)
    maps.fill(SHIM, RUNC, hook)
    assert maps.founders() == {20: (20, 2), 40: (40, 1), 70: (40, 1)}


def test_what_left_its_founders_mounts_has_no_lineage(maps: Maps) -> None:
    maps.fill(SHIM, INIT, replace(INIT, pid=31, parent=30, innermost_pid=7))
    assert maps.founders() == {20: (20, 2)}


def test_a_client_founds_nothing(maps: Maps) -> None:
    maps.fill(replace(SHELL, comm="docker", exe="docker"))
    assert maps.founders() == {}


def test_parents_that_go_in_circles_end(maps: Maps) -> None:
    maps.fill(replace(SHELL, pid=1, parent=2), replace(SHELL, pid=2, parent=1))
    assert maps.founders() == {}


def test_only_maps_of_one_shape_are_copied() -> None:
    source, same, other = DictMap(), DictMap(), DictMap(value_size=24)
    source.update(b"\1\0\0\0", b"v" * 16)
    assert copy(cast(BpfMap, source), cast(BpfMap, same)) == 1
    assert same.entries == source.entries
    assert copy(cast(BpfMap, source), cast(BpfMap, other)) == 0
    assert other.entries == {}


def process(proc: Path, pid: int, comm: str, *, exe: str | None, ns_pids: str) -> None:
    base = proc / str(pid)
    (base / "ns").mkdir(parents=True)
    fields = ["S", "7", *["0"] * 17, "1234", *["0"] * 30]
    (base / "stat").write_bytes(f"{pid} ({comm}) {' '.join(fields)}\n".encode())
    (base / "status").write_text(f"Name:\tx\nNSpid:\t{ns_pids}\nNSpgid:\t1\n")
    (base / "ns" / "mnt").symlink_to(f"mnt:[{BOX_MOUNTS}]")
    if exe is not None:
        (base / "exe").symlink_to(exe)


def test_processes_are_read_from_procfs(tmp_path: Path) -> None:
    process(tmp_path, 300, "a) R (b", exe="/usr/bin/odd name", ns_pids="300\t1")
    process(tmp_path, 301, "gone", exe="/usr/bin/runc (deleted)", ns_pids="301")
    process(tmp_path, 302, "kworker", exe=None, ns_pids="302")
    (tmp_path / "self").mkdir()
    (tmp_path / "303").mkdir()
    found = {running.pid: running for running in scan(tmp_path)}
    assert found == {
        300: Running(300, 7, 1234 * NS_PER_TICK, "a) R (b", "odd name", 1, 1, BOX_MOUNTS),
        301: Running(301, 7, 1234 * NS_PER_TICK, "gone", "runc", 0, 301, BOX_MOUNTS),
    }


def test_a_kernel_without_namespace_pids_leaves_the_outer_one(tmp_path: Path) -> None:
    process(tmp_path, 300, "sh", exe="/bin/sh", ns_pids="300")
    (tmp_path / "300" / "status").write_text("Name:\tsh\n")
    (only,) = scan(tmp_path)
    assert (only.level, only.innermost_pid) == (0, 300)


def test_this_process_is_found_as_it_is() -> None:

    own = next(running for running in scan() if running.pid == os.getpid())
    assert own.parent == os.getppid()
    assert own.mnt_ns == Path("/proc/self/ns/mnt").stat().st_ino


def test_a_zombie_is_not_alive() -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        assert seed.is_alive(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not seed.is_alive(process.pid)
    finally:
        process.wait()
    assert not seed.is_alive(process.pid)
