"""What a node sees of a kubelet: it connects once, and others ask about its containers.

The rows of the case k8s-on-the-node that show without a cluster.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator

import pytest

from lab.agent import Agent, Event
from lab.containerd import KUBERNETES, Containerd
from lab.cri import Cri, Pod
from lab.engines import Lab, unique
from lab.expect import FIRST, assert_has
from lab.image import IMAGE
from lab.kubelet import Kubelet, claims_to_be, running

pytestmark = pytest.mark.e2e


@pytest.fixture
def kubelet(lab: Lab, cri: Cri, images_in_containerd: Containerd) -> Iterator[Kubelet]:
    """A kubelet that is there before the agent of this test."""
    del cri
    with running(lab, images_in_containerd) as process:
        yield process


def initiator(event: Event) -> int | None:
    process = (event["initiator"] or {}).get("process")
    return None if process is None else process["pid"]


def test_a_kubelet_that_connected_before_the_agent_began_is_known(
    kubelet: Kubelet, agent: Agent
) -> None:
    agent.stop()
    agent.start()
    sandbox = kubelet.run_pod(Pod(unique("early")))
    container = kubelet.run(sandbox, "main", "sleep", "3600")
    for id_ in (sandbox, container):
        event = agent.one_start(id_)
        assert event["start"]["trigger"] == "orchestrator"
        assert initiator(event) == kubelet.pid


def test_a_kubelets_requests_tie_it_to_each_start(
    lab: Lab, kubelet: Kubelet, agent: Agent, images_in_containerd: Containerd
) -> None:
    sandbox = kubelet.run_pod(Pod(unique("asked")))
    for attempt in range(3):
        # What it sent before the agent began is not known; what it repeats is known after a while.
        agent.one_start(kubelet.run(sandbox, f"main{attempt}", "true"))
    with running(lab, images_in_containerd) as other:
        sandbox = other.run_pod(Pod(unique("asked")))
        container = other.run(sandbox, "main", "sleep", "3600")
        for id_ in (sandbox, container):
            event = agent.one_start(id_)
            assert event["start"]["trigger"] == "orchestrator"
            assert event["confidence"]["initiator"] == "exact"
            assert initiator(event) == other.pid
            assert event["initiator"]["socket"].endswith("containerd.sock")


def test_a_kill_that_a_kubelet_asked_for_is_distinguished_from_a_crash(
    kubelet: Kubelet, agent: Agent
) -> None:
    pod = Pod(unique("killed"))
    sandbox = kubelet.run_pod(pod)
    first = kubelet.run(sandbox, "main", "sleep", "3600")
    agent.one_start(first)
    kubelet.stop(first)
    agent.one_stop(first)
    second = kubelet.run(sandbox, "main", "sleep", "3600", attempt=1)
    assert_has(
        agent.one_start(second),
        start={
            "kind": "restart",
            "cause": "killed_by_orchestrator",
            "previous": {"id": first, "ended_by": "orchestrator"},
        },
    )


def test_a_kubelet_that_ended_is_named_no_more(
    lab: Lab, kubelet: Kubelet, agent: Agent, images_in_containerd: Containerd
) -> None:
    agent.one_start(kubelet.run_pod(Pod(unique("before"))))
    kubelet.end()
    pod = Pod(unique("between"))
    with running(lab, images_in_containerd, "controller") as stranger:
        event = agent.one_start(stranger.run_pod(pod))
        assert event["start"]["trigger"] == "api_client"
        assert initiator(event) == stranger.pid
        stranger.remove_pods()
    with running(lab, images_in_containerd) as anew:
        event = agent.one_start(anew.run_pod(Pod(unique("after"))))
        assert event["start"]["trigger"] == "orchestrator"
        assert initiator(event) == anew.pid


def test_who_only_asks_about_a_container_did_not_start_it(
    kubelet: Kubelet, agent: Agent, images_in_containerd: Containerd
) -> None:
    sandbox = kubelet.run_pod(Pod(unique("watched")))
    for attempt in range(3):
        container = kubelet.run(sandbox, f"main{attempt}", "sleep", "3600")
        images_in_containerd.ctr("containers", "info", container, namespace=KUBERNETES)
        event = agent.one_start(container)
        assert event["start"]["trigger"] == "orchestrator"
        process = (event["initiator"] or {}).get("process") or {"exe": "kubelet"}
        assert process["exe"].endswith("kubelet")


def test_namespaces_of_the_host_are_those_that_the_init_is_in(
    kubelet: Kubelet, agent: Agent
) -> None:
    plain = kubelet.run(kubelet.run_pod(Pod(unique("plain"))), "main", "sleep", "3600")
    pod = Pod(unique("hostly"), host_processes=True, host_ipc=True)
    shared = kubelet.run(kubelet.run_pod(pod), "main", "sleep", "3600")

    def namespaces(id_: str) -> set[str]:
        return set(agent.one_start(id_)["container"]["security"]["host_namespaces"])

    assert namespaces(plain) & {"pid", "ipc", "user"} == set()
    assert namespaces(shared) >= {"pid", "ipc", "network"}
    assert "user" not in namespaces(shared)


def test_a_static_pod_has_the_uid_of_its_manifest_and_begins_anew(
    kubelet: Kubelet, agent: Agent
) -> None:
    uid = hashlib.md5(unique("manifest").encode(), usedforsecurity=False).hexdigest()
    pod = Pod(unique("static"), uid=uid)
    sandbox = kubelet.run_pod(pod)
    first = kubelet.run(sandbox, "main", "sleep", "3600")
    assert_has(
        agent.one_start(first),
        start={**FIRST, "attempt": 0},
        orchestrator={"pod_uid": uid, "source": "file"},
    )
    kubelet.remove_pod(sandbox)
    again = kubelet.run(kubelet.run_pod(pod), "main", "sleep", "3600")
    assert_has(agent.one_start(again), start=FIRST)


def test_labels_and_owner_come_from_containerds_metadata(kubelet: Kubelet, agent: Agent) -> None:
    labels = (("app", "web"), ("pod-template-hash", "7c5ddbdf54"))
    name = f"{unique('web')}-7c5ddbdf54-x2x4z"
    sandbox = kubelet.run_pod(Pod(name, labels=labels))
    event = agent.one_start(kubelet.run(sandbox, "main", "sleep", "3600"))
    assert event["container"]["labels"]["app"] == "web"
    assert event["orchestrator"]["owner"]["kind"] == "Deployment"
    assert name.startswith(event["orchestrator"]["owner"]["name"])
    assert event["confidence"]["owner"] == "inferred"


def test_what_came_and_went_without_an_agent_is_named_by_what_is_left(
    kubelet: Kubelet, agent: Agent
) -> None:
    pod = Pod(unique("absent"))
    sandbox = kubelet.run_pod(pod)
    before = kubelet.run(sandbox, "main", "sh", "-c", "exit 1")
    agent.one_stop(before)
    agent.stop()
    found = {}
    for attempt in range(1, 4):
        container = kubelet.run(sandbox, "main", "sh", "-c", "exit 1", attempt=attempt)
        kubelet.await_exit(container)
        found[attempt] = container
    agent.start()
    for attempt, container in found.items():
        assert_has(
            agent.one_start(container),
            container={"name": "main", "image": {"name": IMAGE}},
            start={"kind": "restart", "trigger": "orchestrator", "attempt": attempt},
            orchestrator={
                "namespace": pod.namespace,
                "pod": pod.name,
                "pod_uid": pod.uid,
                "container": "main",
            },
        )


def test_forged_annotations_file_nothing_under_an_innocent_pod(
    kubelet: Kubelet, agent: Agent, images_in_containerd: Containerd
) -> None:
    pod = Pod(unique("innocent"))
    sandbox = kubelet.run_pod(pod)
    agent.one_start(kubelet.run(sandbox, "main", "sleep", "3600"))
    forged = unique("forged")
    images_in_containerd.run(forged, "true", options=claims_to_be(pod, sandbox))
    event = agent.one_start(forged)
    assert event["orchestrator"] is None
    assert (event["start"]["kind"], event["start"]["previous"]) == ("first", None)
    assert any("not believed" in one["what"] for one in event["evidence"])


def test_the_cause_of_a_restart_is_said_where_it_was_seen(kubelet: Kubelet, agent: Agent) -> None:
    pod = Pod(unique("causes"))
    sandbox = kubelet.run_pod(pod)
    crashed = kubelet.run(sandbox, "main", "sh", "-c", "exit 3")
    kubelet.await_exit(crashed)
    agent.one_stop(crashed)
    second = kubelet.run(sandbox, "main", "sleep", "3600", attempt=1)
    assert_has(
        agent.one_start(second),
        start={"kind": "restart", "cause": "crash"},
    )
    os.kill(agent.one_start(sandbox)["container"]["pid"], signal.SIGKILL)
    agent.one_stop(sandbox)
    kubelet.stop(second)
    agent.one_stop(second)
    anew = kubelet.run_pod(Pod(pod.name, pod.namespace, pod.uid, attempt=1))
    third = kubelet.run(anew, "main", "sleep", "3600", attempt=2)
    assert_has(agent.one_start(third), start={"kind": "restart", "cause": "sandbox_died"})


MEMORY = 16 << 20


def test_a_container_that_the_kernel_killed_for_its_memory_is_restarted_for_that(
    kubelet: Kubelet, agent: Agent
) -> None:
    sandbox = kubelet.run_pod(Pod(unique("hungry")))
    first = kubelet.run(sandbox, "main", "tail", "/dev/zero", memory=MEMORY)
    agent.one_start(first)
    assert kubelet.await_exit(first) == 128 + signal.SIGKILL
    assert agent.one_stop(first)["stop"]["oom_killed"] is True
    second = kubelet.run(sandbox, "main", "sleep", "3600", attempt=1, memory=MEMORY)
    assert_has(
        agent.one_start(second),
        start={
            "kind": "restart",
            "trigger": "orchestrator",
            "cause": "oom",
            "attempt": 1,
            "previous": {"id": first, "oom_killed": True, "ended_by": "kernel"},
        },
    )


def test_a_container_that_crashes_within_a_memory_limit_was_not_killed_for_it(
    kubelet: Kubelet, agent: Agent
) -> None:
    sandbox = kubelet.run_pod(Pod(unique("fed")))
    first = kubelet.run(sandbox, "main", "sh", "-c", "kill -9 $$", memory=MEMORY)
    kubelet.await_exit(first)
    assert agent.one_stop(first)["stop"]["oom_killed"] is not True
    second = kubelet.run(sandbox, "main", "sleep", "3600", attempt=1, memory=MEMORY)
    assert agent.one_start(second)["start"]["cause"] != "oom"


@pytest.fixture
def other_containerd(lab: Lab, images_in_containerd: Containerd) -> Iterator[Containerd]:
    """A second engine of the same kind, as beside k3s or in a test cluster."""
    del images_in_containerd
    engine = Containerd(lab, "containerd2")
    engine.start()
    try:
        engine.import_image(lab.directory / "image" / "image.tar", KUBERNETES)
        yield engine
    finally:
        engine.stop()


def test_of_two_containerds_each_has_its_own_kubelet(
    lab: Lab, kubelet: Kubelet, agent: Agent, other_containerd: Containerd
) -> None:
    """Both kubelets were there before the agent, and both asked while it watched."""
    with running(lab, other_containerd) as other:
        agent.stop()
        agent.start()
        pod = Pod(unique("both"))
        early = [(one, one.run_pod(pod)) for one in (kubelet, other)]
        starts = [(one, id_) for one, id_ in early]
        starts += [(one, one.run(id_, "main", "sleep", "3600")) for one, id_ in early]
        for one, id_ in starts:
            event = agent.one_start(id_)
            assert event["start"]["trigger"] == "orchestrator"
            assert initiator(event) == one.pid
            assert event["start"]["kind"] == "first"
        other.remove_pods()
