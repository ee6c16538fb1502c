"""What the socket asks of the agent beside the log: a small protocol and the answers' types.

The JSON forms have the fields by name; unknown is ``null``.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol, Self

from sensor.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ContainerView:
    """A container that the agent knows. ``started`` is RFC 3339; ``image`` its name."""

    id: str
    name: str | None = None
    runtime: str | None = None
    image: str | None = None
    state: str = "unknown"
    """``created``, ``running``, ``paused``, ``stopped`` or ``unknown``."""
    pid: int | None = None
    """Its init, while it runs."""
    started: str | None = None
    starts: int = 0
    """Starts since the agent first knew it."""
    exit_code: int | None = None
    signal: int | None = None
    namespace: str | None = None
    pod: str | None = None
    parents: tuple[str, ...] = ()
    sandbox: bool = False
    cgroup: str | None = None
    command: tuple[str, ...] | None = None
    pod_uid: str | None = None
    pod_container: str | None = None
    """Its name within the pod."""
    owner: str | None = None
    """The workload of the pod, inferred: ``Deployment/web``."""
    attempt: int | None = None
    container_type: str | None = None
    """What it is within its pod, where that is known."""
    type_inferred: bool = False
    """Its order in the pod shows that, not the kernel."""

    @property
    def alive(self) -> bool:
        """Whether its init runs."""
        return self.state in {"running", "paused"}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read the JSON form, leaving out what a newer agent adds; raises ValueError."""
        known = {name: document[name] for name in cls.__slots__ if name in document}
        for name in ("parents", "command"):
            if isinstance(known.get(name), list):
                known[name] = tuple(known[name])
        try:
            return cls(**known)
        except TypeError as error:
            raise ValueError(f"no container: {error}") from error


@dataclass(frozen=True, slots=True)
class Membership:
    """Which container a process belongs to, as its cgroup says: the innermost one."""

    container: str
    parents: tuple[str, ...] = ()
    cgroup: str | None = None


class AgentView(Protocol):
    """What an agent shows to the socket."""

    def containers(self) -> tuple[ContainerView, ...]:
        """Return every container that is known. Called in the event loop; must not wait."""

    def container_of(self, pid: int) -> Membership | None:
        """Return the container of a process, None when it is in none.

        Called in a worker thread: reads procfs and touches nothing of the loop's. Raises
        ProcessLookupError when there is no such process.
        """

    def event_counts(self) -> tuple[tuple[str, int], ...]:
        """Return how many events of each type there were since the agent began. In the loop."""


def document(container: ContainerView) -> dict[str, object]:
    """Return the JSON form."""
    return asdict(container)
