"""What the golden captures of pods show, each made by a kubelet's client of a real containerd."""

from __future__ import annotations

import os
import signal

from lab.containerd import KUBERNETES
from lab.cri import Pod
from lab.engines import unique
from lab.kubelet import NODE, claims_to_be, running
from tests.golden.stage import Engines, Recorder


def cri_pod(engines: Engines, recorder: Recorder) -> list[str]:
    sandbox = engines.cri.run_pod(Pod(unique("shop")))
    first = engines.cri.run(sandbox, "main", "sh", "-c", "exit 5")
    recorder.one_stop(first)
    second = engines.cri.run(sandbox, "main", "sleep", "3600", attempt=1)
    recorder.one_start(second)
    return [sandbox, first, second]


def kubelet_pods(engines: Engines, recorder: Recorder) -> list[str]:
    """A pod in its own namespaces, one in the host's, a static one; a program asks meanwhile.

    Pods have names of the same length everywhere: they stand in messages whose frames count bytes.
    """
    with running(engines.lab, engines.containerd_with_image) as kubelet:
        made: list[str] = []
        for pod in (
            Pod("web-7c5ddbdf54-x2x4z", labels=(("pod-template-hash", "7c5ddbdf54"),)),
            Pod("hostly", host_processes=True, host_ipc=True),
            Pod("static", uid="62a5ddb550c38f3a92a5ddb550c38f3a"),
        ):
            sandbox = kubelet.run_pod(pod)
            container = kubelet.run(sandbox, "main", "sleep", "3600")
            engines.containerd.ctr("containers", "info", container, namespace=KUBERNETES)
            recorder.one_start(container)
            made += [sandbox, container]
        return made


def kubelet_causes(engines: Engines, recorder: Recorder) -> list[str]:
    """A crash, a stop by kubelet, a sandbox that dies, and one that cannot run at all."""
    pod = Pod("causes")
    with running(engines.lab, engines.containerd_with_image) as kubelet:
        sandbox = kubelet.run_pod(pod)
        crashed = kubelet.run(sandbox, "main", "sh", "-c", "exit 3")
        recorder.one_stop(crashed)
        second = kubelet.run(sandbox, "main", "sleep", "3600", attempt=1)
        recorder.one_start(second)
        kubelet.stop(second)
        recorder.one_stop(second)
        third = kubelet.run(sandbox, "main", "sleep", "3600", attempt=2)
        os.kill(recorder.one_start(sandbox)["container"]["pid"], signal.SIGKILL)
        recorder.one_stop(sandbox)
        kubelet.stop(third)
        recorder.one_stop(third)
        anew = kubelet.run_pod(Pod(pod.name, pod.namespace, pod.uid, attempt=1))
        fourth = kubelet.run(anew, "main", "sleep", "3600", attempt=3)
        recorder.one_start(fourth)
        failing = [
            kubelet.fails_to_start(anew, "wrong", "/no/such/program", attempt)
            for attempt in range(3)
        ]
        recorder.exactly(1, "start_failed", failing[0])
        return [sandbox, crashed, second, third, anew, fourth, *failing]


def kubelet_kills(engines: Engines, recorder: Recorder) -> list[str]:
    """A container that kubelet ends and starts again, and one for debugging among its processes."""
    with running(engines.lab, engines.containerd_with_image) as kubelet:
        sandbox = kubelet.run_pod(Pod("killed"))
        first = kubelet.run(sandbox, "main", "sleep", "3600")
        recorder.one_start(first)
        kubelet.stop(first)
        recorder.one_stop(first)
        second = kubelet.run(sandbox, "main", "sleep", "3600", attempt=1)
        recorder.one_start(second)
        debugger = kubelet.create(sandbox, "debugger", "sleep", "3600", target=second)
        kubelet.start(debugger)
        recorder.one_start(debugger)
        return [sandbox, first, second, debugger]


def kubelet_and_another(engines: Engines, recorder: Recorder) -> list[str]:
    """Another program puts a pod of its own on the node, at the same engine's CRI."""
    with running(engines.lab, engines.containerd_with_image) as kubelet:
        own = kubelet.run_pod(Pod("scheduled"))
        recorder.one_start(own)
        with running(engines.lab, engines.containerd_with_image, "injector") as other:
            sandbox = other.run_pod(Pod("injected"))
            container = other.run(sandbox, "main", "sleep", "3600")
            recorder.one_start(container)
            other.remove_pod(sandbox)
        return [own, sandbox, container]


def kubelet_without_agent(engines: Engines, recorder: Recorder) -> list[str]:
    """A crash loop while no agent runs: what is left on disk names each attempt."""
    recorder.start()
    with running(engines.lab, engines.containerd_with_image) as kubelet:
        sandbox = kubelet.run_pod(Pod("absent"))
        made = [kubelet.run(sandbox, "main", "sh", "-c", "exit 1")]
        recorder.one_stop(made[0])
        recorder.stop()
        for attempt in range(1, 4):
            made.append(kubelet.run(sandbox, "main", "sh", "-c", "exit 1", attempt=attempt))
            kubelet.await_exit(made[-1])
        recorder.resume()
        recorder.one_stop(made[-1])
        return [sandbox, *made]


def forged_annotations(engines: Engines, recorder: Recorder) -> list[str]:
    """A container that claims to be an innocent pod's."""
    pod = Pod("innocent")
    with running(engines.lab, engines.containerd_with_image) as kubelet:
        sandbox = kubelet.run_pod(pod)
        container = kubelet.run(sandbox, "main", "sleep", "3600")
        recorder.one_start(container)
        forged = unique("forged")
        engines.containerd.run(forged, "true", options=claims_to_be(pod, sandbox))
        recorder.one_stop(forged)
        return [sandbox, container, forged]


def kubelet_init_containers(engines: Engines, recorder: Recorder) -> list[str]:
    """Two init containers, one of which fails at first, and two main containers side by side."""
    with running(engines.lab, engines.containerd_with_image) as kubelet:
        made = [kubelet.run_pod(Pod("inits"))]
        for attempt, (name, program) in enumerate(
            [("wait", "true"), ("migrate", "false"), ("migrate", "true")]
        ):
            container = kubelet.run(made[0], name, program, attempt=int(attempt == 2))
            recorder.one_stop(container)
            made.append(container)
        made += [kubelet.run(made[0], name, "sleep", "3600") for name in ("app", "proxy")]
        for container in made[-2:]:
            recorder.one_start(container)
        return made


def contained_kubelet(engines: Engines, recorder: Recorder) -> list[str]:
    """A kubelet that runs in a container with the namespaces of the host."""
    return _asking_from_a_container("kubelet", engines, recorder)


def contained_panel(engines: Engines, recorder: Recorder) -> list[str]:
    """Another program in such a container that asks for a pod as a kubelet does."""
    return _asking_from_a_container("panel", engines, recorder)


def _asking_from_a_container(called: str, engines: Engines, recorder: Recorder) -> list[str]:
    within = (engines.docker, NODE)
    with running(engines.lab, engines.containerd_with_image, called, within) as program:
        sandbox = program.run_pod(Pod("contained"))
        container = program.run(sandbox, "main", "sleep", "3600")
        recorder.one_start(container)
        return [program.container, sandbox, container]
