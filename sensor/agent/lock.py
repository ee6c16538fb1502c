"""One agent a node: who holds the lock reads the probes."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from sensor.errors import PermissionMissing, ProbesBusy

if TYPE_CHECKING:
    from pathlib import Path


def lock_node(run_dir: Path) -> int:
    """Hold the node: one agent reads the rings. Returns the lock's descriptor.

    Raises :class:`ProbesBusy` naming the holder.
    """
    try:
        run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(
            run_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644
        )
    except PermissionError as error:
        problem = f"may not write {run_dir}"
        raise PermissionMissing(problem, "Run as root, or give --run-dir.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        problem = f"another agent (pid {holder}) reads the probes of this node"
        raise ProbesBusy(
            problem, "Stop it first: systemctl stop castoff, or its DaemonSet."
        ) from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor
