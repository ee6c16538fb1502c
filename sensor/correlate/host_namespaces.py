"""Which namespaces a container shares with its host: by inode number, not by what was configured.

A CRI engine gives a container the sandbox's namespaces by path, and these may be the host's own;
``--pid=container:X`` and ``setns`` by hand hide the same. What the init is in when it executes its
entrypoint decides. Where the kernel did not report it, the bundle's settings stand in.

Most hosts give no container a user namespace, and those with cgroup v1 none a cgroup namespace:
sharing these is then no property of a container. They are listed only where the same engine gives
others one of their own.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.frozen import changer
from sensor.model.container import Description, Security

if TYPE_CHECKING:
    from sensor.model.process import Namespaces
    from sensor.model.vocabulary import ContainerId, Engine

_NAMES = ("pid", "network", "ipc", "uts", "cgroup", "user", "mount")
_inodes = attrgetter("pid", "net", "ipc", "uts", "cgroup", "user", "mnt")
"""The inode numbers in the order of ``_NAMES``."""
_UNKNOWN = (None,) * len(_NAMES)
_with_security = changer(Description, "security")
_with_namespaces = changer(Security, "host_namespaces")
_BY_ENGINE = frozenset({"cgroup", "user"})


USUAL_MAX = 64
"""Engines and settings of bundles of which it is remembered what their containers share."""

FORESEEN_MAX = 256
"""Containers that are created and not started; of others the description is made at the start."""

_Names = tuple[str, ...] | None


class HostNamespaces:
    """Compares inits with the host, and remembers which engines isolate what."""

    def __init__(self) -> None:
        self.host: Namespaces | None = None
        self._isolated: dict[tuple[Engine | None, bool], set[str]] = {}
        """By engine, and whether it is root's, the namespaces of which a container was seen to have
        its own. All are closed sets."""
        self._usual: Bounded[tuple[Engine | None, _Names], _Names] = Bounded(USUAL_MAX)
        """What the last container of an engine shared, by what its bundle said."""
        self._foreseen: Bounded[ContainerId, tuple[Description, Description]] = Bounded(
            FORESEEN_MAX
        )
        """Descriptions of containers that are created, with the form that their starts will have if
        they share what is usual."""

    def foresee(self, description: Description, id_: ContainerId) -> Description:
        """Return a description as a start will have it, if the container shares what is usual."""
        security = description.security
        if security is None:
            return description
        configured = security.host_namespaces
        usual = self._usual.get((description.engine, configured))
        if usual is None or usual == configured:
            return description
        known = self._foreseen.get(id_)
        if known is not None and known[0] is description:
            return known[1]
        settled = _with_shared(description, security, usual)
        self._foreseen.put(id_, (description, settled))
        return settled

    def applied(
        self,
        description: Description | None,
        id_: ContainerId,
        init: Namespaces | None,
        *,
        of_root: bool,
    ) -> Description | None:
        """Return a description with the namespaces that the init shares, as far as it is known.

        ``of_root``: root of the host made the container. A user's engine isolates what it must.
        """
        security = description.security if description is not None else None
        if init is None and security is None:
            return description
        foreseen = self._foreseen.pop(id_)
        description = description or Description(id_)
        security = security or Security()
        configured = security.host_namespaces
        shared = self.shared(description.engine, init, configured, of_root=of_root)
        if description.security is not None:
            self._usual.put((description.engine, security.host_namespaces), shared)
            if shared == security.host_namespaces:
                return description
        if foreseen is not None and foreseen[0] is description:
            settled = foreseen[1]
            if settled.security is not None and settled.security.host_namespaces == shared:
                return settled
        return _with_shared(description, security, shared)

    def shared(
        self,
        engine: Engine | None,
        init: Namespaces | None,
        configured: tuple[str, ...] | None,
        *,
        of_root: bool = True,
    ) -> tuple[str, ...] | None:
        """Return the OCI names of the namespaces that a container's init shares with the host.

        ``init`` is None where the kernel did not report it; ``configured`` is what the bundle says.
        """
        found: list[str] = []
        known = False
        isolated = self._isolated.setdefault((engine, of_root), set())
        inits = _inodes(init) if init is not None else _UNKNOWN
        host = _inodes(self.host) if self.host is not None else _UNKNOWN
        for name, own, hosts in zip(_NAMES, inits, host, strict=True):
            if own is not None and hosts is not None:
                shares = own == hosts
            elif configured is not None:
                shares = name in configured
            else:
                continue
            known = True
            if not shares:
                isolated.add(name)
            elif name not in _BY_ENGINE or name in isolated:
                found.append(name)
        return tuple(found) if known else None


def _with_shared(description: Description, security: Security, shared: _Names) -> Description:
    return _with_security(description, _with_namespaces(security, shared))
