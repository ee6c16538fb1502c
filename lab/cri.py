"""Pods through containerd's CRI socket, asked for as a kubelet asks.

What kubelet does beside its calls is done here too: it makes the pod's cgroup and the directory of
its logs, whose file names carry the attempt of each container.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import grpc
import grpc_tools
from grpc_tools import protoc

from lab.containerd import Containerd
from lab.engines import CONTAINER_LOGS, POD_LOGS, Lab, cgroup_roots
from lab.image import IMAGE
from lab.waiting import until

PROTO = Path(__file__).with_name("cri.proto")
CALL_SECONDS = 60.0
EXIT_SECONDS = 20.0
POD_WORKERS = 8
LINK_NAME_MAX = 251
"""Letters before ``.log`` at which kubelet cuts the name of a link (legacy.go)."""
EXITED = 2

Message: TypeAlias = Any
"""A message of the protocol: its class is generated when the tests run."""


@dataclass(frozen=True)
class Pod:
    """A pod as kubelet knows it. ``attempt`` is the sandbox's, not that of its containers."""

    name: str
    namespace: str = "castoff-tests"
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempt: int = 0
    share_processes: bool = False
    host_processes: bool = False
    host_ipc: bool = False
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def cgroup(self) -> str:
        return f"/kubepods/besteffort/pod{self.uid}"

    @property
    def logs(self) -> Path:
        return POD_LOGS / f"{self.namespace}_{self.name}_{self.uid}"


