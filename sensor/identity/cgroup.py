"""From a cgroup path to the container that it names.

The path is read from the root down, segment by segment. A segment that an engine forms of an id
opens a container; what follows below it (``container``, ``init.scope``, ``ns``, a whole kubelet)
is inside that container until another one opens. So the last container is the one asked for, and
those before it are its parents.

Nothing else in a path decides: the user who starts a container may name the cgroup above it.

Only whole segments count: ``docker-<id>.scope`` names a container, ``crio-conmon-<id>.scope`` its
monitor and ``…-<id>-rootfs.mount`` a mount. The forms come from the engines' cgroup drivers: runc
libcontainer/cgroups/systemd ``getUnitName`` (``<prefix>-<name>.scope``, and ``slice:prefix:name``
where a systemd path meets the cgroupfs driver), kubelet pkg/kubelet/cm, libpod, LXC, machined.
"""

from __future__ import annotations

import re

from sensor.dataclass import dataclass
from sensor.model.container import CgroupIdentity
from sensor.model.vocabulary import ContainerId, Engine

MAX_PATH = 4096
"""Longest path that is looked at: PATH_MAX."""

_HEX_ID = re.compile(r"[0-9a-f]{64}")
_ID_LENGTH = 64
_PODS = "libpod_parent"
"""Below it Podman's cgroupfs driver puts pods, by their ids (``CgroupfsDefaultCgroupParent``)."""

_WRAPPED = re.compile(
    r"(?:[^:]*:(?P<colon>cri-containerd|docker|libpod|crio|nerdctl):"
    r"|(?P<dash>docker|cri-containerd|nerdctl)-(?=[0-9a-f]{64}\.scope$)"
    r"|(?P<bare>crio|libpod(?:-payload)?)-)"
    r"(?P<id>[0-9a-f]{64})(?P<scope>\.scope)?"
)
_ENGINES = {
    "docker": Engine.DOCKER,
    "cri-containerd": Engine.CONTAINERD,
    "nerdctl": Engine.CONTAINERD,
    "crio": Engine.CRIO,
    "libpod": Engine.PODMAN,
    "libpod-payload": Engine.PODMAN,
}
_ECS_ID = re.compile(r"[0-9a-f]{32}-[0-9]{1,20}")
_POD = re.compile(
    # A slice's name begins with those of the slices around it: kubelet's own cgroup root (kind).
    r"(?:(?:[A-Za-z0-9_.]+-)*kubepods(?:-[a-z]+)*-)?pod(?P<uid>[0-9a-fA-F]{32}"
    r"|[0-9a-fA-F]{8}(?P<dash>[-_])(?:[0-9a-fA-F]{4}(?P=dash)){3}[0-9a-fA-F]{12})(?=$|\.slice)"
)
_LXC_PAYLOAD = "lxc.payload."
_MACHINE = re.compile(r"machine-(.+)\.scope")
_NSPAWN = re.compile(r"systemd-nspawn@(.+)\.service")
_MACHINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VIRTUAL_MACHINE = ("qemu-", "lxc-", "libvirt-")
"""What libvirt and its kin register with machined: virtual machines, or ids of another form."""

_UNIT = re.compile(
    r".*\.(?:service|scope|slice|mount|automount|socket|swap|target|device|timer|path)", re.DOTALL
)
_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*")
"""containerd's own rule for ids and namespaces (pkg/identifiers), also of most OCI ids."""
_MAX_IDENTIFIER = 76
_OPAQUE = re.compile(r"[0-9a-fA-F-]{12,}")
_RUNTIME_SCOPE = re.compile(r"(?:runc|crun|youki)-([^:]+)\.scope")
_RESERVED = frozenset(
    {
        "docker", "kubepods", "libpod_parent", "lxc", "lxc.payload", "lxc.monitor", "ecs",
        "machine", "system", "user", "init", "actions_job", "buildkit", "conmon", "kubelet",
        "podman", "systemd",
    }
)  # fmt: skip
_OWN_FORMS = ("docker-", "libpod-", "crio-", "cri-containerd-", "nerdctl-", "buildah-", "lxc.")


@dataclass(frozen=True, slots=True)
class _Opening:
    id: str
    engine: Engine | None
    sandbox: bool = False


def parse(path: str) -> CgroupIdentity | None:
    """Return the container that an absolute cgroup path lies in, None for the host.

    ``exact`` is false where another program could have made the same path: ``ctr``'s
    ``/<namespace>/<id>``, and the ``/<id>`` and ``<runtime>-<id>.scope`` of a runtime that runs
    without an engine. A path with ``..`` was read in another cgroup namespace and says nothing.
    """
    if not path.startswith("/") or len(path) > MAX_PATH:
        return None
    segments = path.split("/")[1:]
    if ".." in segments:
        return None
    chain: list[str] = []
    engine: Engine | None = None
    sandbox = False
    pod_uid: str | None = None
    for index, segment in enumerate(segments):
        if "pod" in segment:
            pod_uid = _pod_uid(segment) or pod_uid
        opening = _opening(segments, index, inside=bool(chain))
        if opening is None:
            continue
        if index and chain and segments[index - 1] == chain[-1]:
            # A container's own cgroup is never right below another's bare id: that is a pod's
            # (Podman with cgroupfs), or a parent that the one who started it made up.
            chain.pop()
        if not chain or chain[-1] != opening.id:
            chain.append(opening.id)
        engine, sandbox = opening.engine, opening.sandbox
    if not chain:
        return _possible(segments)
    return CgroupIdentity(
        id=ContainerId(chain[-1]),
        engine=engine,
        parents=tuple(ContainerId(outer) for outer in chain[:-1]),
        pod_uid=pod_uid if _in_pod(segments, chain[-1]) else None,
        sandbox=sandbox,
    )


