"""Names in time: a container that its engine renamed answers to both names, each for its time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate import client_command
from sensor.correlate.container_names import names_of
from sensor.correlate.naming import FormerName
from sensor.model.vocabulary import Engine

if TYPE_CHECKING:
    from sensor.correlate.clients import Client
    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.containers import ContainerState
    from sensor.correlate.events import Clock
    from sensor.model.container import Description
    from sensor.model.kernel_records import CommandExit
    from sensor.model.witness_records import EngineEvent

NAMES_MAX = 16
"""Former names of one container; the oldest but the first goes, which its maker used."""


def named_anew(state: ContainerState, description: Description) -> Description:
    """Return a description with the name that a rename gave, where a file has the one before.

    Podman keeps names in a database, and leaves those in its bundles as they were.
    """
    if state.renamed is None or description.name == state.renamed:
        return description
    former = {one.name for one in state.former_names}
    return replace(description, name=state.renamed) if description.name in former else description


class Renames:
    """Keeps the names of known containers up to what their engines report."""

    def __init__(self, clock: Clock, table: ContainerTable) -> None:
        self._clock = clock
        self._table = table

    def on_engine(self, reported: EngineEvent) -> None:
        """Take note of the name in an engine's event; the description had the one before."""
        state = self._table.named(reported.id)
        if state is None or reported.name is None:
            return
        if state.owner is not None and not state.owner.privileged:
            # The streams that are read are those of root's engines.
            return
        description = state.description
        if description is None or description.name in (None, reported.name):
            return
        wall = reported.engine_wall
        at = wall - self._clock.realtime_offset if wall is not None else reported.time
        self._rename(state, reported.name, at)

    def on_client(self, client: Client, ended: CommandExit) -> None:
        """Take note that root's podman renamed a container: it may run without a stream."""
        exec_ = client.exec
        if ended.status != 0 or exec_.program != "podman" or not client.origin.privileged:
            return
        names = client_command.renaming(exec_.program, exec_.argv)
        if names is None:
            return
        for state in self._table.all():
            description = state.description
            if description is None or description.engine is not Engine.PODMAN:
                continue
            if state.owner is not None and not state.owner.privileged:
                continue
            if names_of(state, self._table.ids).called(names[0], exec_.time):
                self._rename(state, names[1], ended.time)
                return

    def _rename(self, state: ContainerState, name: str, at: int) -> None:
        description = state.description
        if description is None or description.name is None:
            return
        if state.former_names and at < state.former_names[-1].until:
            return
        names = (*state.former_names, FormerName(description.name, at))
        if len(names) > NAMES_MAX:
            names = (names[0], *names[2:])
        state.former_names = names
        state.renamed = name
        state.description = replace(description, name=name)
        self._table.remember(state)
