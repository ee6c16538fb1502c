"""Roles by the names of a program."""

from __future__ import annotations

import pytest

from sensor.correlate.programs import role_by_file, role_by_names
from sensor.model.vocabulary import Role
from tests.correlate.observations import ROLES

BY_FILE = {
    "kubelet": ("/usr/bin/kubelet", "kubelet", Role.ORCHESTRATOR),
    "file-unknown": (None, "kubelet", Role.ORCHESTRATOR),
    "k3s-as-kubelet": ("k3s", "k3s-server", Role.ORCHESTRATOR),
    "k3s-as-itself": ("/usr/local/bin/k3s", "k3s", Role.ORCHESTRATOR),
    "k3s-as-containerd": ("k3s", "containerd", Role.ENGINE),
    "k3s-as-crictl": ("/var/lib/rancher/k3s/data/current/bin/k3s", "crictl", Role.CLIENT),
    "k3s-as-a-shim": ("k3s", "containerd-shim", Role.SHIM),
    "k3s-with-a-thread's-name": ("k3s", "worker", Role.ORCHESTRATOR),
    "comm-does-not-override": ("/usr/bin/python3", "kubelet", None),
    "nothing-known": (None, None, None),
}


@pytest.mark.parametrize(("exe", "comm", "role"), BY_FILE.values(), ids=BY_FILE)
def test_a_file_that_is_many_programs_counts_by_the_name_it_was_executed_under(
    exe: str | None, comm: str | None, role: Role | None
) -> None:
    assert role_by_file(ROLES.of_name, exe, comm) is role


def test_a_script_has_the_role_of_its_own_name() -> None:
    assert role_by_names(ROLES.of_name, "/usr/bin/python3.11", "docker-compose") is Role.CLIENT
    assert role_by_names(ROLES.of_name, "/usr/bin/dockerd", "docker") is Role.ENGINE
