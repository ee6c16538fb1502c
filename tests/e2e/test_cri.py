"""Kubernetes pods, asked for at containerd's CRI socket as kubelet does."""

from __future__ import annotations

import pytest

from lab.agent import Agent
from lab.cri import Cri, Pod
from lab.engines import unique
from lab.expect import FIRST, assert_has
from lab.image import IMAGE, NOT_A_PROGRAM

pytestmark = pytest.mark.e2e


def orchestrator(pod: Pod, container: str | None) -> dict[str, object]:
    """Return what an event has to say of a pod."""
    return {
        "type": "kubernetes",
        "namespace": pod.namespace,
        "pod": pod.name,
        "pod_uid": pod.uid,
        "container": container,
    }


def test_a_pod_is_a_sandbox_and_its_containers(agent: Agent, cri: Cri) -> None:
    pod = Pod(unique("web"))
    sandbox = cri.run_pod(pod)
    container = cri.run(sandbox, "main", "sh", "-c", "exit 3")
    assert cri.await_exit(container) == 3
    assert_has(
        agent.one_start(sandbox),
        container={"id": sandbox, "runtime": "containerd", "oci_runtime": "runc", "sandbox": True},
        start=FIRST,
        orchestrator=orchestrator(pod, None),
    )
    assert_has(
        agent.one_start(container),
        container={
            "id": container,
            "name": "main",
            "runtime": "containerd",
            "sandbox": False,
            "image": {"name": IMAGE},
            "command": ["sh", "-c", "exit 3"],
            "cgroup": f"{pod.cgroup}/{container}",
            "parents": [],
        },
        start={**FIRST, "attempt": 0},
        orchestrator=orchestrator(pod, "main"),
    )
    assert_has(
        agent.one_stop(container),
        stop={"exit_code": 3, "signal": None},
        orchestrator=orchestrator(pod, "main"),
    )
    assert agent.stops(sandbox) == []
    cri.remove_pod(sandbox)
    agent.one_stop(sandbox)


def test_each_container_of_a_pod_is_reported_by_its_name(agent: Agent, cri: Cri) -> None:
    pod = Pod(unique("many"))
    sandbox = cri.run_pod(pod)
    containers = {
        name: cri.run(sandbox, name, "sleep", "3600") for name in ("init", "app", "sidecar")
    }
    for name, container in containers.items():
        assert_has(agent.one_start(container), start=FIRST, orchestrator=orchestrator(pod, name))


def test_a_new_attempt_is_a_restart_of_the_container_before_it(agent: Agent, cri: Cri) -> None:
    pod = Pod(unique("crash"))
    sandbox = cri.run_pod(pod)
    first = cri.run(sandbox, "main", "sh", "-c", "exit 5")
    cri.await_exit(first)
    second = cri.run(sandbox, "main", "sh", "-c", "exit 6", attempt=1)
    cri.await_exit(second)
    cri.remove(first)
    third = cri.run(sandbox, "main", "sleep", "3600", attempt=2)
    assert_has(agent.one_start(first), start={**FIRST, "attempt": 0})
    assert_has(
        agent.one_start(second),
        start={"kind": "restart", "attempt": 1, "previous": {"id": first, "exit_code": 5}},
        orchestrator=orchestrator(pod, "main"),
    )
    assert_has(
        agent.one_start(third),
        start={"kind": "restart", "attempt": 2, "previous": {"id": second, "exit_code": 6}},
    )


def test_a_pod_of_the_same_name_made_anew_starts_first(agent: Agent, cri: Cri) -> None:
    name = unique("recreated")
    old, new = Pod(name), Pod(name)
    sandbox = cri.run_pod(old)
    before = cri.run(sandbox, "main", "sleep", "3600")
    # StartContainer returns before the init's execve: killed at once, it would never have run.
    assert_has(agent.one_start(before), start=FIRST)
    cri.remove_pod(sandbox)
    after = cri.run(cri.run_pod(new), "main", "sleep", "3600")
    assert_has(agent.one_start(after), start=FIRST, orchestrator=orchestrator(new, "main"))


def test_a_new_sandbox_restarts_what_ran_in_the_pod(agent: Agent, cri: Cri) -> None:
    """The node rebooted, or the pause container died: kubelet makes both anew in the same pod."""
    pod = Pod(unique("moved"))
    sandbox = cri.run_pod(pod)
    before = cri.run(sandbox, "main", "sleep", "3600")
    cri.stop(before)
    cri.stop_pod(sandbox)
    again = Pod(pod.name, pod.namespace, pod.uid, attempt=1)
    after = cri.run(cri.run_pod(again), "main", "sleep", "3600", attempt=1)
    assert_has(
        agent.one_start(after),
        start={"kind": "restart", "attempt": 1, "previous": {"id": before, "signal": 9}},
        orchestrator=orchestrator(pod, "main"),
    )


def test_a_stopped_container_shows_its_signal(agent: Agent, cri: Cri) -> None:
    container = cri.run(cri.run_pod(Pod(unique("stopped"))), "main", "sleep", "3600")
    cri.stop(container)
    assert_has(agent.one_stop(container), stop={"signal": 9, "exit_code": None})
    agent.one_start(container)


def test_containers_that_share_the_pod_s_processes_are_starts(agent: Agent, cri: Cri) -> None:
    pod = Pod(unique("shared"), share_processes=True)
    sandbox = cri.run_pod(pod)
    container = cri.run(sandbox, "main", "sh", "-c", "exit 7")
    cri.await_exit(container)
    agent.one_start(sandbox)
    assert_has(agent.one_start(container), start=FIRST, orchestrator=orchestrator(pod, "main"))
    assert_has(agent.one_stop(container), stop={"exit_code": 7})
    assert agent.stops(sandbox) == []


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("/no/such/program", id="refused-at-create"),
        pytest.param(NOT_A_PROGRAM, id="refused-at-the-exec"),
    ],
)
def test_a_container_that_cannot_run_is_a_failed_start(
    agent: Agent, cri: Cri, program: str
) -> None:
    pod = Pod(unique("failed"))
    sandbox = cri.run_pod(pod)
    container = cri.create(sandbox, "main", program)
    if not cri.fails_to_start(container):
        # runc start has ended well before the kernel refuses the file.
        assert cri.await_exit(container) != 0
    assert_has(
        agent.exactly(1, "start_failed", container)[0],
        container={"id": container, "name": "main", "image": {"name": IMAGE}},
        orchestrator=orchestrator(pod, "main"),
    )
    assert agent.starts(container) == []


def test_a_created_container_that_is_never_started_is_not_a_start(agent: Agent, cri: Cri) -> None:
    sandbox = cri.run_pod(Pod(unique("unused")))
    container = cri.create(sandbox, "main", "true")
    cri.remove(container)
    agent.settle()
    assert agent.of(container) == []
