"""A node's disk below a temporary directory, and what its engines leave there."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sensor.identity.settings import IdentitySettings
from sensor.model.process import NS_PER_TICK, ProcessKey
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import ContainerId, Engine

ID = ContainerId("c0ffee" + "0123456789" * 5 + "abcdef01")
SECRET = "hunter2-do-not-tell"


class Node:
    """A directory that stands for a host's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = IdentitySettings(host_root=str(root))

    def write(self, path: str, value: object) -> Path:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        target.write_bytes(data)
        return target


def request_for(
    bundle: str | None = None,
    *,
    container: str = ID,
    engine: Engine | None = None,
    namespace: str | None = None,
    runtime_root: str | None = None,
    reader: ProcessKey | None = None,
    mnt_ns: int | None = None,
    cgroup: str | None = None,
    uid: int | None = 0,
) -> DescribeRequest:
    return DescribeRequest(
        id=ContainerId(container),
        engine=engine,
        bundle=bundle,
        runtime_root=runtime_root,
        containerd_namespace=namespace,
        reader=reader,
        reader_mnt_ns=mnt_ns,
        reader_uid=uid,
        cgroup=cgroup,
    )


def own_key(pid: int | None = None) -> ProcessKey:
    pid = os.getpid() if pid is None else pid
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return ProcessKey(pid, int(fields[19]) * NS_PER_TICK)


def oci_config(**members: object) -> dict[str, object]:
    """A bundle's config.json as Docker makes it, with a secret in the environment."""
    config: dict[str, object] = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["nginx", "-g", "daemon off;"],
            "env": [f"PASSWORD={SECRET}"],
            "capabilities": {"bounding": ["CAP_CHOWN", "CAP_NET_ADMIN"], "effective": []},
            "apparmorProfile": "docker-default",
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs"},
        "linux": {
            "cgroupsPath": "system.slice:docker:x",
            "namespaces": [{"type": kind} for kind in ("mount", "network", "uts", "pid", "ipc")],
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"},
        },
    }
    config.update(members)
    return config


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
