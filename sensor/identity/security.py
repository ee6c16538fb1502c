"""How far a container is from its host, from its OCI bundle.

``privileged`` is a word of the engines and not of the OCI specification. Docker and Podman write
it down and their word is taken. Elsewhere it is inferred: an engine that makes a container
privileged gives it all capabilities and all devices and takes away seccomp and AppArmor
(containerd pkg/cri; CRI-O server/container_create.go), and hardly any
container ends up with all four otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.identity.exposure import sensitive_mounts
from sensor.identity.roots import NAMESPACES
from sensor.identity.text import MAX_SOURCE, bounded
from sensor.model.container import Security

if TYPE_CHECKING:
    from sensor.identity.oci import Bundle, DeviceRule

ALL_CAPABILITIES = 37
"""As many as any kernel since 3.16 has at least; newer ones have 41 (linux/capability.h)."""

DEFAULT_CAPABILITIES = frozenset(
    {
        "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
        "CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID",
        "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
    }
)  # fmt: skip
"""What Docker grants by default (moby oci/caps/defaults.go); containerd's set is the same."""

UNCONFINED = "unconfined"
FILTERED = "filtered"

_HOSTS_OWN = "/proc/1/ns"


def security_of(
    bundle: Bundle,
    *,
    privileged: bool | None = None,
    runtime_shares: tuple[str, ...] | None = NAMESPACES,
    engine_shares: tuple[str, ...] = (),
) -> Security:
    """Return the settings that a bundle makes.

    ``privileged`` is what the engine says of it, None if it says nothing. ``runtime_shares`` names
    the namespaces that the runtime itself shares with the host, None if unknown: a namespace that
    is absent from the bundle is the runtime's own. ``engine_shares`` names those that the engine
    is configured to share.
    """
    capabilities = bundle.capabilities
    no_process = bundle.no_new_privileges is None
    if privileged is None:
        privileged = _looks_privileged(bundle)
    return Security(
        privileged=privileged,
        capabilities=None
        if capabilities is None
        else tuple(name for name in capabilities if name not in DEFAULT_CAPABILITIES),
        host_namespaces=_host_namespaces(bundle, runtime_shares, engine_shares),
        mounts=sensitive_mounts(bundle.mounts),
        seccomp=(FILTERED if bundle.seccomp else UNCONFINED) if bundle.linux else None,
        apparmor=None if no_process else bounded(bundle.apparmor or UNCONFINED),
        no_new_privileges=bundle.no_new_privileges,
        devices=_devices(bundle, privileged=privileged),
    )


def _devices(bundle: Bundle, *, privileged: bool | None) -> tuple[str, ...] | None:
    """Return the devices that it is given; of a privileged one, which has all, none is listed."""
    if privileged or not bundle.linux:
        return None
    return tuple(bounded(path, MAX_SOURCE) for path in bundle.device_files)


def _host_namespaces(
    bundle: Bundle, runtime_shares: tuple[str, ...] | None, engine_shares: tuple[str, ...]
) -> tuple[str, ...] | None:
    if not bundle.linux or runtime_shares is None:
        return None
    listed = {namespace.type: namespace.path for namespace in bundle.namespaces}
    return tuple(
        name
        for name in NAMESPACES
        if name in engine_shares
        or (name in runtime_shares if name not in listed else _is_hosts(listed[name]))
    )


def _is_hosts(path: str | None) -> bool:
    return path is not None and path.rpartition("/")[0] == _HOSTS_OWN


def _looks_privileged(bundle: Bundle) -> bool | None:
    if not bundle.linux or bundle.capabilities is None:
        return None
    return (
        len(bundle.capabilities) >= ALL_CAPABILITIES
        and not bundle.seccomp
        and bundle.apparmor in (None, UNCONFINED)
        and _allows_all_devices(bundle.devices())
    )


def _allows_all_devices(rules: tuple[DeviceRule, ...]) -> bool:
    """Follow the rules in their order, as the device cgroup does; without any, all are allowed."""
    allowed = True
    for rule in rules:
        whole = rule.type in (None, "a") and _is_wildcard(rule.major) and _is_wildcard(rule.minor)
        if whole and set(rule.access or "rwm") >= set("rwm"):
            allowed = rule.allow
        elif not rule.allow:
            allowed = False
    return allowed


def _is_wildcard(number: int | None) -> bool:
    return number is None or number == -1
