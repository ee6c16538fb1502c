"""Attach a cgroup/connect_unix program (Linux 6.7, bpf_attach_type 49).

bcc knows nothing of this type. Attached to the root of the cgroup v2 tree, which every process
belongs to on hybrid hosts too, it sees every connect(2) on a unix socket.
"""

from __future__ import annotations

import os
from pathlib import Path

from sensor.bpf import libbpf
from sensor.bpf.program_loading import CGROUP_UNIX_CONNECT


def cgroup2_root(mounts: Path = Path("/proc/self/mounts")) -> Path:
    """Return where the cgroup v2 hierarchy is mounted; raises FileNotFoundError when nowhere."""
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        match line.split(" "):
            case [_device, place, "cgroup2", *_]:
                return Path(place.encode().decode("unicode_escape"))
    raise FileNotFoundError("no cgroup2 mount")


def attach_program(program: int) -> int:
    """Attach a loaded program to the root of the cgroup v2 tree; returns the link's descriptor."""
    root = os.open(cgroup2_root(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return libbpf.call("bpf_link_create", program, root, CGROUP_UNIX_CONNECT, None)
    finally:
        os.close(root)
