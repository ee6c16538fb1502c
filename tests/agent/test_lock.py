"""The node's lock: who can hold it, and who is named (case ``sec-node-lock-by-anybody``)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from sensor.agent.lock import holder_of, lock_node
from sensor.errors import PermissionMissing, ProbesBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed")
STRANGER = 65534


@contextlib.contextmanager
def _holding(path: Path, uid: int) -> Iterator[int]:
    """Have a process of another user open the file for reading and lock it; yields its pid."""
    ready, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            descriptor = os.open(path, os.O_RDONLY)
            os.setgid(uid)
            os.setuid(uid)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(write_end, b"x")
            signal.pause()
        finally:
            os._exit(1)
    try:
        assert os.read(ready, 1) == b"x"
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(write_end)


def test_the_lock_can_be_opened_by_its_owner_only(tmp_path: Path) -> None:
    held = lock_node(tmp_path / "run")
    try:
        assert (tmp_path / "run/lock").stat().st_mode & 0o777 == 0o600
    finally:
        os.close(held)


def test_a_second_agent_is_refused_and_the_holder_is_named(tmp_path: Path) -> None:
    held = lock_node(tmp_path)
    try:
        with pytest.raises(ProbesBusy, match=f"pid {os.getpid()} "):
            lock_node(tmp_path)
    finally:
        os.close(held)


def test_the_holder_is_the_process_that_holds_it_and_not_the_one_that_wrote_it(
    tmp_path: Path,
) -> None:
    os.close(lock_node(tmp_path))
    (tmp_path / "lock").write_text("1\n")
    with _holding(tmp_path / "lock", os.geteuid()) as pid:
        holder = holder_of(tmp_path / "lock")
        assert holder is not None
        assert holder.pid == pid
        with pytest.raises(ProbesBusy, match=f"pid {pid} "):
            lock_node(tmp_path)
    assert holder_of(tmp_path / "lock") is None


@needs_root
def test_a_plain_user_who_locked_the_file_of_an_earlier_version_stops_no_agent(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lock"
    path.touch(0o644)
    path.chmod(0o644)
    with _holding(path, STRANGER):
        held = lock_node(tmp_path)
        try:
            holder = holder_of(path)
            assert holder is not None
            assert holder.pid == os.getpid()
            assert path.stat().st_mode & 0o777 == 0o600
        finally:
            os.close(held)


@needs_root
@pytest.mark.parametrize("uid", [STRANGER, 0], ids=["stranger", "root"])
def test_a_lock_that_its_taker_left_to_a_child_is_its_openers(tmp_path: Path, uid: int) -> None:
    """As ``flock 9; exec sleep`` of a shell: /proc/locks names a process that has ended."""
    path = tmp_path / "lock"
    path.touch(0o644)
    path.chmod(0o644)
    opened = os.open(path, os.O_RDONLY)
    shell = subprocess.Popen(
        ["/bin/sh", "-c", f"flock {opened} && echo held && exec sleep 60"],
        user=uid,
        group=uid,
        pass_fds=[opened],
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(opened)
    try:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "held\n"
        if uid == 0:
            with pytest.raises(ProbesBusy, match=f"pid {shell.pid} "):
                lock_node(tmp_path)
        else:
            os.close(lock_node(tmp_path))
    finally:
        shell.kill()
        shell.wait()
        assert shell.stdout is not None
        shell.stdout.close()


@needs_root
def test_an_agent_of_an_earlier_version_keeps_the_node(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o644)
    path.chmod(0o644)
    with _holding(path, 0) as pid, pytest.raises(ProbesBusy, match=f"pid {pid} "):
        lock_node(tmp_path)


def test_a_file_that_others_could_open_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o644)
    path.chmod(0o644)
    before = path.stat().st_ino
    opened = os.open(path, os.O_RDONLY)
    held = lock_node(tmp_path)
    try:
        assert path.stat().st_ino != before
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(opened)
        os.close(held)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o707])
def test_a_directory_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    run_dir.chmod(mode)
    with pytest.raises(PermissionMissing, match="others may write it"):
        lock_node(run_dir)


@needs_root
def test_a_directory_below_another_users_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True)
    os.chown(home, STRANGER, STRANGER)
    with pytest.raises(PermissionMissing, match=f"belongs to uid {STRANGER}"):
        lock_node(home / "run")


def test_a_fifo_in_the_place_of_the_lock_blocks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    held = lock_node(tmp_path)
    try:
        assert (tmp_path / "lock").is_file()
    finally:
        os.close(held)
