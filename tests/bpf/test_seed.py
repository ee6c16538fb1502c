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
from sensor.bpf.pins import PinSet
from sensor.bpf.seed import Running, fill, scan
from sensor.bpf.watched import Roles, WatchedProgram
from sensor.model.process import NS_PER_TICK
from sensor.model.vocabulary import Role

HOST_MOUNTS, BOX_MOUNTS = 4026531841, 4026532500
ROLES = Roles(
    (
        WatchedProgram("runc", Role.RUNTIME),
        WatchedProgram("containerd-shim", Role.SHIM),
        WatchedProgram("docker", Role.CLIENT),
        WatchedProgram("containerd", Role.ENGINE),
        WatchedProgram("kubelet", Role.ORCHESTRATOR),
        WatchedProgram("k3s", Role.ORCHESTRATOR),
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

    def walk(self) -> Iterator[bytes]:
        yield from list(self.entries)

    def close(self) -> None:
        pass


class Maps:
    """The maps that are seeded."""

    def __init__(self) -> None:
        self.inits, self.mounts, self.lineages = DictMap(), DictMap(), DictMap()
        self.lineages_of_others = DictMap()

    def by_name(self) -> dict[str, BpfMap]:
        made = {
            "inits": self.inits,
            "started_mounts": self.mounts,
            "lineages": self.lineages,
            "lineages_of_others": self.lineages_of_others,
        }
        return {name: cast(BpfMap, value) for name, value in made.items()}

    def fill(self, *processes: Running) -> None:
        fill(processes, ROLES, self.by_name())

    def _entered(self, *, holder: bool) -> dict[int, int]:
        found = {
            int.from_bytes(key, "little"): seed._STARTED.unpack(value)
            for key, value in self.inits.entries.items()
        }
        return {pid: fields[2] for pid, fields in found.items() if bool(fields[5]) is holder}

    def started(self) -> dict[int, int]:
        """Per init its mount namespace."""
        return self._entered(holder=False)

    def holders(self) -> dict[int, int]:
        """Per process other than an init the mount namespace that ends with it."""
        return self._entered(holder=True)

    def founders(self) -> dict[int, tuple[int, int]]:
        """Per pid: its founder's pid and the kind of lineage."""
        unpacked = {
            int.from_bytes(key, "little"): seed._LINEAGE.unpack(value)
            for made in (self.lineages, self.lineages_of_others)
            for key, value in made.entries.items()
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
    assert maps.started() == {30: BOX_MOUNTS}
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


def test_an_init_that_waits_to_be_started_has_not(maps: Maps) -> None:
    maps.fill(SHIM, replace(INIT, pending=True))
    assert maps.started() == {}
    assert struct.pack("<I", BOX_MOUNTS) not in maps.mounts.entries


def test_no_name_makes_an_init_one_that_waits(maps: Maps) -> None:
    maps.fill(SHIM, replace(INIT, comm="runc:[2:INIT]"))
    assert maps.started() == {30: BOX_MOUNTS}


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


def test_each_mount_namespace_ends_with_the_oldest_process_in_it(maps: Maps) -> None:
    maps.fill(SHIM, INIT, SHELL, replace(INIT, pid=31, parent=30, innermost_pid=7))
    assert maps.holders() == {20: HOST_MOUNTS}
    mounts = {
        int.from_bytes(key, "little"): seed._MOUNT.unpack(value)[1]
        for key, value in maps.mounts.entries.items()
    }
    assert mounts == {HOST_MOUNTS: 20, BOX_MOUNTS: 30}


def test_an_init_below_a_shim_without_a_pid_namespace_is_not_a_holder(
    maps: Maps, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Running(35, 20, 350, "sleep", "sleep", 0, 35, BOX_MOUNTS)
    child = replace(shared, pid=36, parent=35, start_time=360)
    service = Running(55, 1, 550, "resolved", "resolved", 0, 55, BOX_MOUNTS + 1)
    alive = {one.pid: one for one in (SHIM, shared, child, service, SHELL)}
    monkeypatch.setattr(seed, "_read", lambda path: alive.get(int(path.name)))
    maps.fill(SHIM, shared, child, service, SHELL)
    assert maps.started() == {35: BOX_MOUNTS}
    assert maps.holders() == {20: HOST_MOUNTS, 55: BOX_MOUNTS + 1}


def test_a_holder_that_ended_meanwhile_leaves_no_mount_namespace(
    maps: Maps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "_read", lambda _path: None)
    maps.fill(SHELL)
    assert (maps.holders(), maps.mounts.entries) == ({}, {})


def test_lineages_of_plain_users_are_apart(maps: Maps) -> None:
    maps.fill(replace(SHIM, privileged=True), replace(SHIM, pid=21))
    assert list(maps.lineages.entries) == [struct.pack("<I", 20)]
    assert list(maps.lineages_of_others.entries) == [struct.pack("<I", 21)]


class OldSet:
    """The pins of a set of layout 2."""

    def __init__(self, path: Path, **maps: DictMap) -> None:
        self.path = path
        self.maps = maps

    def map(self, name: str) -> Path:
        return self.path / name

    def pinned(self, path: Path) -> BpfMap:
        if path.name not in self.maps:
            raise FileNotFoundError(path)
        return cast(BpfMap, self.maps[path.name])


def test_what_a_set_of_the_layout_before_knows_is_taken_over(
    maps: Maps, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    quiet = 1 << 31
    lineages, inits = DictMap(24), DictMap(16)
    for pid, level in ((41, 3 | quiet), (42, 3)):
        root = SHIM.pid if level & quiet else 999
        value = seed._LINEAGE_2.pack(200, root, HOST_MOUNTS, level, 1)
        lineages.update(struct.pack("<I", pid), value)
    inits.update(struct.pack("<I", 30), seed._STARTED_2.pack(303, BOX_MOUNTS, 1))
    inits.update(struct.pack("<I", 31), seed._STARTED_2.pack(0, BOX_MOUNTS, 0))
    old = OldSet(tmp_path, lineages=lineages, inits=inits)
    monkeypatch.setattr(BpfMap, "pinned", old.pinned)
    monkeypatch.setattr(seed, "_read", _privileged_shim)
    seed.take_over(cast(PinSet, old), maps.by_name(), tmp_path)
    shim = seed._LINEAGE.unpack(maps.lineages.entries[struct.pack("<I", 41)])
    assert shim == (200, SHIM.pid, HOST_MOUNTS, 3, 1, seed._QUIET | seed._PRIVILEGED)
    other = seed._LINEAGE.unpack(maps.lineages_of_others.entries[struct.pack("<I", 42)])
    assert other == (200, 999, HOST_MOUNTS, 3, 1, 0)
    assert maps.started() == {30: BOX_MOUNTS}
    (entry,) = maps.inits.entries.values()
    assert seed._STARTED.unpack(entry) == (303, 0, BOX_MOUNTS, 1, 0, 0, 0)


def test_a_kubelet_is_marked_as_one_that_asks_engines(
    maps: Maps, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kubelet = replace(SHIM, pid=50, comm="kubelet", exe="kubelet", privileged=True)
    bundled = replace(SHIM, pid=51, comm="containerd", exe="k3s", privileged=True)
    maps.fill(kubelet, bundled)

    def flags(pid: int) -> int:
        value = maps.lineages.entries[struct.pack("<I", pid)]
        return int(seed._LINEAGE.unpack(value)[-1])

    assert (flags(50), flags(51)) == (seed._PRIVILEGED | seed._ASKS, seed._PRIVILEGED)
    before = DictMap(24)
    for pid in (50, 51):
        facts = (SHIM.start_time, pid, HOST_MOUNTS, 0, 2, seed._PRIVILEGED)
        before.update(struct.pack("<I", pid), seed._LINEAGE.pack(*facts))
    (tmp_path / "attached").touch()
    old = OldSet(tmp_path, lineages=before)
    monkeypatch.setattr(BpfMap, "pinned", old.pinned)
    seed.take_over(cast(PinSet, old), maps.by_name(), tmp_path)
    assert (flags(50), flags(51)) == (seed._PRIVILEGED | seed._ASKS, seed._PRIVILEGED)


def _privileged_shim(path: Path) -> Running | None:
    return replace(SHIM, privileged=True) if path.name == str(SHIM.pid) else None


def process(proc: Path, pid: int, comm: str, *, exe: str | None, ns_pids: str) -> None:
    base = proc / str(pid)
    (base / "ns").mkdir(parents=True)
    fields = ["S", "7", *["0"] * 17, "1234", *["0"] * 30]
    (base / "stat").write_bytes(f"{pid} ({comm}) {' '.join(fields)}\n".encode())
    (base / "status").write_text(f"Name:\tx\nNSpid:\t{ns_pids}\nNSpgid:\t1\n")
    (base / "ns" / "mnt").symlink_to(f"mnt:[{BOX_MOUNTS}]")
    (base / "ns" / "user").symlink_to("user:[4026531837]")
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


def test_the_entry_of_a_holder_can_become_an_inits() -> None:
    held = seed._STARTED.pack(7, 3, 4026532250, 1, 1, 1, 0)
    assert seed._STARTED.unpack(seed.as_init(held)) == (7, 3, 4026532250, 1, 1, 0, 0)
    assert seed.as_init(seed.as_init(held)) == seed.as_init(held)
