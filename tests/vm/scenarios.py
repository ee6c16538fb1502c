"""What is done in a guest: each scenario starts things and returns the containers it expects.

A scenario's first line of code is what a person would type. It returns nothing expected where
nothing may be reported. What came is judged on the host, by test_kernels.py.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.vm.engines import (
    COMMAND_PATIENCE,
    IMAGE,
    PODMAN_IMAGE,
    ROOTFS,
    Skip,
    as_person,
    bundle,
    docker,
    docker_id,
    need,
    podman,
    podman_id,
    run,
)
from tests.vm.observer import Agent
from tests.vm.story import Expected

PRIVATE_PIDS_SINCE = 257
"""The systemd that brought PrivatePIDs=."""

Scenario = Callable[[Agent], list[Expected]]
SCENARIOS: list[Scenario] = []


def scenario(function: Scenario) -> Scenario:
    SCENARIOS.append(function)
    return function


def wanted(name: str, parts: list[str]) -> bool:
    """Whether a scenario's name contains one of ``parts``; without parts all are wanted."""
    return not parts or any(part in name for part in parts)


def _docker(
    name: str,
    stops: list[int | str],
    starts: tuple[str, ...] = ("first",),
    others: tuple[str, ...] = (),
) -> Expected:
    return Expected(docker_id(name), name, IMAGE, list(starts), stops, list(others))


def _podman(
    name: str,
    stops: list[int | str],
    starts: tuple[str, ...] = ("first",),
    others: tuple[str, ...] = (),
    cgroup: str | None = None,
) -> Expected:
    found = podman_id(name)
    return Expected(found, name, PODMAN_IMAGE, list(starts), stops, list(others), cgroup)


@scenario
def docker_run_that_removes_itself(_: Agent) -> list[Expected]:
    docker("run", "--rm", "--net=none", "--name=gone", IMAGE, "sh", "-c", "exit 7", check=False)
    return [Expected(None, "gone", IMAGE, stops=[7])]


@scenario
def docker_names_its_scope(_: Agent) -> list[Expected]:
    docker("run", "-d", "--net=none", "--name=scoped", IMAGE, "sleep", "1000")
    found = docker_id("scoped")
    docker("kill", "scoped")
    return [
        Expected(
            found, "scoped", IMAGE, stops=["SIGKILL"], cgroup=f"/system.slice/docker-{found}.scope"
        )
    ]


@scenario
def docker_start_of_a_stopped_container(_: Agent) -> list[Expected]:
    docker("run", "--net=none", "--name=again", IMAGE, "true")
    docker("start", "-a", "again")
    return [_docker("again", starts=("first", "reactivation"), stops=[0, 0])]


@scenario
def docker_restart(_: Agent) -> list[Expected]:
    docker("run", "-d", "--net=none", "--name=twice", IMAGE, "sleep", "1000")
    docker("restart", "-t", "0", "twice")
    docker("kill", "twice")
    return [_docker("twice", starts=("first", "restart"), stops=["SIGKILL", "SIGKILL"])]


@scenario
def docker_exec_is_not_a_start(_: Agent) -> list[Expected]:
    docker("run", "-d", "--net=none", "--name=entered", IMAGE, "sleep", "1000")
    docker("exec", "entered", "echo", "inside")
    docker("kill", "entered")
    return [_docker("entered", stops=["SIGKILL"])]


@scenario
def docker_pause(_: Agent) -> list[Expected]:
    docker("run", "-d", "--net=none", "--name=frozen", IMAGE, "sleep", "1000")
    docker("pause", "frozen")
    docker("unpause", "frozen")
    docker("kill", "frozen")
    return [_docker("frozen", stops=["SIGKILL"], others=("container.pause", "container.unpause"))]


@scenario
def docker_in_the_hosts_pid_namespace(_: Agent) -> list[Expected]:
    docker(
        "run",
        "--net=none",
        "--pid=host",
        "--name=hostpid",
        IMAGE,
        "sh",
        "-c",
        "exit 3",
        check=False,
    )
    return [_docker("hostpid", stops=[3])]


@scenario
def docker_with_an_init(_: Agent) -> list[Expected]:
    docker("run", "--net=none", "--init", "--name=tended", IMAGE, "true")
    return [_docker("tended", stops=[0])]


