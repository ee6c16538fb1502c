"""The node boots again: what ran before is known, and is started again for that.

The machine of the tests stays up. The agent is stopped, as systemd does it before a reboot, and is
given another id of the boot. Its probes and everything that ran are taken away.
"""

from __future__ import annotations

import os
import signal
import uuid

import pytest

from lab.agent import Agent, unload_probes
from lab.containerd import Containerd
from lab.cri import Cri, Pod
from lab.engines import Lab, unique
from lab.expect import assert_has
from lab.kubelet import running

pytestmark = pytest.mark.e2e


def test_after_a_reboot_a_pods_container_is_started_for_that(
    lab: Lab, cri: Cri, own_agent: Agent, images_in_containerd: Containerd
) -> None:
    del cri
    agent = own_agent
    agent.start()
    pod = Pod(unique("rebooted"))
    with running(lab, images_in_containerd) as kubelet:
        sandbox = kubelet.run_pod(pod)
        first = kubelet.run(sandbox, "main", "sleep", "3600")
        before = agent.one_start(first)
        inits = [agent.one_start(id_)["container"]["pid"] for id_ in (first, sandbox)]
        agent.stop()
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
