"""Command lines that start containers: clients and runtimes, by their programs' names."""

from __future__ import annotations

import re

PROGRAMS = frozenset(
    {
        "docker", "docker-compose", "podman", "podman-compose", "buildah", "nerdctl", "ctr",
        "crictl", "kubectl", "balena", "balena-engine", "k3s", "runc", "crun", "youki", "runsc",
        "lxc", "incus", "systemd-nspawn", "machinectl",
    }
)  # fmt: skip

LINE_MAX = 8192
"""Characters of a command line that are looked at."""

_WORD = re.compile(r"[^\s;|&()<>\"'`=@+!-][^\s;|&()<>\"'`=]*")


def client_in(line: str) -> str | None:
    """Return the first program of a command line that starts containers, None for none."""
    for found in _WORD.finditer(line[:LINE_MAX]):
        name = found[0].rpartition("/")[2]
        if name in PROGRAMS:
            return name
    return None
