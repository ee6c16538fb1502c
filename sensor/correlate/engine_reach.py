"""Whether what a process asked at a socket can have been about a container.

The path of a socket is a text that any process may bind. Who listens there is a fact of the kernel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate.authority import ActorStanding, engine_standing
from sensor.dataclass import dataclass
from sensor.frozen import quick

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.correlate.containers import ContainerState, Creation
    from sensor.correlate.engine_requests import Asked
    from sensor.model.api_calls import ApiConnect
    from sensor.model.vocabulary import Engine


@quick
@dataclass(frozen=True, slots=True)
class Home:
    """Where a container belongs, as far as it is known."""

    engine: Engine | None = None
    owner: Origin | None = None
    pid_ns: int | None = None
    """Inode of the pid namespace in which its runtime made it."""


def home_of(state: ContainerState, engine: Engine | None) -> Home:
    """Return where a container belongs. ``engine`` is what made it, where that is known."""
    return Home(engine, state.owner, namespace_of(state.creation))


def is_of_root(state: ContainerState) -> bool:
    """Whether the host's root made a container, in no other one. Without an owner it is root's."""
    return account_of(state) is None


def account_of(state: ContainerState) -> str | None:
    """Return the account that answers for a container; None for root of the host.

    A runtime that no probe knows by name is seen first in the cgroup that it makes. So its origin
    may be inside the container itself.
    """
    owner = state.owner
    if owner is None:
        return None
    if owner.inside == (state.key.id,):
        owner = replace(owner, inside=())
    return owner.account


def namespace_of(creation: Creation | None) -> int | None:
    """Return the pid namespace that a container's runtime ran in."""
    return creation.process.pid_ns or None if creation is not None else None


def is_elsewhere(seen: Asked | ApiConnect, home: Home) -> bool:
    """Whether the engine that was asked is another user's than the container."""
    if seen.listener is not None:
        found = engine_standing(seen.listener, home.owner, home.pid_ns)
        if found is not ActorStanding.UNKNOWN:
            return found is ActorStanding.STRANGER
    return seen.foreign and home.owner is not None and home.owner.privileged
