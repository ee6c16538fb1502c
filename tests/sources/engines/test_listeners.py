"""Which sockets are found, by real processes that bear engines' names."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lab.containerd import Containerd
from lab.dockerd import Dockerd
from lab.waiting import until
from sensor.sources.engines.listeners import (
    PROCESSES_OF_ORIGIN,
    SOCKETS_OF_ORIGIN,
    EngineSocket,
    _listening,
    engine_sockets,
)

LISTEN = """\
import ctypes, os, socket, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)  # PR_SET_NAME
kept = []
for path in sys.argv[2:]:
    kind = socket.SOCK_DGRAM if path.endswith(".dgram") else socket.SOCK_STREAM
    one = socket.socket(socket.AF_UNIX, kind)
    one.bind(path)
    if kind == socket.SOCK_STREAM and not path.endswith(".bound"):
        one.listen()
    kept.append(one)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def process_called(name: str, *paths: Path, user: int = 0) -> Iterator[int]:
    """Run a process with that comm, which listens on ``paths``."""
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN, name, *map(str, paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=user or None,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def found_below(directory: Path, *programs: str) -> list[EngineSocket]:
    sockets = engine_sockets(frozenset(programs or ("dockerd", "containerd")))
    return [one for one in sockets if one.path.startswith(f"{directory}/")]


def test_listening_stream_sockets_of_an_engine_are_found(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.sock", "b.dgram", "c.bound")]
    with process_called("dockerd", *paths) as pid:
        (one,) = found_below(tmp_path)
        status = (tmp_path / "a.sock").stat()
        assert (one.path, one.engine, one.api) == (str(tmp_path / "a.sock"), "docker", "docker")
        assert (one.device, one.inode, one.pid) == (status.st_dev, status.st_ino, pid)
    assert found_below(tmp_path) == []


def test_other_programs_are_not_engines(tmp_path: Path) -> None:
    with process_called("dockerd-proxy", tmp_path / "a.sock"):
        assert found_below(tmp_path) == []


def test_long_names_are_known_by_their_first_15_bytes(tmp_path: Path) -> None:
    with process_called("balena-engine-daemon", tmp_path / "a.sock"):
        (one,) = found_below(tmp_path, "balena-engine-daemon")
        assert (one.engine, one.api) == ("balena-engine-daemon", "docker")


def test_podman_needs_not_be_named(tmp_path: Path) -> None:
    with process_called("podman", tmp_path / "p.sock"):
        (one,) = found_below(tmp_path)
        assert (one.engine, one.api) == ("podman", "libpod")


def test_api_is_reported_by_program_and_path(tmp_path: Path) -> None:
    (tmp_path / "libnetwork").mkdir()
    names = (
        "c.sock",
        "c.sock.ttrpc",
        "debug.sock",
        "containerd-debug.sock",
        "libnetwork/x.sock",
        "metrics.sock",
    )
    with process_called("containerd", *(tmp_path / name for name in names)):
        assert [(one.path[len(str(tmp_path)) :], one.api) for one in found_below(tmp_path)] == [
            ("/c.sock", "grpc"),
            ("/c.sock.ttrpc", "ttrpc"),
        ]
    with process_called("somethingd", tmp_path / "s.sock"):
        (one,) = found_below(tmp_path, "somethingd")
        assert (one.engine, one.api) == ("somethingd", "unknown")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as another user")
def test_another_users_engine_is_nested() -> None:
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, 65_534, 65_534)
        with process_called("dockerd", Path(name, "a.sock"), user=65_534):
            (one,) = found_below(Path(name))
            assert one.nested


def test_a_forged_line_hides_no_true_one(tmp_path: Path) -> None:
    table = tmp_path / "unix"
    head = "0000000000000000: 00000002 00000000 00010000 0001 01"
    table.write_text(
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        f"{head} 77 /tmp/x\n"
        f"{head}    55 /run/docker.sock\n"
        f"{head} 55 /run/else where\n"
        f"{head} 56 @abstract\n"
        f"{head} 57 relative\n"
        "0000000000000000: 00000003 00000000 00000000 0001 03 58 /run/docker.sock\n"
    )
    assert _listening(table) == {77: ["/tmp/x"], 55: ["/run/docker.sock", "/run/else where"]}


def test_processes_that_end_meanwhile_are_passed_over(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    for pid, comm in ((10, "dockerd"), (11, "dockerd"), (12, "sh")):
        (proc / str(pid)).mkdir(parents=True)
        (proc / str(pid) / "comm").write_text(f"{comm}\n")
    (proc / "11" / "fd").mkdir()
    (proc / "11" / "fd" / "3").symlink_to("socket:[5]")
    assert all(one.pid is None for one in engine_sockets(frozenset({"dockerd"}), proc))


@pytest.mark.e2e
def test_real_engines_are_found(dockerd: Dockerd, containerd: Containerd) -> None:
    (docker,) = found_below(dockerd.address.parent)
    assert (docker.path, docker.engine, docker.api) == (str(dockerd.address), "docker", "docker")
    assert docker.pid == dockerd.daemon.pid
    assert not docker.nested
    apis = {one.path: one.api for one in found_below(containerd.address.parent)}
    assert apis == {
        str(containerd.address): "grpc",
        f"{containerd.address}.ttrpc": "ttrpc",
    }
    dockerd.stop()
    until(lambda: not found_below(dockerd.address.parent), "the socket is gone")
    dockerd.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as another user")
def test_a_users_sockets_do_not_crowd_out_those_of_the_host(tmp_path: Path) -> None:
    """Case sec-other-engines-sockets-crowd-out: 300 sockets whose paths sort first."""
    with tempfile.TemporaryDirectory(prefix="0-", dir="/tmp") as name:
        os.chown(name, 65_534, 65_534)
        many = [Path(name, f"{number}.sock") for number in range(300)]
        with (
            process_called("dockerd", *many, user=65_534),
            process_called("dockerd", tmp_path / "z.sock"),
        ):
            sockets = engine_sockets(frozenset({"dockerd"}))
            ours = [one for one in sockets if one.path == str(tmp_path / "z.sock")]
            theirs = [one for one in sockets if one.path.startswith(f"{name}/")]
            assert len(ours) == 1
            assert not ours[0].nested
            assert len(theirs) == SOCKETS_OF_ORIGIN
            assert all(one.nested for one in theirs)
            assert sockets.index(ours[0]) < sockets.index(theirs[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as another user")
def test_a_users_many_engines_are_looked_at_up_to_their_share() -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        os.chown(name, 65_534, 65_534)
        for number in range(PROCESSES_OF_ORIGIN + 3):
            path = Path(name, f"{number}.sock")
            stack.enter_context(process_called("containerd", path, user=65_534))
        assert len(found_below(Path(name))) <= SOCKETS_OF_ORIGIN
