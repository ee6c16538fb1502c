"""The image with exactly what the DaemonSet gives it: built by Docker, run through CRI as a pod.

Docker 20.10, which Debian 12 has, cannot give CAP_BPF and CAP_PERFMON to a container; containerd,
which runs the pods of most clusters, can. So the manifest is made into calls of its CRI plugin.
Without a network to a registry, the base is a Debian 12 tree of our own: `make packages-test`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from lab import engines as labs
from lab.containerd import KUBERNETES as PODS
from lab.containerd import Containerd
from lab.cri import Cri, Pod
from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.image import IMAGE, BoxImage
from lab.waiting import NeverHappenedError, until
from sensor import __version__
from sensor.bpf import pins
from tests.packaging.test_kubernetes import KUBERNETES, container, kustomized, one, pod

ROOT = Path(__file__).parents[2]
NAME = f"docker.io/library/castoff:{__version__}"
IMAGE_MAX = 450 * 1024 * 1024
"""Bytes of the image, most of which are LLVM for bcc."""

CONTAINERS = 40
COMPILING = 180.0
"""Seconds that loading the probes may take: the loader itself gives its compiler up then."""

pytestmark = [pytest.mark.packages, pytest.mark.e2e]


class Node:
    """A node's directories, and the manifest's pod on it, asked for as kubelet does."""

    def __init__(self, lab: Lab, containerd: Containerd, cri: Cri) -> None:
        self.containerd = containerd
        self.cri = cri
        self.manifest = kustomized(KUBERNETES / "base")
        configuration = lab.sub("node", "config")
        data = one(self.manifest, "ConfigMap")["data"]
        root = Path("/proc/1/root")
        if not os.access(root, os.R_OK):
            # This machine protects its first process; another one of the host stands in for it.
            root = Path(f"/proc/{containerd.daemon.pid}/root")
        text = data["castoff.toml"].replace("/proc/1/root", str(root))
        (configuration / "castoff.toml").write_text(text)
        self._places = {
            "bpffs": Path("/sys/fs/bpf"),
            "cgroup": Path("/sys/fs/cgroup"),
            "machine-id": Path("/etc/machine-id"),
            "run": lab.sub("node", "run"),
            "state": lab.sub("node", "state"),
            "config": configuration,
            "tmp": lab.sub("node", "tmp"),
        }

    def pod(self) -> str:
        """Run the sandbox of a pod as the manifest wants it."""
        assert pod(self.manifest)["hostPID"]
        return self.cri.run_pod(Pod(unique("castoff"), host_processes=True))

    def run(self, sandbox: str, part: str) -> str:
        """Run one of the manifest's containers in a sandbox; returns its id."""
        spec = container(self.manifest, part)
        context = spec["securityContext"]
        make = self.cri._messages
        owner = self.cri._pods[sandbox]
        (owner.logs / part).mkdir(exist_ok=True)
        assert pod(self.manifest)["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        config = make.ContainerConfig(
            metadata=make.ContainerMetadata(name=part),
            image=make.ImageSpec(image=NAME),
            args=spec["args"],
            envs=[make.KeyValue(key="NODE_NAME", value="node-1")],
            mounts=[
                make.Mount(
                    container_path=mount["mountPath"],
                    host_path=str(self._place(mount)),
                    readonly=mount.get("readOnly", False),
                )
                for mount in spec["volumeMounts"]
            ],
            labels={
                "io.kubernetes.container.name": part,
                "io.kubernetes.pod.name": owner.name,
                "io.kubernetes.pod.namespace": owner.namespace,
                "io.kubernetes.pod.uid": owner.uid,
            },
            log_path=f"{part}/0.log",
            linux=make.LinuxContainerConfig(
                security_context=make.LinuxContainerSecurityContext(
                    capabilities=make.Capability(
                        add_capabilities=context["capabilities"]["add"],
                        drop_capabilities=context["capabilities"]["drop"],
                    ),
                    namespace_options=self.cri._namespaces(owner),
                    run_as_user=make.Int64Value(value=0),
                    readonly_rootfs=context["readOnlyRootFilesystem"],
                    no_new_privs=not context["allowPrivilegeEscalation"],
                    seccomp=make.SecurityProfile(profile_type=make.RuntimeDefault),
                    apparmor=make.SecurityProfile(profile_type=make.Unconfined),
                )
            ),
        )
        answer = self.cri._call(
            self.cri._runtime.CreateContainer,
            "CreateContainerRequest",
            pod_sandbox_id=sandbox,
            config=config,
            sandbox_config=self.cri._pod_config(owner),
        )
        self.cri.start(answer.container_id)
        return str(answer.container_id)

    def _place(self, mount: dict[str, Any]) -> Path:
        """Where the node has what is mounted; a kubelet makes a directory that is a subPath."""
        place = self._places[mount["name"]]
        if "subPath" in mount:
            place /= mount["subPath"]
            place.mkdir(exist_ok=True)
        return place

    def log(self, sandbox: str, part: str) -> str:
        """What a container wrote."""
        return (self.cri._pods[sandbox].logs / part / "0.log").read_text()

    def load_probes(self, sandbox: str) -> None:
        loader = self.run(sandbox, "load-probes")
        assert self.cri.await_exit(loader, COMPILING) == 0, self.log(sandbox, "load-probes")

    def start_agent(self, sandbox: str) -> str:
        """Run the agent until its probe answers; returns its container's id."""
        identity = self.run(sandbox, "agent")
        probe = container(self.manifest, "agent")["startupProbe"]["exec"]["command"]

        def answers() -> bool:
            try:
                return self.execute(identity, *probe)[0] == 0
            except grpc.RpcError:
                return False

        try:
            until(answers, "the agent answers")
        except NeverHappenedError as error:
            raise NeverHappenedError(f"{error}\n{self.log(sandbox, 'agent')}") from error
        return identity

    def execute(self, identity: str, *command: str) -> tuple[int, str]:
        done = self.cri._call(
            self.cri._runtime.ExecSync, "ExecSyncRequest", container_id=identity, cmd=command
        )
        return done.exit_code, (done.stdout + done.stderr).decode()

    def starts(self, agent: str) -> list[dict[str, Any]]:
        code, text = self.execute(
            agent, "castoff", "events", "--type", "start", "-o", "json", "-n", "999"
        )
        assert code == 0, text
        return [json.loads(line) for line in text.splitlines()]


