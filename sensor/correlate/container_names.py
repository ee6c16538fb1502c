"""What identifies a container to commands and requests, and to the troubles that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.naming import Names

if TYPE_CHECKING:
    from sensor.correlate.containers import ContainerState
    from sensor.correlate.naming import KnownIds


def names_of(state: ContainerState, ids: KnownIds | None = None) -> Names:
    """Gather what a command line could call a container."""
    description = state.description
    if description is None:
        return Names(state.key.id, None, former=state.former_names, ids=ids)
    pod = description.orchestrator
    return Names(
        state.key.id,
        description.name,
        description.labels or (),
        description.engine,
        state.former_names,
        ids,
        sandbox_of=pod.pod_uid if pod is not None and description.sandbox else None,
    )


def failure_key(state: ContainerState) -> tuple[str | None, ...]:
    """Return what the tries to start one container share: in a pod each has an id of its own.

    Another user's container may have the words of that pod, or the same id: its scope is another.
    """
    pod = state.description.orchestrator if state.description is not None else None
    if pod is not None and pod.pod_uid is not None and pod.container is not None:
        return pod.pod_uid, pod.container, state.key.scope
    return state.key.id, state.key.scope