def _in_pod(segments: list[str], container: str) -> bool:
    """Return whether the pod's segment is the container's own or the one right above it."""
    for index in range(len(segments) - 1, -1, -1):
        if container in segments[index]:
            above = segments[index - 1] if index else ""
            return _pod_uid(segments[index]) is not None or _pod_uid(above) is not None
    return False


def _opening(segments: list[str], index: int, *, inside: bool) -> _Opening | None:
    segment = segments[index]
    above = segments[index - 1] if index else ""
    if len(segment) >= _ID_LENGTH and not (above == _PODS and len(segment) == _ID_LENGTH):
        opening = _engines_own(segment, segments[:index])
        if opening is not None:
            return opening
    if above == "lxc.payload" or (above == "lxc" and (index == 1 or inside)):
        return _named(segment, Engine.LXC)
    if segment.startswith(_LXC_PAYLOAD):
        return _named(segment[len(_LXC_PAYLOAD) :], Engine.LXC)
    if above == "machine.slice":
        return _machine(segments, index)
    in_task = index > 1 and segments[index - 2] == "ecs"
    return _Opening(segment, Engine.ECS) if in_task and _ECS_ID.fullmatch(segment) else None


def _engines_own(segment: str, above: list[str]) -> _Opening | None:
    """Read a segment that holds an id of 64 digits."""
    if len(segment) == _ID_LENGTH:
        return _Opening(segment, _engine_above(above)) if _HEX_ID.fullmatch(segment) else None
    wrapped = _WRAPPED.fullmatch(segment)
    if wrapped is None:
        return None
    prefix = wrapped["colon"] or wrapped["dash"] or wrapped["bare"]
    in_slice = bool(above) and above[-1].endswith(".slice")
    sandbox = prefix == "crio" and not wrapped["scope"] and in_slice
    return _Opening(wrapped["id"], _ENGINES[prefix], sandbox)


def _engine_above(above: list[str]) -> Engine | None:
    """Name the engine of a bare 64-digit id: kubelet and containerd name theirs like Docker."""
    if above and above[-1] == "k8s.io":
        return Engine.CONTAINERD
    if above and (above[-1] == "default" or _pod_uid(above[-1]) is not None):
        return None
    for outer in reversed(above):
        if outer.startswith("kubepods"):
            return None
        if len(outer) >= _ID_LENGTH:
            break
    return Engine.DOCKER


def _named(name: str, engine: Engine) -> _Opening | None:
    if not name or _UNIT.fullmatch(name):
        return None
    return _Opening(name, engine)


def _machine(segments: list[str], index: int) -> _Opening | None:
    """Read a machine of machined or systemd-nspawn, whose ``supervisor`` half is the host's."""
    below = segments[index + 1] if index + 1 < len(segments) else ""
    match = _MACHINE.fullmatch(segments[index])
    if match is None:
        match = _NSPAWN.fullmatch(segments[index])
        if match is None or below != "payload":
            return None
    name = _unescaped(match[1])
    if below == "supervisor" or name.startswith(_VIRTUAL_MACHINE):
        return None
    return _Opening(name, Engine.NSPAWN) if _MACHINE_NAME.fullmatch(name) else None


def _unescaped(name: str) -> str:
    r"""Undo systemd's escaping of unit names (systemd-escape(1)): ``\x2d`` is a dash."""
    return re.sub(r"\\x([0-7][0-9a-f])", lambda match: chr(int(match[1], 16)), name)


def _pod_uid(segment: str) -> str | None:
    if "pod" not in segment:
        return None
    match = _POD.match(segment)
    return match["uid"].replace("_", "-").lower() if match else None


def pod_uid(text: str | None) -> str | None:
    """Return a pod's uid in lower case, as Kubernetes writes it; else ``text`` itself.

    systemd's unit names have underscores for its dashes. A static pod's uid is a hash of its
    manifest without dashes (kubelet pkg/kubelet/config/common.go).
    """
    if not text:
        return None
    return _pod_uid(f"pod{text}") or text


def _possible(segments: list[str]) -> CgroupIdentity | None:
    scope = _RUNTIME_SCOPE.fullmatch(segments[-1])
    if scope is not None:
        name, outer = scope[1], ""
    else:
        match segments:
            case [name]:
                outer = ""
            case [outer, name]:  # /<namespace>/<id>
                pass
            case _:
                return None
    if not _could_be_id(name) or (outer and not _could_be_id(outer)):
        return None
    engine = Engine.CONTAINERD if outer else None
    return CgroupIdentity(id=ContainerId(name), engine=engine, exact=False)


def _could_be_id(name: str) -> bool:
    return (
        0 < len(name) <= _MAX_IDENTIFIER
        and name not in _RESERVED
        and not name.startswith(_OWN_FORMS)
        and _IDENTIFIER.fullmatch(name) is not None
        and _OPAQUE.fullmatch(name) is None
        and _UNIT.fullmatch(name) is None
    )
