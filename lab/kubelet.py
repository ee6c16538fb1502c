"""A process called kubelet that connects to the CRI socket once and stays, as a kubelet does.

The process runs :class:`lab.cri.Cri` and takes one call a line on its standard input: a JSON array
of the method's name and its arguments. It answers with one line of JSON. A pod is given as an
object of its fields.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc

from lab.containerd import Containerd
from lab.cri import Cri, Pod
from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.image import IMAGE

CHECKOUT = Path(__file__).resolve().parents[1]
ANSWER_SECONDS = 60
HOSTS_PLACES = ("/usr", "/lib", "/lib64", "/sys/fs/cgroup", "/var/log", "/tmp", str(CHECKOUT))
"""What a kubelet in a container has of its host's files, the programs of this test among them."""

NODE = ("--pid=host", "--network=host")
"""What distributions give to the container of a kubelet."""


class Kubelet:
    """One such process. ``pid`` is its own."""

    def __init__(
        self,
        lab: Lab,
        containerd: Containerd,
        called: str = "kubelet",
        within: tuple[Dockerd, tuple[str, ...]] | None = None,
    ) -> None:
        """``within``: dockerd runs it in a container that is given these options."""
        # Both the kernel's comm and the file's own name are that.
        program = lab.sub("kubelet") / called
        if not program.exists():
            shutil.copy2(Path(sys.executable).resolve(), program)
        command: list[str | Path] = [
            *(program, "-m", "lab.kubelet"),
            *(lab.directory, containerd.address),
        ]
        environment = {
            "PATH": "/usr/sbin:/usr/bin",
            "PYTHONPATH": ":".join(package_places()),
            **lab.mark,
        }
        self._inspect: Callable[[], dict[str, Any]] | None = None
        if within is not None:
            docker, options = within
            name = unique(called)
            command = [*_run_in(docker, name, options, environment), *command]
            environment |= docker.environment
            self._inspect = lambda: docker.inspect(name)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            env=environment,
            start_new_session=True,
        )
        self._call("version")

    @property
    def pid(self) -> int:
        return self._process.pid if self._inspect is None else int(self._inspect()["State"]["Pid"])

    @property
    def container(self) -> str:
        """The id of the container that it runs in."""
        assert self._inspect is not None, "it runs in no container"
        return str(self._inspect()["Id"])

    def run_pod(self, pod: Pod) -> str:
        return str(self._call("run_pod", dataclasses.asdict(pod)))

    def run(self, sandbox: str, name: str, *command: str, attempt: int = 0, memory: int = 0) -> str:
        """Create and start a container; returns its id."""
        options = {"attempt": attempt, "memory": memory}
        return str(self._call("run", sandbox, name, *command, **options))

    def create(
        self, sandbox: str, name: str, *command: str, attempt: int = 0, target: str = ""
    ) -> str:
        """Create a container, which may see the processes of another one; returns its id."""
        return str(self._call("create", sandbox, name, *command, attempt=attempt, target=target))

    def start(self, container: str) -> None:
        self._call("start", container)

    def run_pods(self, pods: list[Pod], *command: str) -> dict[str, tuple[str, str]]:
        """Run pods side by side, each with a container called main.

        Returns the ids of the sandbox and of the container by the pod's uid.
        """
        found = self._call("run_pods", [dataclasses.asdict(pod) for pod in pods], *command)
        return {uid: (sandbox, id_) for uid, sandbox, id_ in cast("list[list[str]]", found)}

    def looks_at(self, container: str) -> None:
        """Ask about a container, and for a list of all of them."""
        self._call("looks_at", container)

    def stop(self, container: str) -> None:
        self._call("stop", container)

    def remove(self, container: str) -> None:
        self._call("remove", container)

    def remove_pod(self, sandbox: str) -> None:
        self._call("remove_pod", sandbox)

    def remove_pods(self) -> None:
        """Remove every pod of the engine."""
        self._call("remove_all")

    def await_exit(self, container: str) -> int:
        return int(cast("int", self._call("await_exit", container)))

    def fails_to_start(self, sandbox: str, name: str, program: str, attempt: int = 0) -> str:
        """Create a container and fail to start it; returns its id."""
        container = self.create(sandbox, name, program, attempt=attempt)
        self._call("fails_to_start", container)
        return container

    def end(self) -> None:
        """Close its standard input and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._process.returncode is not None:
            return
        self._process.stdin.close()
        self._process.wait(timeout=ANSWER_SECONDS)
        self._process.stdout.close()

    def _call(self, method: str, *words: object, **options: object) -> object:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([method, words, options]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"kubelet ended during {method}"
        answer = json.loads(line)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]


def package_places() -> tuple[str, ...]:
    """Return where this Python has its packages, and what those places are links to."""
    found = [path for path in sys.path if path.endswith("-packages")]
    return tuple(dict.fromkeys((*found, *(str(Path(path).resolve()) for path in found))))


def _run_in(
    docker: Dockerd, name: str, options: tuple[str, ...], environment: dict[str, str]
) -> list[str]:
    """Return the command that runs what follows in a container with this host's programs.

    It sees the run's directory, the cgroups and the logs of pods, as a kubelet's container does.
    """
    places = {*HOSTS_PLACES, *package_places()}
    mounted = [f"--volume={place}:{place}" for place in sorted(places) if Path(place).exists()]
    given = [f"--env={key}={value}" for key, value in environment.items()]
    words = ["run", "--rm", "--interactive", f"--name={name}", f"--workdir={CHECKOUT}"]
    return docker.command(*words, *mounted, *given, *options, IMAGE)


def claims_to_be(pod: Pod, sandbox: str) -> tuple[str, ...]:
    """Return the options of ``ctr run`` by which any container claims to be a pod's ``main``."""
    claims = {
        "container-type": "container",
        "container-name": "main",
        "sandbox-id": sandbox,
        "sandbox-name": pod.name,
        "sandbox-namespace": pod.namespace,
        "sandbox-uid": pod.uid,
    }
    annotations = [f"io.kubernetes.cri.{key}={value}" for key, value in claims.items()]
    return tuple(word for one in annotations for word in ("--annotation", one))


@contextmanager
def running(
    lab: Lab,
    containerd: Containerd,
    called: str = "kubelet",
    within: tuple[Dockerd, tuple[str, ...]] | None = None,
) -> Iterator[Kubelet]:
    """Run a kubelet, or a program of another name that asks the same, for a while."""
    kubelet = Kubelet(lab, containerd, called, within)
    try:
        yield kubelet
    finally:
        kubelet.end()


def _argument(word: object) -> object:
    """Return pods as such; everything else is what it was."""
    if isinstance(word, list):
        return [_argument(one) for one in word]
    if isinstance(word, dict):
        return Pod(**{**word, "labels": tuple(map(tuple, word["labels"]))})
    return word


def serve(directory: Path, address: Path) -> None:
    """Answer calls until the end of standard input."""
    client = Cri(Lab(directory), cast("Containerd", SimpleNamespace(address=address)))
    for line in sys.stdin:
        method, words, options = json.loads(line)
        arguments = [_argument(word) for word in words]
        try:
            result = getattr(client, method)(*arguments, **options)
        except (grpc.RpcError, AssertionError) as error:
            answer: dict[str, object] = {"error": str(error)}
        else:
            plain = isinstance(result, str | int | bool | list | None)
            answer = {"result": result if plain else None}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