class Cri:
    """A client of the CRI socket that remembers what it made."""

    def __init__(self, lab: Lab, containerd: Containerd) -> None:
        self._lab = lab
        generated = lab.sub("generated")
        self._messages, stubs = _compile(generated)
        self._channel = grpc.insecure_channel(f"unix://{containerd.address}")
        self._runtime = stubs.RuntimeServiceStub(self._channel)
        self._images = stubs.ImageServiceStub(self._channel)
        self._pods: dict[str, Pod] = {}

    def close(self) -> None:
        self._channel.close()

    def version(self) -> Message:
        return self._call(self._runtime.Version, "VersionRequest")

    def has_image(self, name: str = IMAGE) -> bool:
        spec = self._messages.ImageSpec(image=name)
        return bool(self._call(self._images.ImageStatus, "ImageStatusRequest", image=spec).image.id)

    # ------------------------------------------------------------------ pods

    def run_pod(self, pod: Pod) -> str:
        """Run the pod's sandbox; returns its container id."""
        pod.logs.mkdir(parents=True, exist_ok=True)
        self._lab.sub("pods", pod.uid)
        for root in cgroup_roots():
            with suppress(OSError):
                (root / pod.cgroup.lstrip("/")).mkdir(parents=True, exist_ok=True)
        config = self._pod_config(pod)
        answer = self._call(self._runtime.RunPodSandbox, "RunPodSandboxRequest", config=config)
        self._pods[answer.pod_sandbox_id] = pod
        return str(answer.pod_sandbox_id)

    def run_pods(self, pods: list[Pod], *command: str) -> list[list[str]]:
        """Run pods side by side, as kubelet's workers do.

        Returns each pod's uid, its sandbox's id and its container's.
        """

        def run(pod: Pod) -> list[str]:
            sandbox = self.run_pod(pod)
            return [pod.uid, sandbox, self.run(sandbox, "main", *command)]

        with ThreadPoolExecutor(POD_WORKERS) as workers:
            return list(workers.map(run, pods))

    def looks_at(self, container: str) -> None:
        """Ask about a container as ``crictl inspect`` and agents for metrics do."""
        self._call(self._runtime.ListPodSandbox, "Empty")
        self._call(self._runtime.ContainerStatus, "ContainerRequest", container_id=container)

    def stop_pod(self, sandbox: str) -> None:
        self._call(self._runtime.StopPodSandbox, "PodSandboxRequest", pod_sandbox_id=sandbox)

    def remove_pod(self, sandbox: str) -> None:
        """Remove the sandbox and its containers; a running one is killed."""
        self.stop_pod(sandbox)
        self._call(self._runtime.RemovePodSandbox, "PodSandboxRequest", pod_sandbox_id=sandbox)
        pod = self._pods.pop(sandbox, None)
        if pod is not None:
            self._forget(pod)

    def remove_all(self) -> None:
        for item in self._call(self._runtime.ListPodSandbox, "Empty").items:
            self.remove_pod(item.id)

    def _forget(self, pod: Pod) -> None:
        if pod in self._pods.values():
            return
        shutil.rmtree(pod.logs, ignore_errors=True)
        for link in CONTAINER_LOGS.glob(f"{pod.name}_{pod.namespace}_*.log"):
            link.unlink(missing_ok=True)
        for root in cgroup_roots():
            with suppress(OSError):
                (root / pod.cgroup.lstrip("/")).rmdir()

    def _pod_config(self, pod: Pod) -> Message:
        make = self._messages
        return make.PodSandboxConfig(
            metadata=make.PodSandboxMetadata(
                name=pod.name, uid=pod.uid, namespace=pod.namespace, attempt=pod.attempt
            ),
            log_directory=str(pod.logs),
            labels={
                "io.kubernetes.pod.name": pod.name,
                "io.kubernetes.pod.namespace": pod.namespace,
                "io.kubernetes.pod.uid": pod.uid,
                **dict(pod.labels),
            },
            linux=make.LinuxPodSandboxConfig(
                cgroup_parent=pod.cgroup,
                security_context=make.LinuxSandboxSecurityContext(
                    namespace_options=self._namespaces(pod)
                ),
            ),
        )

    def _namespaces(self, pod: Pod, target: str = "") -> Message:
        make = self._messages
        processes = make.POD if pod.share_processes else make.CONTAINER
        if pod.host_processes:
            processes = make.NODE
        if target:
            processes = make.TARGET
        ipc = make.NODE if pod.host_ipc else make.POD
        return make.NamespaceOption(network=make.NODE, pid=processes, ipc=ipc, target_id=target)

    # ------------------------------------------------------------------ containers

    def create(
        self,
        sandbox: str,
        name: str,
        *command: str,
        attempt: int = 0,
        target: str = "",
        memory: int = 0,
    ) -> str:
        """Create a container of the pod; returns its id.

        ``target`` is a container whose processes it sees, as ``kubectl debug --target`` wants it.
        ``memory`` is its limit in bytes; 0 sets no limit.
        """
        make = self._messages
        pod = self._pods[sandbox]
        (pod.logs / name).mkdir(exist_ok=True)
        config = make.ContainerConfig(
            metadata=make.ContainerMetadata(name=name, attempt=attempt),
            image=make.ImageSpec(image=IMAGE),
            command=command,
            labels={
                "io.kubernetes.container.name": name,
                "io.kubernetes.pod.name": pod.name,
                "io.kubernetes.pod.namespace": pod.namespace,
                "io.kubernetes.pod.uid": pod.uid,
            },
            annotations={"io.kubernetes.container.restartCount": str(attempt)},
            log_path=f"{name}/{attempt}.log",
            linux=make.LinuxContainerConfig(
                resources=make.LinuxContainerResources(memory_limit_in_bytes=memory),
                security_context=make.LinuxContainerSecurityContext(
                    namespace_options=self._namespaces(pod, target)
                ),
            ),
        )
        answer = self._call(
            self._runtime.CreateContainer,
            "CreateContainerRequest",
            pod_sandbox_id=sandbox,
            config=config,
            sandbox_config=self._pod_config(pod),
        )
        return str(answer.container_id)

    def start(self, container: str) -> None:
        self._call(self._runtime.StartContainer, "ContainerRequest", container_id=container)

    def fails_to_start(self, container: str) -> bool:
        """Start a container that cannot run; returns whether the runtime said so."""
        try:
            self.start(container)
        except grpc.RpcError:
            return True
        return False

    def run(self, sandbox: str, name: str, *command: str, attempt: int = 0, memory: int = 0) -> str:
        """Create and start a container; returns its id."""
        container = self.create(sandbox, name, *command, attempt=attempt, memory=memory)
        self.start(container)
        self._link_log(self._pods[sandbox], name, container, attempt)
        return container

    def _link_log(self, pod: Pod, name: str, container: str, attempt: int) -> None:
        """Link the log as kubelet does after a start (kuberuntime_container.go)."""
        CONTAINER_LOGS.mkdir(parents=True, exist_ok=True)
        called = f"{pod.name}_{pod.namespace}_{name}-{container}"
        link = CONTAINER_LOGS / f"{called[:LINK_NAME_MAX]}.log"
        with suppress(FileExistsError):
            link.symlink_to(pod.logs / name / f"{attempt}.log")

    def stop(self, container: str, grace_seconds: int = 0) -> None:
        self._call(
            self._runtime.StopContainer,
            "StopContainerRequest",
            container_id=container,
            timeout=grace_seconds,
        )

    def remove(self, container: str) -> None:
        self._call(self._runtime.RemoveContainer, "ContainerRequest", container_id=container)

    def await_exit(self, container: str, seconds: float = EXIT_SECONDS) -> int:
        """Wait so long until the container has ended; returns its exit code."""

        def ended() -> Message:
            status = self._call(
                self._runtime.ContainerStatus, "ContainerRequest", container_id=container
            ).status
            return status if status.state == EXITED else None

        return int(until(ended, f"container {container} ends", seconds).exit_code)

    def _call(self, method: Callable[..., Message], message: str, **fields: object) -> Message:
        return method(getattr(self._messages, message)(**fields), timeout=CALL_SECONDS)


def _compile(directory: Path) -> tuple[ModuleType, ModuleType]:
    """Make Python of the protocol in ``directory`` and import it from there."""
    include = str(files(grpc_tools) / "_proto")
    code = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTO.parent}",
            f"--proto_path={include}",
            f"--python_out={directory}",
            f"--grpc_python_out={directory}",
            PROTO.name,
        ]
    )
    assert code == 0, f"protoc ended with {code}"
    sys.path.insert(0, str(directory))
    try:
        messages = importlib.import_module("cri_pb2")
        return messages, importlib.import_module("cri_pb2_grpc")
    finally:
        sys.path.remove(str(directory))
