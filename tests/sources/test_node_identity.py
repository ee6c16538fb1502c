"""The node's name, and the namespaces of its first process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensor.model.process import Namespaces
from sensor.sources.node_identity import host_namespaces, node_name


def kubelet(proc: Path, pid: int, *words: str, comm: str = "kubelet", namespace: int = 1) -> None:
    home = proc / str(pid)
    (home / "ns").mkdir(parents=True)
    (home / "comm").write_text(f"{comm}\n")
    (home / "cmdline").write_bytes("\0".join((comm, *words, "")).encode())
    (home / "ns" / "pid").symlink_to(f"pid:[{namespace}]")


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if os.geteuid() != 0:
        pytest.skip("a process of root is a directory of root")
    monkeypatch.delenv("NODE_NAME", raising=False)
    kubelet(tmp_path, 1, comm="systemd")
    return tmp_path


def test_configuration_goes_before_environment_and_that_before_kubelet(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubelet(proc, 20, "--hostname-override=node-a")
    assert node_name(None, proc) == "node-a"
    monkeypatch.setenv("NODE_NAME", "node-b")
    assert node_name(None, proc) == "node-b"
    assert node_name("node-c", proc) == "node-c"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--hostname-override", "node-a"), "node-a"),
        (("--v=2", "--hostname-override=node-a.example"), "node-a.example"),
        (("--hostname-override=",), None),
        (("--hostname-override=Node A",), None),
        (("--hostname-override=" + "x" * 254,), None),
        (("--hostname-override",), None),
        ((), None),
    ],
)
def test_kubelets_option_is_read_strictly(
    proc: Path, words: tuple[str, ...], name: str | None
) -> None:
    kubelet(proc, 20, *words)
    assert node_name(None, proc) == name


def test_a_kubelet_in_a_container_or_of_a_user_names_no_node(proc: Path) -> None:
    kubelet(proc, 20, "--hostname-override=inside", namespace=2)
    kubelet(proc, 21, "--hostname-override=users")
    os.chown(proc / "21", 1000, 1000)
    assert node_name(None, proc) is None


def test_the_distributions_one_binary_has_an_option_of_its_own(proc: Path) -> None:
    kubelet(proc, 20, "server", "--node-name", "node-k", comm="k3s-server")
    assert node_name(None, proc) == "node-k"


def test_namespaces_are_those_of_the_first_process_else_the_agents_own(tmp_path: Path) -> None:
    assert host_namespaces(tmp_path) is None
    for pid, inode in (("1", 7), ("self", 9)):
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / pid / "ns" / "net").symlink_to(f"net:[{inode}]")
    (tmp_path / "self" / "ns" / "user").symlink_to("user:[5]")
    assert host_namespaces(tmp_path) == Namespaces(None, None, 7, None, None, 5, None)
