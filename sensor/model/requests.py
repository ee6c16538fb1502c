"""What the core asks of others, and what it answers about coverage."""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import ContainerId, Engine


@quick
@dataclass(frozen=True, slots=True)
class DescribeRequest:
    """The core's wish that the identity worker reads a container's description from disk.

    ``reader`` is the runtime's own process: paths are as that process sees them, so a nested
    runtime's bundle is read through /proc/PID/root.
    """

    id: ContainerId
    engine: Engine | None
    bundle: str | None
    runtime_root: str | None
    containerd_namespace: str | None
    reader: ProcessKey | None
    reader_mnt_ns: int | None
    reader_uid: int | None
    cgroup: str | None
    scope: str | None = None
    """The runtime root that the id belongs to where it is a name; the answer bears it again."""


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One start, and which witnesses reported it. ``time`` in ns since boot."""

    id: ContainerId
    name: str | None
    time: int
    kernel: bool
    """The probes saw the init's first execve."""
    runtime: bool
    """The runtime's creating command was seen."""
    audit: bool
    engine: bool
    """The engine's own stream reported it."""
    engine_listening: bool
    """That stream was being listened to."""
    reason: str | None
    """Why witnesses disagree, where they do."""
