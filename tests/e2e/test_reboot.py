"""The node boots again: what ran before is known, and is started again for that.

The machine of the tests stays up, and the agent is given another id of the boot. Its probes and
everything that ran are taken away. Before an orderly reboot systemd stops the agent. A power cut
takes it as soon as the start is on disk, whatever is noted by then.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable

import pytest

from lab.agent import Agent, Event, unload_probes
from lab.containerd import Containerd
from lab.cri import Pod
from lab.engines import Lab, unique
from lab.event_log import ids_on_disk
from lab.expect import assert_has
from lab.kubelet import running
from lab.waiting import until

pytestmark = pytest.mark.e2e


def in_order(agent: Agent, start: Event) -> None:
    """End the agent as systemd does before a reboot."""
    agent.one_start(start["container"]["id"])
    agent.stop()


def at_once(agent: Agent, start: Event) -> None:
    """End the agent as a power cut does, once a start is on disk."""
    until(lambda: start["id"] in ids_on_disk(agent.database), "the start is on disk")
    agent.kill()


@pytest.mark.parametrize("end", [in_order, at_once])
@pytest.mark.usefixtures("cri")
def test_after_a_reboot_a_pods_container_is_started_for_that(
    lab: Lab,
    own_agent: Agent,
    images_in_containerd: Containerd,
    end: Callable[[Agent, Event], None],
) -> None:
    agent = own_agent
    agent.start()
    pod = Pod(unique("rebooted"))
    with running(lab, images_in_containerd) as kubelet:
        sandbox = kubelet.run_pod(pod)
        first = kubelet.run(sandbox, "main", "sleep", "3600")
        ids = (first, sandbox)
        agent.wait_for(lambda: all(map(agent.starts, ids)), "both are reported")
        before = agent.starts(first)[0]
        inits = [agent.starts(id_)[0]["container"]["pid"] for id_ in ids]
        end(agent, before)
    unload_probes()
    for init in inits:
        os.kill(init, signal.SIGKILL)
    agent.boot = lab.directory / unique("boot_id")
    agent.boot.write_text(f"{uuid.uuid4()}\n")
    with running(lab, images_in_containerd) as kubelet:
        kubelet.await_exit(first)
        agent.start()
        sandbox = kubelet.run_pod(Pod(pod.name, pod.namespace, pod.uid, attempt=1))
        second = kubelet.run(sandbox, "main", "sleep", "3600", attempt=1)
        after = agent.one_start(second)
        kubelet.remove_pods()
    agent.stop()
    assert after["host"]["boot_id"] != before["host"]["boot_id"]
    assert_has(
        after,
        start={
            "kind": "restart",
            "trigger": "orchestrator",
            "cause": "engine_boot",
            "attempt": 1,
            "previous": {"id": first, "started": before["time"], "exit_code": None},
        },
    )
