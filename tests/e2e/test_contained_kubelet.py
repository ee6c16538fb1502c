"""A kubelet that runs in a container and asks the host's engine, as those of RKE1 and Talos do."""

from __future__ import annotations

import pytest

from lab.agent import Agent
from lab.containerd import Containerd
from lab.cri import Pod
from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.kubelet import NODE, Kubelet, running
from tests.e2e.test_kubelet import initiator

pytestmark = pytest.mark.e2e


def triggers(agent: Agent, kubelet: Kubelet) -> set[tuple[str, int | None]]:
    """Run a pod; return what caused its sandbox and its container."""
    sandbox = kubelet.run_pod(Pod(unique("contained")))
    made = [sandbox, kubelet.run(sandbox, "main", "sleep", "3600")]
    events = [agent.one_start(id_) for id_ in made]
    assert all(event["initiator"]["container_id"] for event in events)
    return {(event["start"]["trigger"], initiator(event)) for event in events}


@pytest.mark.usefixtures("cri")
def test_a_kubelet_in_a_container_with_the_hosts_namespaces_is_the_orchestrator(
    lab: Lab, docker: Dockerd, agent: Agent, images_in_containerd: Containerd
) -> None:
    with running(lab, images_in_containerd, within=(docker, NODE)) as kubelet:
        assert triggers(agent, kubelet) == {("orchestrator", kubelet.pid)}
        agent.stop()
        before = len(agent.events)
        agent.start()
        agent.wait_for(
            lambda: agent.mentioning("inventory_taken", before), "the inventory is taken"
        )
        # Now it is inventory, and so is its connection.
        assert triggers(agent, kubelet) == {("orchestrator", kubelet.pid)}
        kubelet.remove_pods()


@pytest.mark.usefixtures("cri")
@pytest.mark.parametrize(
    ("called", "options"),
    [
        ("kubelet", ("--network=host",)),
        ("kubelet", ("--pid=host", "--network=none")),
        ("panel", NODE),
    ],
    ids=["its own processes", "its own network", "another program"],
)
def test_any_other_container_that_asks_the_engine_is_a_container(
    lab: Lab,
    docker: Dockerd,
    agent: Agent,
    images_in_containerd: Containerd,
    called: str,
    options: tuple[str, ...],
) -> None:
    with running(lab, images_in_containerd, called, (docker, options)) as program:
        assert triggers(agent, program) == {("container", program.pid)}
        program.remove_pods()