@scenario
def docker_start_that_fails(_: Agent) -> list[Expected]:
    docker("run", "--net=none", "--name=broken", IMAGE, "/no/such/program", check=False)
    return [_docker("broken", stops=[], starts=(), others=("container.start_failed",))]


@scenario
def podman_through_crun(_: Agent) -> list[Expected]:
    podman("run", "--net=none", "--name=pod-crun", PODMAN_IMAGE, "sh", "-c", "exit 4", check=False)
    found = podman_id("pod-crun")
    return [_podman("pod-crun", stops=[4], cgroup=f"/machine.slice/libpod-{found}.scope/container")]


@scenario
def podman_through_runc(_: Agent) -> list[Expected]:
    podman("run", "--net=none", "--name=pod-runc", PODMAN_IMAGE, "true", runtime="runc")
    found = podman_id("pod-runc")
    return [_podman("pod-runc", stops=[0], cgroup=f"/machine.slice/libpod-{found}.scope")]


@scenario
def podman_start_of_a_stopped_container(_: Agent) -> list[Expected]:
    podman("run", "--net=none", "--name=pod-again", PODMAN_IMAGE, "true")
    podman("start", "-a", "pod-again")
    return [_podman("pod-again", starts=("first", "reactivation"), stops=[0, 0])]


@scenario
def podman_pause(_: Agent) -> list[Expected]:
    podman("run", "-d", "--net=none", "--name=pod-frozen", PODMAN_IMAGE, "sleep", "1000")
    podman("pause", "pod-frozen")
    podman("unpause", "pod-frozen")
    podman("kill", "pod-frozen")
    return [
        _podman("pod-frozen", stops=["SIGKILL"], others=("container.pause", "container.unpause"))
    ]


@scenario
def podman_exec_is_not_a_start(_: Agent) -> list[Expected]:
    podman("run", "-d", "--net=none", "--name=pod-entered", PODMAN_IMAGE, "sleep", "1000")
    podman("exec", "pod-entered", "echo", "inside")
    podman("kill", "pod-entered")
    return [_podman("pod-entered", stops=["SIGKILL"])]


@scenario
def crun_in_the_hosts_pid_namespace(_: Agent) -> list[Expected]:
    podman(
        "run",
        "--net=none",
        "--pid=host",
        "--name=pod-hostpid",
        PODMAN_IMAGE,
        "sh",
        "-c",
        "exit 5",
        check=False,
    )
    return [_podman("pod-hostpid", stops=[5])]


@scenario
def runc_by_hand(_: Agent) -> list[Expected]:
    with bundle(["/bin/busybox", "true"]) as directory:
        run("runc", "run", "--bundle", str(directory), "by-hand-runc")
    return [Expected("by-hand-runc", None, None, stops=[0])]


@scenario
def runc_create_then_start(_: Agent) -> list[Expected]:
    with bundle(["/bin/busybox", "true"]) as directory:
        # It keeps the descriptors that it is given; a pipe of ours would never end.
        subprocess.run(
            ["runc", "create", "--bundle", str(directory), "two-steps"],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_PATIENCE,
        )
        run("runc", "start", "two-steps")
        run("runc", "delete", "--force", "two-steps")
    return [Expected("two-steps", None, None, stops=[0])]


def _renamed(runtime: str, name: str, container_id: str) -> None:
    with tempfile.TemporaryDirectory(prefix="renamed-") as directory:
        renamed = shutil.copy(need(runtime), Path(directory) / name)
        with bundle(["/bin/busybox", "true"]) as where:
            run(str(renamed), "run", "--bundle", str(where), container_id)


@scenario
def renamed_runc(_: Agent) -> list[Expected]:
    _renamed("runc", "notepad", "hidden-runc")
    return [Expected("hidden-runc", None, None, stops=[0])]


@scenario
def renamed_crun(_: Agent) -> list[Expected]:
    _renamed("crun", "calc", "hidden-crun")
    return [Expected("hidden-crun", None, None, stops=[0])]


@scenario
def crun_by_hand(_: Agent) -> list[Expected]:
    with bundle(["/bin/busybox", "true"]) as directory:
        run(need("crun"), "run", "--bundle", str(directory), "by-hand-crun")
    return [Expected("by-hand-crun", None, None, stops=[0])]


@scenario
def runc_by_hand_in_the_hosts_pid_namespace(_: Agent) -> list[Expected]:
    with bundle(["/bin/busybox", "true"], without=("pid",)) as directory:
        run("runc", "run", "--bundle", str(directory), "host-pid-runc")
    return [Expected("host-pid-runc", None, None, stops=[0])]


