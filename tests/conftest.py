"""Fixtures of more than one folder of tests: real engines, and an agent that watches them."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from lab.fixtures import (
    _probes,
    agent,
    containerd,
    containerd_engine,
    cri,
    cri_client,
    docker,
    docker_engine,
    image,
    images_in_containerd,
    lab,
    own_agent,
    podman,
    podman_engine,
    pytest_runtest_makereport,
    runc,
    runc_program,
)

__all__ = [
    "_probes",
    "agent",
    "containerd",
    "containerd_engine",
    "cri",
    "cri_client",
    "docker",
    "docker_engine",
    "image",
    "images_in_containerd",
    "lab",
    "own_agent",
    "podman",
    "podman_engine",
    "pytest_runtest_makereport",
    "runc",
    "runc_program",
]

# Each run draws other examples. Time limits on them measure the machine's load, not the code.
settings.register_profile(
    "castoff",
    max_examples=int(os.environ.get("CASTOFF_EXAMPLES", "50")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("castoff")
