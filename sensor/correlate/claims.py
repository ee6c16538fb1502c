"""Which container a command, a cgroup or an init is about, if its author owns that container."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate.authority import ActorStanding, Origin, owner_by_cgroup, standing
from sensor.correlate.containers import (
    ContainerKey,
    ContainerState,
    Creation,
    container_key,
    is_unique,
)
from sensor.correlate.runtime_command import RuntimeCommand, Verb
from sensor.model.vocabulary import ContainerId

if TYPE_CHECKING:
    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.runtimes import RuntimeRun
    from sensor.model.container import CgroupIdentity
    from sensor.model.kernel_records import InitExec
    from sensor.model.process import CgroupPaths

UNKNOWN_SCOPE = "unknown"
"""Scope of containers whose id is not known."""

USERS_COUNTED = 256
"""Users whose claims are counted by name; the others are counted together."""


class Claims:
    """Finds the container that an observation is about, for authors that own it."""

    def __init__(self, table: ContainerTable) -> None:
        self._table = table
        self.strangers: Counter[str] = Counter()
        """Claims about containers of others, by the user who made them."""

    def refuse(self, origin: Origin) -> None:
        """Count a claim that its author had no right to make."""
        name = origin.account or "root"
        if name not in self.strangers and len(self.strangers) >= USERS_COUNTED:
            name = "others"
        self.strangers[name] += 1

    def of_creation(self, creation: Creation) -> ContainerState | None:
        """Return the container that a creating command makes; None when it is another user's."""
        command, origin = creation.command, creation.origin
        key = container_key(command.id, command.root, origin.domain)
        state = self._table.get(key)
        if state is None:
            for other in self._same(command):
                if standing(origin, other.owner) is not ActorStanding.OWNER:
                    self.refuse(origin)
                    return None
        return self._table.obtain(key, origin)

    def known(self, creation: Creation) -> ContainerState | None:
        """Return the container of a creating command, if it was taken for one."""
        command = creation.command
        return self._table.get(container_key(command.id, command.root, creation.origin.domain))

    def of_command(self, command: RuntimeCommand, origin: Origin) -> ContainerState | None:
        """Return the container that a command of another verb is about, if its author owns it."""
        state = self._table.get(container_key(command.id, command.root, origin.domain))
        if state is not None:
            return state
        refused = False
        for other in self._same(command):
            if standing(origin, other.owner) is ActorStanding.OWNER:
                return other
            refused = True
        if refused:
            self.refuse(origin)
        return None

    def _same(self, command: RuntimeCommand) -> list[ContainerState]:
        """Containers of that id, of other owners: of that root, where the id is a name."""
        unique = is_unique(command.id)
        return [
            state
            for state in self._table.all_named(command.id)
            if unique or _root_of(state.key) == command.root
        ]

    def of_cgroup(self, cgroup: CgroupPaths, identity: CgroupIdentity) -> ContainerState | None:
        """Return the container that a cgroup's name is of; None when its maker cannot own it."""
        owner = owner_by_cgroup(cgroup, identity.parents)
        for known in self._table.all_named(identity.id):
            if standing(owner, known.owner) is ActorStanding.OWNER:
                return known
            if known.owner is not None and known.owner.domain is None:
                self.refuse(owner)
                return None
        return self._table.obtain(container_key(identity.id, None, owner.domain), owner)

    def unnamed(self, exec_: InitExec, run: RuntimeRun | None, origin: Origin) -> ContainerState:
        """Return a container of unknown id for an init."""
        init = exec_.process.key
        id_ = ContainerId(f"init {init.pid} of {init.start_time}")
        state = self._table.obtain(ContainerKey(id_, UNKNOWN_SCOPE), origin)
        state.unnamed = True
        creation = run.creation if run is not None else None
        if creation is not None:
            state.creation = replace(creation, understood=False)
        elif run is not None:
            seen = run.exec
            state.creation = Creation(
                seen.time,
                seen.sequence,
                RuntimeCommand(Verb.RUN, id_, None, None, detached=False),
                seen.program,
                seen.process,
                seen.argv,
                seen.cwd,
                origin=origin,
                understood=False,
            )
        return state


def _root_of(key: ContainerKey) -> str | None:
    """Return the runtime root of a named container's key."""
    if key.scope is None:
        return None
    _, owned, root = key.scope.partition(": ")
    return root if owned else key.scope
