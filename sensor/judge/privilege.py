r"""What a container may do to its host, as short names: the privilege atoms.

===========================  ====================================================================
atom                         from
===========================  ====================================================================
``privileged``               ``security.privileged``
``cap:SYS_ADMIN``            a dangerous capability beyond the engines' default set
``ns:pid``                   a namespace shared with the host, but for user and cgroup
``mount:<class>:rw``         a writable mount of something of the host; classes in ``_CLASSES``
``mount:<class>:ro``         a read-only one of ``root``, ``engine-state`` or ``secrets``
``mount:<class>:ro`` \\*      a read-only one of ``config``, ``device``, ``home`` or ``kernel``
``device:/dev/sda``          a device of the host
``seccomp:unconfined`` \\*    no filter of system calls
``apparmor:unconfined`` \\*   no AppArmor profile on a host that has AppArmor
``restart:always`` \\*        the engine starts it again for ever
===========================  ====================================================================

The marked ones are weak: Kubernetes leaves seccomp off by default, a restart policy gives no
rights, and many exporters read such mounts. A rule or a change has to name the others in ``allows``
before it explains a start.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.model.container import Security
    from sensor.model.events import Event

DANGEROUS_CAPABILITIES = frozenset(
    {
        "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_BOOT", "DAC_READ_SEARCH",
        "NET_ADMIN", "BPF", "PERFMON", "SYSLOG",
    }
)  # fmt: skip

USUALLY_SHARED = frozenset({"user", "cgroup"})
"""Namespaces that engines share with the host by default."""

SETTINGS_CACHED = 256
"""Settings of containers whose atoms are remembered."""
MOUNTS_CACHED = 512
"""Mounts whose atom is remembered."""
ENGINE_SOCKET, ENGINE_STATE, SECRETS = "engine-socket", "engine-state", "secrets"
_READING_SHOWS_ALL = frozenset({"root", ENGINE_STATE, SECRETS})
"""Classes of which a read-only mount gives away keys, passwords or the content of images."""
_READING_SHOWS_SOME = frozenset({"config", "device", "home", "kernel"})

WEAK = frozenset({"seccomp:unconfined", "apparmor:unconfined", "restart:always"}) | {
    f"mount:{name}:ro" for name in _READING_SHOWS_SOME
}

_SOCKETS = ("docker.sock", "containerd.sock", "crio.sock", "podman.sock", "cri-dockerd.sock")

_CLASSES = (
    (ENGINE_SOCKET, ("/run/containerd", "/run/podman", "/run/crio", "/run/docker", "/run/k3s")),
    (ENGINE_STATE, ("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers",
                    "/var/lib/crio", "/var/lib/kubelet", "/var/lib/rancher")),
    ("kernel", ("/proc", "/sys", "/boot", "/lib/modules", "/usr/lib/modules")),
    ("device", ("/dev",)),
    ("config", ("/etc",)),
    ("home", ("/root", "/home")),
    ("log", ("/var/log",)),
)  # fmt: skip
"""Classes of what is mounted, by the beginning of the source's path; the first that fits."""

_ABOVE = {"/run": ENGINE_SOCKET, "/var/run": ENGINE_SOCKET, "/var": ENGINE_STATE,
          "/var/lib": ENGINE_STATE}  # fmt: skip
"""Directories that hold such a place among other things."""

_SECRET = (
    "/root", "/etc/gshadow", "/etc/kubernetes", "/etc/rancher", "/etc/shadow", "/etc/ssh",
    "/etc/sudoers", "/etc/sudoers.d", "/var/lib/etcd", "/var/spool/cron",
)  # fmt: skip
_SECRET_AT_HOME = re.compile(r"/home/[^/]+/\..*")


_NO_ATOMS: frozenset[str] = frozenset()


def atoms_of(event: Event) -> frozenset[str]:
    """Return the atoms of an event's container; what is unknown adds none."""
    container = event.container
    if container is None:
        return _NO_ATOMS
    lsm = event.host.lsm if event.host is not None else None
    return _atoms(container.security, container.restart_policy, lsm)


@lru_cache(maxsize=SETTINGS_CACHED)
def _atoms(
    security: Security | None, restart_policy: str | None, lsm: tuple[str, ...] | None
) -> frozenset[str]:
    found = [] if security is None else [*_of_security(security, lsm)]
    if restart_policy == "always":
        found.append("restart:always")
    return frozenset(found)


def strong(atoms: Iterable[str]) -> frozenset[str]:
    """Return the atoms that need a name in ``allows``."""
    return frozenset(atoms) - WEAK


def mount_class(source: str) -> str:
    """Return the class of a mount by its source on the host; ``root`` for all of it."""
    if source == "/":
        return "root"
    if source.endswith(_SOCKETS):
        return ENGINE_SOCKET
    if source in _ABOVE:
        return _ABOVE[source]
    source = source.removeprefix("/var") if source.startswith("/var/run/") else source
    return next((name for name, places in _CLASSES if _lies_in(source, places)), "host")


def read_only_class(source: str) -> str | None:
    """Return the class of a mount that can be read alone; None for one that gives nothing away."""
    if source == "/etc" or _lies_in(source, _SECRET) or _SECRET_AT_HOME.fullmatch(source):
        return SECRETS
    name = mount_class(source)
    return name if name in _READING_SHOWS_ALL | _READING_SHOWS_SOME else None


def _lies_in(source: str, places: tuple[str, ...]) -> bool:
    return any(source == place or source.startswith(f"{place}/") for place in places)


def _of_security(security: Security, lsm: tuple[str, ...] | None) -> Iterable[str]:
    if security.privileged:
        yield "privileged"
    yield from _of_isolation(security)
    for device in security.devices or ():
        yield f"device:{device}"
    if security.seccomp == "unconfined":
        yield "seccomp:unconfined"
    if security.apparmor == "unconfined" and (lsm is None or "apparmor" in lsm):
        yield "apparmor:unconfined"


def _of_isolation(security: Security) -> Iterable[str]:
    for capability in security.capabilities or ():
        name = capability.removeprefix("CAP_")
        if name in DANGEROUS_CAPABILITIES:
            yield f"cap:{name}"
    for namespace in security.host_namespaces or ():
        if namespace not in USUALLY_SHARED:
            yield f"ns:{namespace}"
    for mount in security.mounts or ():
        atom = _of_mount(mount.source, writable=mount.writable)
        if atom is not None:
            yield atom


@lru_cache(maxsize=MOUNTS_CACHED)
def _of_mount(source: str, *, writable: bool) -> str | None:
    class_ = mount_class(source)
    # A socket takes requests through a read-only mount, too.
    if writable or class_ == ENGINE_SOCKET:
        return f"mount:{class_}:rw"
    shown = read_only_class(source)
    return f"mount:{shown}:ro" if shown is not None else None
