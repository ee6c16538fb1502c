"""Which process counts as the kubelet of a container.

Its name says where to look. The kernel says whether it could have done all that a kubelet does:

- it is root where the container's owner is, outside of all containers around that;
- or it runs in a container of its own beside the engine (RKE1, Talos). That container is root's and
  in no pod. It has the host's pid, network and user namespaces, so only its files are its own.

Anything else with that name is a client, or a container that asks the engine for another. Of a
container that is not known yet, as in an agent's first moments, neither is certain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.authority import HOST_USER_NS, ROOT, ActorStanding, standing
from sensor.correlate.programs import role_by_file
from sensor.model.vocabulary import Role

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.places import Places
    from sensor.model.api_calls import Caller
    from sensor.model.vocabulary import RoleOf

HOSTS = frozenset({"pid", "network"})
"""Namespaces that a kubelet needs of its node: it looks at processes, and sets up the network."""


class Kubelets:
    """Answers by the table of containers."""

    def __init__(self, table: ContainerTable, places: Places, role_of: RoleOf) -> None:
        self._table = table
        self._places = places
        self._role_of = role_of
        self._is_complete = False

    def on_inventory(self) -> None:
        """Take note that all containers that run are known from now on."""
        self._is_complete = True

    def orchestrates(self, caller: Caller, origin: Origin, owner: Origin | None) -> bool:
        """Whether a caller is a kubelet that owns the containers of ``owner``."""
        if role_by_file(self._role_of, caller.exe, caller.comm) is not Role.ORCHESTRATOR:
            return False
        if standing(origin, owner) is ActorStanding.OWNER:
            return True
        return owner is not None and owner.privileged and self.is_node(origin)

    def may_orchestrate(self, caller: Caller, origin: Origin, owner: Origin | None) -> bool:
        """Whether it depends on a container that is not known yet if a caller is the kubelet."""
        if role_by_file(self._role_of, caller.exe, caller.comm) is not Role.ORCHESTRATOR:
            return False
        if owner is None or not owner.privileged or not _may_be_host(origin):
            return False
        around = self._table.named(origin.inside[0])
        if around is None:
            return not self._is_complete
        return around.alive and around.description is None

    def is_node(self, origin: Origin) -> bool:
        """Whether a process of that origin has the rights of root of the host."""
        return origin.privileged or self._is_in_node(origin)

    def _is_in_node(self, origin: Origin) -> bool:
        """Whether a process is root in a container that is the host in all but its files."""
        if not _may_be_host(origin):
            return False
        around = self._table.named(origin.inside[0])
        if around is None or not around.alive:
            return False
        place = self._places.identity(around.cgroup)
        if place is None or place.pod_uid is not None:
            return False
        if around.owner is None or not around.owner.privileged or around.description is None:
            return False
        security = around.description.security
        shared = security.host_namespaces if security is not None else None
        return shared is not None and set(shared) >= HOSTS


def _may_be_host(origin: Origin) -> bool:
    """Whether a process in one container has all other rights of root of the host."""
    roots = origin.uid == ROOT and origin.user_ns in (None, HOST_USER_NS)
    return roots and len(origin.inside) == 1