@scenario
def runc_under_systemd(_: Agent) -> list[Expected]:
    need("systemctl")
    with bundle(["/bin/busybox", "true"], cgroup="system.slice:mine:scoped-runc") as directory:
        run("runc", "--systemd-cgroup", "run", "--bundle", str(directory), "scoped-runc")
    return [
        Expected(
            "scoped-runc", None, None, stops=[0], cgroup="/system.slice/mine-scoped-runc.scope"
        )
    ]


@scenario
def containerd_through_ctr(_: Agent) -> list[Expected]:
    archive = "/run/castoff-vm/image.tar"
    docker("save", "-o", archive, IMAGE)
    run("ctr", "images", "import", archive)
    reference = f"docker.io/{IMAGE}"
    run("ctr", "run", "--rm", reference, "not_hex-1.5", "/bin/true")
    return [Expected("not_hex-1.5", None, reference, stops=[0])]


@scenario
def eight_at_once(_: Agent) -> list[Expected]:
    need("docker")
    names = [f"crowd-{number}" for number in range(8)]
    started = [
        subprocess.Popen(
            ["docker", "run", "--net=none", "--name", name, IMAGE, "true"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in names
    ]
    for process in started:
        process.wait(timeout=COMMAND_PATIENCE)
    return [_docker(name, stops=[0]) for name in names]


@scenario
def systemd_nspawn(_: Agent) -> list[Expected]:
    run(
        *(need("systemd-nspawn"), "--quiet", "--directory", str(ROOTFS), "--machine=spawned"),
        *("--register=yes", "--pipe", "--resolv-conf=off", "--timezone=off", "/bin/true"),
    )
    return [Expected("spawned", "spawned", None, stops=[0])]


@scenario
def docker_start_by_a_person(_: Agent) -> list[Expected]:
    docker("create", "--net=none", "--name=asked", IMAGE, "true")
    as_person(1007, "docker", "start", "-a", "asked")
    expected = _docker("asked", stops=[0])
    expected.caused_by = ("docker", 1007)
    return [expected]


@scenario
def start_through_the_api(_: Agent) -> list[Expected]:
    docker("create", "--net=none", "--name=posted", IMAGE, "true")
    found = docker_id("posted")
    request = f"http://engine/v1.41/containers/{found[:12]}/start"
    as_person(1008, "curl", "-s", "--unix-socket", "/run/docker.sock", "-X", "POST", request)
    docker("wait", "posted")
    return [Expected(found, "posted", IMAGE, stops=[0], caused_by=("curl", 1008))]


@scenario
def start_through_a_socket_of_another_name(_: Agent) -> list[Expected]:
    docker("create", "--net=none", "--name=smuggled", IMAGE, "true")
    script = (
        "touch /run/innocent && mount --bind /run/docker.sock /run/innocent && "
        "curl -s --unix-socket /run/innocent -X POST "
        "http://engine/v1.41/containers/smuggled/start"
    )
    as_person(1009, "unshare", "--mount", "/bin/sh", "-c", script)
    docker("wait", "smuggled")
    expected = _docker("smuggled", stops=[0])
    expected.caused_by = ("curl", 1009)
    return [expected]


@scenario
def unshare_is_not_a_start(_: Agent) -> list[Expected]:
    run("unshare", "--pid", "--fork", "--mount-proc", "/bin/true")
    return []


@scenario
def bubblewrap_is_not_a_start(_: Agent) -> list[Expected]:
    run(need("bwrap"), "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "/bin/true")
    return []


def _unit(*properties: str) -> None:
    options = [f"--property={line}" for line in properties]
    run("systemd-run", "--wait", "--collect", "--quiet", *options, "/bin/sh", "-c", "/bin/true")


@scenario
def unit_with_a_private_tmp_is_not_a_start(_: Agent) -> list[Expected]:
    _unit("PrivateTmp=yes", "ProtectSystem=strict", "PrivateUsers=yes", "ProtectHome=yes")
    return []


@scenario
def unit_with_private_pids_is_not_a_start(_: Agent) -> list[Expected]:
    version = int(run("systemctl", "--version").split()[1])
    if version < PRIVATE_PIDS_SINCE:
        raise Skip(f"systemd {version} has no PrivatePIDs=")
    _unit("PrivatePIDs=yes")
    return []
