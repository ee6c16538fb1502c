"""The engines themselves: what the scenarios take for granted holds on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import engines as labs
from lab import processes
from lab.containerd import Containerd
from lab.cri import Cri, Pod
from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.image import BoxImage
from lab.podman import Podman
from lab.runc import Runc

LOGIN = Path("/proc/self/loginuid")

pytestmark = pytest.mark.e2e


def test_docker_keeps_everything_below_the_runs_directory(docker: Dockerd, lab: Lab) -> None:
    container, code = docker.run_to_end("castoff.test/box:1", "sh", "-c", "exit 3")
    assert code == 3
    paths = docker.inspect(container)
    assert paths["LogPath"].startswith(f"{lab.directory}/")


def test_a_pod_runs_on_the_hosts_network_with_its_pause_and_its_log(cri: Cri) -> None:
    assert cri.version().runtime_name == "containerd"
    assert cri.has_image()
    pod = Pod("harness")
    sandbox = cri.run_pod(pod)
    container = cri.run(sandbox, "main", "sh", "-c", "echo said; exit 4", attempt=2)
    assert cri.await_exit(container) == 4
    assert (pod.logs / "main" / "2.log").read_text().endswith("said\n")


def test_ctr_and_podman_and_runc_run_the_box(
    containerd: Containerd, podman: Podman, runc: Runc
) -> None:
    containerd.run(unique("harness"), "true", options=("--detach",))
    _, code = podman.run_to_end("castoff.test/box:1", "sh", "-c", "exit 5")
    assert code == 5
    assert runc.run(unique("harness"), "sh", "-c", "exit 6", check=False).returncode == 6


def test_a_command_may_run_under_another_login() -> None:
    own = LOGIN.read_text()
    done = processes.run(processes.as_login(4242, ["cat", LOGIN]))
    assert done.stdout.strip() == "4242"
    assert LOGIN.read_text() == own


def test_what_a_killed_run_left_is_swept_and_nothing_else(image: BoxImage, runc: Runc) -> None:
    bystander = unique("bystander")
    runc.run_detached(bystander, "sleep", "3600")
    stale = labs.BASE / unique("killed")
    (stale / "runc" / "state").mkdir(parents=True)
    (stale / "mounted").mkdir()
    processes.run(["mount", "-t", "tmpfs", "tmpfs", stale / "mounted"])
    left = Runc(Lab(stale), image)
    container = unique("left")
    left.run_detached(container, "sleep", "3600")
    left.cli("pause", container)
    pid = left.state(container)["pid"]

    labs.sweep(stale)

    assert not stale.exists()
    assert not processes.runs(pid)
    assert runc.state(bystander)["status"] == "running"
