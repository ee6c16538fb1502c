"""A way to start a container, and all of them on one node."""

from __future__ import annotations

from enum import StrEnum

from sensor.dataclass import dataclass

UNUSED_AFTER = 30 * 86_400 * 1_000_000_000
"""ns without a use after which a way counts as unused."""


class WayKind(StrEnum):
    """What allows starting a container."""

    GROUP = "member of an engine's group"
    SOCKET = "access to an engine's socket"
    LISTENER = "engine listens on the network"
    CONTAINER = "container with the host in its hands"
    KUBELET = "kubelet's credentials"
    STATIC_PODS = "directory of static pods"
    SUDO = "sudo rule"
    ROOTLESS = "rootless engine"
    JOB = "unit or job that runs a client"
    ROOT = "account with uid 0"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to start a container. ``last_use`` is wall time in ns, None for no use in the log."""

    kind: WayKind
    who: str
    evidence: str
    grave: bool = False
    """It leads to root on the host."""
    login: str | None = None
    """The person whose starts are uses of it."""
    unit: str | None = None
    container: str | None = None
    last_use: int | None = None

    @property
    def used_by_log(self) -> bool:
        """Whether the log can say when it was used."""
        return self.login is not None or self.unit is not None or self.container is not None

    def is_unused(self, now: int, covers: int | None) -> bool:
        """Return whether it was not used for 30 days.

        ``covers`` is since when the log has starts; a shorter log proves nothing.
        """
        if not self.used_by_log or covers is None or now - covers < UNUSED_AFTER:
            return False
        return self.last_use is None or now - self.last_use > UNUSED_AFTER


@dataclass(frozen=True, slots=True)
class Access:
    """All ways on one node, and what could not be read. Times are wall ns."""

    host: str
    now: int
    ways: tuple[Way, ...]
    unread: tuple[str, ...]
    covers: int | None = None
    """Since when the log has starts; None without a log."""
