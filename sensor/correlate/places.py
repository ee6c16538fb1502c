"""Where a process sits: the container that its cgroups name, and the containers around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.authority import Origin, login_slice_of, owner_by_cgroup
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.model.api_calls import Caller
    from sensor.model.container import CgroupIdentity, CgroupParser
    from sensor.model.process import CgroupPaths, ProcessFacts
    from sensor.model.vocabulary import ContainerId

UNKNOWN_UID = 0xFFFFFFFF
"""No user's number (uid_t -1): of a process whose user no witness reports."""

_ANY_ID = "\0"
"""Stands for an id in a path. No path holds a NUL."""


@dataclass(slots=True)
class Places:
    """Reads cgroup paths with the parser that the site configured, which remembers some."""

    parse: CgroupParser
    _alike: tuple[str, ...] = ()

    def remember(self, id_: ContainerId, cgroup: CgroupPaths) -> None:
        """Note where the container ``id_`` was put: engines put the next one beside it."""
        self._alike = tuple(
            [path.replace(id_, _ANY_ID) for path in (cgroup.v1, cgroup.v2) if path and id_ in path]
        )

    def expect(self, id_: ContainerId) -> None:
        """Read the future path of a container that is being made: now no start waits for it."""
        for path in self._alike:
            self.parse(path.replace(_ANY_ID, id_))

    def identity(self, cgroup: CgroupPaths | None) -> CgroupIdentity | None:
        """Return the container that a process's cgroups name: the v1 path first, then v2."""
        if cgroup is None:
            return None
        identity = self.parse(cgroup.v1) if cgroup.v1 is not None else None
        if identity is None and cgroup.v2 is not None:
            identity = self.parse(cgroup.v2)
        return identity

    def chain(self, cgroup: CgroupPaths | None) -> tuple[ContainerId, ...]:
        """Return the containers that a process is in, outermost first."""
        identity = self.identity(cgroup)
        if identity is None:
            return ()
        return (*identity.parents, identity.id) if identity.exact else identity.parents

    def around(self, id_: ContainerId, cgroup: CgroupPaths | None) -> tuple[ContainerId, ...]:
        """Return the containers around the container ``id_`` whose init is in ``cgroup``."""
        identity = self.identity(cgroup)
        if identity is not None and identity.id == id_:
            return identity.parents
        return self.chain(cgroup)

    def origin(self, process: ProcessFacts) -> Origin:
        """Return where a process's rights come from."""
        uid = process.euid if process.euid is not None else process.uid
        cgroup = process.cgroup
        return Origin(uid, process.user_ns, self.chain(cgroup), login_slice_of(cgroup))

    def origin_of_caller(self, caller: Caller) -> Origin:
        """Return where a caller's rights come from; of one without a known user, no one's."""
        uid = caller.euid if caller.euid is not None else caller.uid
        return Origin(
            uid if uid is not None else UNKNOWN_UID,
            caller.user_ns,
            self.chain(caller.cgroup),
            login_slice_of(caller.cgroup),
        )

    def share_of_caller(self, caller: Caller) -> str | None:
        """Return whose share of tables a caller takes, None for root of the host's."""
        return self.origin_of_caller(caller).share

    def share_of_init(self, cgroup: CgroupPaths) -> str | None:
        """Return whose an init is of which no more than its cgroup is known."""
        return owner_by_cgroup(cgroup, self.chain(cgroup)).share
