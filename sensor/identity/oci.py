"""The parts of an OCI bundle's ``config.json`` that identity and security rest on.

Source: opencontainers/runtime-spec, config.md and config-linux.md. Members of a wrong type read as
absent. ``process.env`` is never looked at, and annotations that carry a copy of a pod's manifest,
environment included, are left out.
"""

from __future__ import annotations

from itertools import islice

from sensor.dataclass import dataclass
from sensor.identity.document import EMPTY, MAX_ITEMS, JsonDocument

MAX_ANNOTATIONS = 512
MAX_ANNOTATION = 65_536
"""Characters of an annotation's value; a longer one is left out."""

MAX_DEVICES = 16
"""Device files of a container that are listed."""

STANDARD_DEVICES = frozenset(
    {
        "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
        "/dev/console", "/dev/ptmx", "/dev/pts", "/dev/fd", "/dev/stdin", "/dev/stdout",
        "/dev/stderr", "/dev/shm",
    }
)  # fmt: skip
"""What every container has (runtime-spec config-linux.md, "Default Devices")."""

MAX_CAPABILITIES = 128
MAX_CAPABILITY = 64

_WITH_MANIFEST = frozenset(
    {"io.kubernetes.cri-o.Annotations", "io.kubernetes.cri.pod-annotations", "io.podman.kube.yaml"}
)
_MANIFEST_SUFFIX = "last-applied-configuration"
"""kubectl keeps the applied manifest in ``kubectl.kubernetes.io/last-applied-configuration``."""

_CAPABILITY_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace that the container does not inherit: a new one, or that at ``path``."""

    type: str
    path: str | None


@dataclass(frozen=True, slots=True)
class OciMount:
    """An element of ``mounts`` with an absolute source: the others are not files of the host."""

    destination: str
    type: str | None
    source: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """An element of ``linux.resources.devices``; None in ``type``, ``major``, ``minor`` is all."""

    allow: bool
    type: str | None
    major: int | None
    minor: int | None
    access: str | None


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a container is to run and how; None is absent."""

    args: tuple[str, ...] | None = None
    user: str | None = None
    """``uid:gid``."""
    cwd: str | None = None
    device_files: tuple[str, ...] = ()
    """Paths of ``linux.devices`` beyond the standard ones."""
    capabilities: tuple[str, ...] | None = None
    """The union of the five sets: the most that the process can come to hold."""
    no_new_privileges: bool | None = None
    """False where the process says nothing of it (config.md: the default is false)."""
    apparmor: str | None = None
    mounts: tuple[OciMount, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    root_path: str | None = None
    cgroups_path: str | None = None
    linux: bool = False
    """There is a ``linux`` section: without one its defaults must not be assumed."""
    namespaces: tuple[Namespace, ...] = ()
    seccomp: bool = False
    """A filter is set that refuses something."""
    resources: JsonDocument = EMPTY
    """``linux.resources``, decoded further only on request."""

    def devices(self) -> tuple[DeviceRule, ...]:
        """Return the rules of the device cgroup, in their order."""
        return _devices(self.resources)

    def annotation(self, key: str) -> str | None:
        """Return the value of an annotation, None for an empty one."""
        for name, value in self.annotations:
            if name == key:
                return value or None
        return None


def bundle_of(config: JsonDocument) -> Bundle:
    """Read a ``config.json``. Never raises."""
    process, linux = config.part("process"), config.part("linux")
    return Bundle(
        args=process.texts("args"),
        user=_user(process.part("user")),
        cwd=process.text("cwd"),
        device_files=_device_files(linux),
        capabilities=_capabilities(process.part("capabilities")),
        no_new_privileges=(process.flag("noNewPrivileges") or False) if process else None,
        apparmor=process.text("apparmorProfile"),
        mounts=_mounts(config),
        annotations=_annotations(config.part("annotations")),
        root_path=config.part("root").text("path"),
        cgroups_path=linux.text("cgroupsPath"),
        linux=bool(linux),
        namespaces=_namespaces(linux),
        seccomp=_filters(linux.part("seccomp")),
        resources=linux.part("resources"),
    )


def _user(user: JsonDocument) -> str | None:
    uid, gid = user.number("uid"), user.number("gid")
    if uid is None or not 0 <= uid < 1 << 32:
        return None
    return f"{uid}" if gid is None or not 0 <= gid < 1 << 32 else f"{uid}:{gid}"


def _capabilities(sets: JsonDocument) -> tuple[str, ...] | None:
    found: set[str] = set()
    present = False
    for name in _CAPABILITY_SETS:
        listed = sets.texts(name)
        if listed is None:
            continue
        present = True
        found.update(listed)
    if not present:
        return None
    # The sets hold the same names: what is done to each name is done once.
    names = {capability[:MAX_CAPABILITY].upper() for capability in found}
    return tuple(sorted(names)[:MAX_CAPABILITIES])


def _mounts(config: JsonDocument) -> tuple[OciMount, ...]:
    mounts: list[OciMount] = []
    for mount in config.parts("mounts")[:MAX_ITEMS]:
        source = mount.text("source")
        if source is None or not source.startswith("/"):
            continue
        destination = mount.text("destination")
        if destination is not None:
            options = mount.texts("options") or ()
            mounts.append(OciMount(destination, mount.text("type"), source, options))
    return tuple(mounts)


def _annotations(annotations: JsonDocument) -> tuple[tuple[str, str], ...]:
    if not annotations:
        return ()
    kept = (
        (key, value)
        for key, value in annotations.pairs()
        if len(value) <= MAX_ANNOTATION
        and key not in _WITH_MANIFEST
        and not key.endswith(_MANIFEST_SUFFIX)
    )
    return tuple(islice(kept, MAX_ANNOTATIONS))


def _namespaces(linux: JsonDocument) -> tuple[Namespace, ...]:
    return tuple(
        Namespace(kind, namespace.text("path"))
        for namespace in linux.parts("namespaces")[:MAX_ITEMS]
        if (kind := namespace.text("type")) is not None
    )


def _filters(seccomp: JsonDocument) -> bool:
    """Return whether a seccomp section refuses any system call (config-linux.md, "Seccomp")."""
    if not seccomp:
        return False
    return seccomp.text("defaultAction") != "SCMP_ACT_ALLOW" or any(
        rule.text("action") != "SCMP_ACT_ALLOW" for rule in seccomp.parts("syscalls")
    )


def _device_files(linux: JsonDocument) -> tuple[str, ...]:
    paths = (device.text("path") for device in linux.parts("devices")[:MAX_ITEMS])
    found = {path for path in paths if path is not None and path not in STANDARD_DEVICES}
    return tuple(sorted(found)[:MAX_DEVICES])


def _devices(resources: JsonDocument) -> tuple[DeviceRule, ...]:
    return tuple(
        DeviceRule(
            rule.flag("allow") or False,
            rule.text("type"),
            rule.number("major"),
            rule.number("minor"),
            rule.text("access"),
        )
        for rule in resources.parts("devices")[:MAX_ITEMS]
    )
