"""Containers that reach the host through their mounts, read from procfs."""

from __future__ import annotations

from pathlib import Path

from sensor.access import mounts
from sensor.model.access import Way
from tests.access.fake import node_of, put

ID = "ab" * 32
HOST = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


def process(root: Path, pid: int, namespace: int, mountinfo: str, cgroup: str) -> None:
    put(root, f"proc/{pid}/mountinfo", mountinfo)
    put(root, f"proc/{pid}/cgroup", cgroup)
    link = root / f"proc/{pid}/ns/mnt"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"mnt:[{namespace}]")


def ways(
    root: Path, *lines: str, cgroup: str = f"0::/system.slice/docker-{ID}.scope\n"
) -> list[Way]:
    process(root, 1, 1, HOST, "0::/init.scope\n")
    process(root, 50, 7, "".join(lines), cgroup)
    process(root, 51, 7, "".join(lines), cgroup)
    return list(mounts.ways(node_of(root)))


def line(device: str, root: str, at: str, options: str = "rw,relatime") -> str:
    return f"30 29 {device} {root} {at} {options} - ext4 /dev/sda1 rw\n"


def test_a_socket_in_a_container_is_found_once_for_all_its_processes(tmp_path: Path) -> None:
    (way,) = ways(tmp_path, line("0:25", "/docker.sock", "/var/run/docker.sock"))
    assert way.who == f"container {ID[:12]}"
    assert way.evidence == "engine's socket at /var/run/docker.sock"
    assert way.container == ID


def test_a_socket_under_another_name_is_found_by_what_it_is(tmp_path: Path) -> None:
    (way,) = ways(tmp_path, line("0:25", "/containerd/containerd.sock", "/tmp/innocent"))
    assert way.evidence == "engine's socket at /tmp/innocent"


def test_the_host_s_root_counts_when_it_can_be_written(tmp_path: Path) -> None:
    (way,) = ways(tmp_path, line("8:1", "/", "/host\\040fs"))
    assert way.evidence == "host's root, writable, at /host fs"


def test_a_root_that_is_read_only_or_of_another_disk_does_not(tmp_path: Path) -> None:
    assert ways(tmp_path, line("8:1", "/", "/host", "ro"), line("9:9", "/", "/")) == []


def test_kubelet_s_files_count(tmp_path: Path) -> None:
    (way,) = ways(tmp_path, line("8:1", "/var/lib/kubelet/pki", "/pki", "ro"))
    assert way.evidence == "kubelet's files (/var/lib/kubelet/pki) at /pki"


def test_a_process_of_the_host_with_mounts_of_its_own_is_not_a_container(tmp_path: Path) -> None:
    socket = line("0:25", "/docker.sock", "/run/docker.sock")
    assert ways(tmp_path, socket, cgroup="0::/system.slice/cron.service\n") == []


def test_lines_of_any_form_are_passed_over(tmp_path: Path) -> None:
    assert ways(tmp_path, "x\n", "1 2 3 4 5\n", "\n", "a " * 20 + "\n") == []
