"""Pods on a busy node: readers, restarts of kubelet and agent, many pods, long and equal names."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agent import Agent, Event
from lab.containerd import KUBERNETES, Containerd
from lab.cri import Cri, Pod
from lab.engines import CONTAINER_LOGS, Lab, unique
from lab.image import IMAGE
from lab.kubelet import Kubelet, running

pytestmark = pytest.mark.e2e

PODS = 40
LONGEST = 204
"""Letters of a pod's name that leave room for its namespace and uid in the name of a directory."""


@pytest.fixture
def kubelet(lab: Lab, cri: Cri, images_in_containerd: Containerd) -> Iterator[Kubelet]:
    del cri
    with running(lab, images_in_containerd) as process:
        yield process


def names(event: Event) -> tuple[str | None, ...]:
    block = event["orchestrator"] or {}
    return tuple(block.get(key) for key in ("namespace", "pod", "pod_uid", "container"))


def initiator(event: Event) -> int | None:
    process = (event["initiator"] or {}).get("process")
    return None if process is None else process["pid"]


@pytest.mark.parametrize("called", ["crictl", "metrics-agent", "kubelet"])
def test_readers_beside_a_kubelet_start_nothing(
    lab: Lab, kubelet: Kubelet, agent: Agent, images_in_containerd: Containerd, called: str
) -> None:
    """``crictl inspect``, an agent that lists, and another process of kubelet's name."""
    sandbox = kubelet.run_pod(Pod(unique("read")))
    with running(lab, images_in_containerd, called) as reader:
        for number in range(4):
            container = kubelet.create(sandbox, f"main{number}", "sleep", "3600")
            reader.looks_at(container)
            kubelet.start(container)
            reader.looks_at(container)
            images_in_containerd.ctr("containers", "info", container, namespace=KUBERNETES)
            images_in_containerd.ctr("tasks", "ls", namespace=KUBERNETES)
            event = agent.one_start(container)
            assert event["start"]["trigger"] == "orchestrator"
            assert initiator(event) == kubelet.pid


def test_a_kubelet_that_was_restarted_while_no_agent_ran_is_known(
    lab: Lab, kubelet: Kubelet, agent: Agent, images_in_containerd: Containerd
) -> None:
    agent.one_start(kubelet.run_pod(Pod(unique("old"))))
    agent.stop()
    kubelet.end()
    with running(lab, images_in_containerd) as anew:
        agent.start()
        for id_ in anew.run_pods([Pod(unique("new"))], "sleep", "3600").popitem()[1]:
            event = agent.one_start(id_)
            assert event["start"]["trigger"] == "orchestrator"
            assert initiator(event) == anew.pid


def test_of_many_pods_at_once_none_is_anonymous(kubelet: Kubelet, agent: Agent) -> None:
    pods = [Pod(f"{unique('crowd')}-{number}") for number in range(PODS)]
    made = kubelet.run_pods(pods, "true")
    for pod in pods:
        sandbox, container = made[pod.uid]
        assert names(agent.one_start(sandbox)) == (pod.namespace, pod.name, pod.uid, None)
        event = agent.one_start(container)
        assert names(event) == (pod.namespace, pod.name, pod.uid, "main")
        assert event["container"]["image"]["name"] == IMAGE
        assert event["start"]["attempt"] == 0
        assert initiator(event) == kubelet.pid


