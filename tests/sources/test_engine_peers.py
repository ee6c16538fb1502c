"""Kubelets that are connected already, on a procfs of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensor.model.vocabulary import Engine, Witness
from sensor.sources.engine_peers import connected_orchestrators
from sensor.sources.engines.listeners import EngineSocket

CONTAINERD, KUBELET, OTHER = 100, 200, 300
NAMES = frozenset({"kubelet", "k3s-server"})
SOCKET = EngineSocket(
    "/run/containerd/containerd.sock", Engine.CONTAINERD, 1, 2, "grpc", pid=CONTAINERD
)


def process(proc: Path, pid: int, comm: str, *sockets: int) -> None:
    home = proc / str(pid)
    (home / "fd").mkdir(parents=True)
    (home / "comm").write_text(f"{comm}\n")
    (home / "cmdline").write_bytes(f"/usr/bin/{comm}\0--config=/x\0".encode())
    (home / "stat").write_text(f"{pid} ({comm}) S " + "0 " * 18 + "4711 " + "0 " * 30)
    (home / "exe").symlink_to(f"/usr/bin/{comm}")
    (home / "cgroup").write_text(f"0::/system.slice/{comm}.service\n")
    (home / "ns").mkdir()
    (home / "ns/user").touch()
    for number, inode in enumerate(sockets, 3):
        (home / "fd" / str(number)).symlink_to(f"socket:[{inode}]")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("a process of root is a directory of root")
    process(tmp_path, CONTAINERD, "containerd", 10, 11, 12)
    process(tmp_path, KUBELET, "kubelet", 20, 99)
    process(tmp_path, OTHER, "cadvisor", 30)
    return tmp_path


def test_a_kubelet_at_the_engines_socket_is_found(proc: Path) -> None:
    (connect,) = connected_orchestrators([SOCKET], 5, NAMES, proc, lambda: {11: 20, 20: 11, 12: 30})
    assert (connect.time, connect.witness, connect.socket) == (5, Witness.PROCFS, SOCKET.path)
    caller = connect.caller
    assert (caller.pid, caller.comm, caller.exe) == (KUBELET, "kubelet", "/usr/bin/kubelet")
    assert caller.argv == ("/usr/bin/kubelet", "--config=/x")
    assert caller.start_time == 47_110_000_000


def test_a_process_that_is_only_called_kubelet_is_none(proc: Path) -> None:
    process(proc, 400, "kubelet", 40)
    peers = {11: 20, 20: 11, 41: 40, 40: 41}
    found = connected_orchestrators([SOCKET], 5, NAMES, proc, lambda: peers)
    assert [connect.caller.pid for connect in found] == [KUBELET]


def test_a_kubelet_of_another_user_is_none(proc: Path) -> None:
    os.chown(proc / str(KUBELET), 1000, 1000)
    assert connected_orchestrators([SOCKET], 5, NAMES, proc, lambda: {11: 20}) == []


def test_without_an_answer_of_the_kernel_nothing_is_found(proc: Path) -> None:
    def refused() -> dict[int, int]:
        raise PermissionError

    assert connected_orchestrators([SOCKET], 5, NAMES, proc, refused) == []


def test_processes_that_end_meanwhile_are_left_out(proc: Path) -> None:
    (proc / str(KUBELET) / "exe").unlink()
    (proc / "500").mkdir()
    assert connected_orchestrators([SOCKET], 5, NAMES, proc, lambda: {11: 20}) == []
