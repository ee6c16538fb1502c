"""A program is watched by its base name, as the probes know it."""

from __future__ import annotations

import pytest

from sensor.sources.audit.programs import Programs

WATCHED = Programs(["docker", "containerd-shim", "containerd-shim-runc-v2"])


@pytest.mark.parametrize(
    "path",
    [
        "docker",
        "/usr/bin/docker",
        "/usr/bin/docker (deleted)",
        "./docker",
        "/opt/containerd-shim-kata-v2",
    ],
)
def test_a_watched_program_is_known_wherever_it_lies(path: str) -> None:
    assert WATCHED.match(path)


@pytest.mark.parametrize("path", [None, "", "/usr/bin/dockerd", "/docker/sh", "docker-proxy"])
def test_another_program_is_not(path: str | None) -> None:
    assert not WATCHED.match(path)