def test_what_started_without_an_agent_is_named_whatever_became_of_it(
    kubelet: Kubelet, agent: Agent
) -> None:
    """Running, ended, removed, its pod removed; two pods of one name; the longest name."""
    name = unique("twin")
    long = unique("long").ljust(LONGEST, "g")
    pods = [
        Pod(name, "castoff-blue"),
        Pod(name, "castoff-green"),
        Pod(long),
        Pod(
            unique("static"), uid=hashlib.md5(uuid.uuid4().bytes, usedforsecurity=False).hexdigest()
        ),
        Pod(unique("ended")),
        Pod(unique("removed")),
    ]
    agent.stop()
    made = kubelet.run_pods(pods[:4], "sleep", "3600") | kubelet.run_pods(pods[4:], "true")
    for pod in pods[4:]:
        kubelet.await_exit(made[pod.uid][1])
    kubelet.remove(made[pods[5].uid][1])
    agent.start()
    for pod in pods:
        sandbox, container = made[pod.uid]
        event = agent.one_start(container)
        assert names(event) == (pod.namespace, pod.name, pod.uid, "main")
        assert (event["start"]["kind"], event["start"]["attempt"]) == ("first", 0)
        assert event["start"]["trigger"] == "orchestrator"
        assert names(agent.one_start(sandbox)) == (pod.namespace, pod.name, pod.uid, None)


def test_a_container_among_the_processes_of_another_is_ephemeral(
    kubelet: Kubelet, agent: Agent
) -> None:
    """As ``kubectl debug --target``; a pod that shares its processes has no such container."""
    sandbox = kubelet.run_pod(Pod(unique("debugged")))
    main = kubelet.run(sandbox, "main", "sleep", "3600")
    agent.one_start(main)
    debugger = kubelet.create(sandbox, "debugger-x7c2p", "sleep", "3600", target=main)
    kubelet.start(debugger)
    shared = kubelet.run_pod(Pod(unique("shared"), share_processes=True))
    both = [kubelet.run(shared, name, "sleep", "3600") for name in ("one", "other")]
    types = [
        agent.one_start(id_)["orchestrator"]["container_type"] for id_ in (main, debugger, *both)
    ]
    assert types == [None, "ephemeral", None, None]


def test_a_container_that_ended_before_the_next_began_was_an_init_container(
    kubelet: Kubelet, agent: Agent
) -> None:
    """As a pod with two init containers, one of which fails at first, and two main containers."""
    sandbox = kubelet.run_pod(Pod(unique("inits")))
    made = {}
    for number, (name, program) in enumerate(
        [("wait", "true"), ("migrate", "false"), ("migrate", "true")]
    ):
        made[f"{name}{number}"] = kubelet.run(sandbox, name, program, attempt=int(number == 2))
        kubelet.await_exit(made[f"{name}{number}"])
    for name in ("app", "proxy"):
        made[name] = kubelet.run(sandbox, name, "sleep", "3600")
    evidence = {
        name: [one["what"] for one in agent.one_start(id_)["evidence"] if one["kind"] == "pod"]
        for name, id_ in made.items()
    }
    init = "{} ended with 0 before it: an init container"
    named = {name: [one for one in what if "ended" in one] for name, what in evidence.items()}
    assert named == {
        "wait0": [],
        "migrate1": [init.format("wait")],
        "migrate2": [],
        "app": [init.format("migrate")],
        "proxy": [],
    }


def test_logs_that_lead_elsewhere_name_nothing(
    lab: Lab, kubelet: Kubelet, agent: Agent, tmp_path: Path
) -> None:
    """A link to another file, a FIFO, a directory, false names."""
    del lab
    pod = Pod(unique("plain"))
    sandbox = kubelet.run_pod(pod)
    agent.one_start(sandbox)
    CONTAINER_LOGS.mkdir(parents=True, exist_ok=True)
    id_ = uuid.uuid4().hex * 2
    made = [
        CONTAINER_LOGS / f"evil_default_main-{id_}.log",
        CONTAINER_LOGS / f"fifo_default_main-{id_[::-1]}.log",
        CONTAINER_LOGS / "no-name.log",
    ]
    try:
        made[0].symlink_to(tmp_path / "secret")
        os.mkfifo(made[1])
        made[2].symlink_to("/etc/shadow")
        agent.stop()
        container = kubelet.run(sandbox, "main", "true")
        kubelet.await_exit(container)
        kubelet.remove(container)
        agent.start()
        event = agent.one_start(container)
        assert names(event) == (pod.namespace, pod.name, pod.uid, "main")
    finally:
        for path in made:
            path.unlink(missing_ok=True)
