"""Roots of processes, and pids that are not the same process any more."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sensor.identity import roots
from sensor.identity.files import Failure, read
from sensor.identity.roots import (
    NAMESPACES,
    absolute,
    executable,
    is_alive,
    namespace,
    open_process_root,
    open_root,
    own_namespaces,
    shared_namespaces,
    working_directory,
)
from sensor.model.process import NS_PER_TICK, ProcessKey
from tests.identity.sample_node import open_descriptors, own_key


def test_an_own_process_is_alive_and_another_start_time_is_not() -> None:
    key = own_key()
    assert is_alive("/proc", key)
    assert not is_alive("/proc", ProcessKey(key.pid, key.start_time + NS_PER_TICK))
    assert not is_alive("/proc", ProcessKey(0, 0))


def test_a_command_with_parentheses_confuses_nothing(tmp_path: Path) -> None:
    fields = " ".join(["S", *(["0"] * 18), "77", "0"])
    (tmp_path / "5").mkdir()
    (tmp_path / "5/stat").write_text(f"5 (a) b) (c) {fields}\n")
    assert is_alive(str(tmp_path), ProcessKey(5, 77 * NS_PER_TICK))


@pytest.mark.parametrize("content", [b"", b"5 (x) S", b"5 (x) " + b"y " * 30, b"\xff"], ids=repr)
def test_a_strange_stat_has_no_owner(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "5").mkdir()
    (tmp_path / "5/stat").write_bytes(content)
    assert not is_alive(str(tmp_path), ProcessKey(5, 0))


def test_files_are_read_below_a_processs_root(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    root = open_process_root("/proc", own_key())
    assert isinstance(root, int)
    try:
        assert read(root, str(tmp_path / "f")) == b"x"
    finally:
        os.close(root)


def test_an_ended_process_has_no_root() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        key = own_key(child.pid)
        child.kill()
    assert open_process_root("/proc", key) is Failure.PROCESS_GONE
    assert working_directory("/proc", key) is Failure.PROCESS_GONE
    assert shared_namespaces("/proc", key) is None


def test_a_pid_reused_while_the_root_is_opened_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, False])
    monkeypatch.setattr(roots, "is_alive", lambda *_: next(answers))
    before = open_descriptors()
    assert open_process_root("/proc", own_key()) is Failure.PROCESS_GONE
    assert open_descriptors() == before


def test_the_working_directory_is_the_processs(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as child:
        try:
            assert working_directory("/proc", own_key(child.pid)) == str(tmp_path)
        finally:
            child.kill()


def test_the_file_of_a_process_is_known_until_it_is_deleted(tmp_path: Path) -> None:
    program = tmp_path / "harmless"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as child:
        try:
            assert executable("/proc", own_key(child.pid)) == str(program)
            program.unlink()
            assert executable("/proc", own_key(child.pid)) is None
        finally:
            child.kill()


def test_the_file_of_a_pid_that_is_another_process_now_is_unknown() -> None:
    key = own_key()
    assert executable("/proc", ProcessKey(key.pid, key.start_time - NS_PER_TICK)) is None
    assert executable("/proc", None) is None


def test_a_root_that_is_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    assert open_root(str(tmp_path / "f")) is Failure.MISSING
    assert open_root(str(tmp_path / "none")) is Failure.MISSING


@pytest.mark.parametrize(
    ("path", "expected"),
    [(".", "/run/b"), ("c", "/run/b/c"), ("../c", "/run/c"), ("/c", "/c"), ("../../../..", "/")],
)
def test_a_relative_path_is_joined_and_normalised_by_name(path: str, expected: str) -> None:
    assert absolute("/run/b", path) == expected


def test_namespaces_of_a_process() -> None:
    assert namespace("/proc", os.getpid(), "mount") == Path("/proc/self/ns/mnt").stat().st_ino
    assert namespace("/proc", None, "network") == Path("/proc/self/ns/net").stat().st_ino
    assert namespace("/proc", 0, "mount") is None


def fake_proc(proc: Path, pid: str, inodes: dict[str, str]) -> None:
    for name, target in inodes.items():
        entry = proc / pid / "ns" / name
        entry.parent.mkdir(parents=True, exist_ok=True)
        (proc / target).touch()
        entry.symlink_to(proc / target)


KINDS = ("pid", "net", "ipc", "uts", "cgroup", "user", "mnt")


@pytest.mark.parametrize("host", ["1", "self"])
def test_namespaces_are_compared_with_the_hosts(tmp_path: Path, host: str) -> None:
    fake_proc(tmp_path, host, {kind: f"host-{kind}" for kind in KINDS})
    own = {kind: f"host-{kind}" for kind in KINDS} | {"net": "own-net", "mnt": "own-mnt"}
    fake_proc(tmp_path, "5", own)
    (tmp_path / "5/stat").write_text("5 (x) " + " ".join(["S", *(["0"] * 18), "7"]))
    key = ProcessKey(5, 7 * NS_PER_TICK)
    shared = shared_namespaces(str(tmp_path), key)
    assert shared == ("pid", "ipc", "uts", "cgroup", "user")
    assert own_namespaces(str(tmp_path), key, NAMESPACES) == ("network", "mount")
    assert own_namespaces(str(tmp_path), key, ("user", "network")) == ("network",)
    assert own_namespaces(str(tmp_path), key, ("user",)) == ()
    another = ProcessKey(5, 8 * NS_PER_TICK)
    assert own_namespaces(str(tmp_path), another, NAMESPACES) == ()
    assert own_namespaces(str(tmp_path), ProcessKey(6, 0), NAMESPACES) == ()