def build(packages: Path, dockerd: Dockerd) -> Path:
    """Build package and image; returns the image's archive."""
    base = os.environ.get("CASTOFF_BASE_TAR") or str(packages / "base.tar")
    docker = dockerd.command()[0]
    environment = {**os.environ, **dockerd.environment, "DOCKER": docker, "BASE_TAR": base}
    subprocess.run([ROOT / "packaging/build-deb.sh", packages], check=True)
    subprocess.run([ROOT / "packaging/build-image.sh", packages], check=True, env=environment)
    (archive,) = packages.glob("*-image.tar")
    return archive


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    missing = [tool for tool in ("dpkg-buildpackage", "mmdebstrap") if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root and {missing}; run: make packages-test")
    if pins.loaded_sets():
        pytest.skip("probes of another agent are loaded on this node")
    packages = tmp_path_factory.mktemp("image")
    with labs.opened() as lab:
        containerd = Containerd(lab)
        containerd.start()
        dockerd = Dockerd(lab, containerd)
        dockerd.start()
        archive = Path(os.environ.get("CASTOFF_IMAGE_TAR") or build(packages, dockerd))
        dockerd.import_image(BoxImage(lab))
        dockerd.save_image(packages / "box.tar")
        dockerd.stop()
        containerd.import_image(archive, PODS)
        for namespace in (PODS, "default"):
            containerd.import_image(packages / "box.tar", namespace)
        cri = Cri(lab, containerd)
        try:
            yield Node(lab, containerd, cri)
        finally:
            cri.remove_all()
            cri.close()
            containerd.remove_all()
            containerd.stop()
            for loaded in pins.loaded_sets():
                loaded.remove()
            if pins.PIN_ROOT.exists():
                pins.PIN_ROOT.rmdir()


def test_the_pod_sees_its_nodes_starts_and_its_own(node: Node) -> None:
    sandbox = node.pod()
    node.load_probes(sandbox)
    agent = node.start_agent(sandbox)
    identity = unique("seen")
    node.containerd.run(identity, "true", options=("--rm",))
    until(lambda: {identity, agent} <= set(ids(node.starts(agent))), "both starts are reported")
    found = {event["container"]["id"]: event for event in node.starts(agent)}
    event = found[identity]
    assert event["container"]["image"]["name"] == IMAGE
    assert event["container"]["runtime"] == "containerd"
    assert event["host"]["node"] == "node-1"
    assert event["host"]["machine_id"] == Path("/etc/machine-id").read_text().strip()
    own = found[agent]
    assert own["container"]["name"] == "agent"
    assert own["container"]["image"]["name"] == NAME
    assert own["orchestrator"]["pod"] == node.cri._pods[sandbox].name
    node.cri.remove_pod(sandbox)


def test_an_update_of_the_daemonset_loses_and_repeats_nothing(node: Node) -> None:
    sandbox = node.pod()
    node.load_probes(sandbox)
    agent = node.start_agent(sandbox)
    names = [unique(f"update-{number}") for number in range(CONTAINERS)]
    for number, name in enumerate(names):
        if number == CONTAINERS // 4:
            node.cri.stop(agent, grace_seconds=30)
            node.cri.remove_pod(sandbox)
        if number == CONTAINERS // 2:
            sandbox = node.pod()
            node.load_probes(sandbox)
            agent = node.start_agent(sandbox)
        node.containerd.run(name, "true", options=("--rm",))
    until(lambda: set(names) <= set(ids(node.starts(agent))), "every start is reported")
    counts = Counter(ids(node.starts(agent)))
    assert {name: counts[name] for name in names} == dict.fromkeys(names, 1)
    node.cri.remove_pod(sandbox)


def test_the_doctor_in_the_pod_finds_nothing_in_the_way(node: Node) -> None:
    sandbox = node.pod()
    node.load_probes(sandbox)
    agent = node.start_agent(sandbox)
    _, text = node.execute(agent, "castoff", "doctor", "-o", "json")
    findings = [json.loads(line) for line in text.splitlines()]
    assert findings
    assert [each for each in findings if each["health"] == "fail"] == []
    node.cri.remove_pod(sandbox)


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["container"]["id"] for event in events]
