"""Descriptions of containers: asked for when a container is created, taken when they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate import orchestrators, renames
from sensor.correlate.containers import ContainerKey, Phase
from sensor.model.requests import DescribeRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.containers import ContainerState, Creation
    from sensor.correlate.events import Clock, Output
    from sensor.correlate.places import Places
    from sensor.model.container import Description
    from sensor.model.inventory import ContainerDescribed


class ContainerDescriptions:
    """Asks by ``emit``. One request for a container is under way at a time."""

    def __init__(
        self, clock: Clock, table: ContainerTable, places: Places, emit: Callable[[Output], None]
    ) -> None:
        self._clock = clock
        self._table = table
        self._places = places
        self._emit = emit

    def ask(self, state: ContainerState, creation: Creation | None) -> None:
        """Ask what the container is."""
        state.asked = self._clock.now
        identity = self._places.identity(state.cgroup)
        process = creation.process if creation is not None else None
        command = creation.command if creation is not None else None
        cgroup = state.cgroup
        self._emit(
            DescribeRequest(
                id=state.key.id,
                engine=identity.engine if identity is not None else None,
                bundle=command.bundle_path if command is not None else None,
                runtime_root=command.root if command is not None else None,
                containerd_namespace=None,
                reader=process.key if process is not None else None,
                reader_mnt_ns=process.mnt_ns if process is not None else None,
                reader_uid=process.uid if process is not None else None,
                cgroup=(cgroup.v1 or cgroup.v2) if cgroup is not None else None,
                scope=state.key.scope,
            )
        )

    def take(self, described: ContainerDescribed) -> ContainerState | None:
        """Take the identity worker's answer; return the container that has its description now."""
        if described.scope is not None:
            state = self._table.get(ContainerKey(described.id, described.scope))
        else:
            state = self._table.named(described.id)
        if state is None:
            return None
        state.asked = None
        if not _is_answer(described.description):
            # The worker was overloaded: ask once more when the init is there, or at once if it is.
            if state.pending is None:
                return None
            if not state.pending.asked_again:
                state.pending.asked_again = True
                self.ask(state, state.creation)
                return None
        description = orchestrators.completed(described.description)
        if state.pending is not None and self._lacks_pod(state, description):
            # Nothing was left of it but what kubelet wrote, which is found by the init's cgroup.
            state.pending.asked_again = True
            self.ask(state, state.creation)
            return None
        if state.phase is not Phase.STOPPED or state.pending is not None:
            state.description = renames.named_anew(state, description)
        return state

    def _lacks_pod(self, state: ContainerState, description: Description) -> bool:
        """Whether a waiting start is in a pod by its cgroup, and was described without one."""
        if state.pending is None or state.pending.asked_again:
            return False
        if description.command is not None or description.orchestrator is not None:
            return False
        identity = self._places.identity(state.cgroup)
        return identity is not None and identity.pod_uid is not None


def _is_answer(description: Description) -> bool:
    """Whether the identity worker looked at all: it names its own failures ``worker:…``."""
    return not any(problem.startswith("worker:") for problem in description.problems)
