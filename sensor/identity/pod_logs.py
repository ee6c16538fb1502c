"""Which pod a container belonged to, from what kubelet leaves on disk when its bundle is gone.

kubelet keeps (pkg/kubelet/kuberuntime/legacy.go, helpers.go):

- ``/var/log/containers/<pod>_<namespace>_<container>-<id>.log``, a link to the log file below;
- ``/var/log/pods/<namespace>_<pod>_<uid>/<container>/<attempt>.log``.

The name of a link is cut at 255 bytes: of a container in a pod with a long name only the beginning
of its id is left there, or nothing of it.

Names are parsed strictly, and links are read, never followed. The pod's uid comes from the
container's cgroup, which the kernel reports: what names another uid is left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.identity.cgroup import pod_uid as normalised
from sensor.identity.kubernetes import MAX_ATTEMPT, pod_source
from sensor.identity.reading import FileKind
from sensor.model.container import KUBERNETES, Orchestrator

if TYPE_CHECKING:
    from sensor.identity.reading import RootReader

LINKS_MAX = 8192
"""Links that are looked at. kubelet runs 110 pods by default, and keeps a dead container each."""

PODS_MAX = 2048
"""Directories of pods that are looked at."""

FILE_NAME_MAX = 255
"""Bytes at which kubelet cuts the name of a link, ``.log`` among them (ext4MaxFileNameLen)."""

ID_BEGINNING = 12
"""Digits of an id, cut in a link's name, that are enough to distinguish containers."""

_NAME = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_LINK = re.compile(
    rf"(?P<pod>{_NAME})_(?P<namespace>{_LABEL})_(?P<container>{_LABEL})-(?P<id>[0-9a-f]{{64}})\.log"
)
_CUT_LINK = re.compile(
    rf"(?P<pod>{_NAME})_(?P<namespace>{_LABEL})_(?P<container>{_LABEL})"
    rf"-(?P<id>[0-9a-f]{{{ID_BEGINNING},63}})\.log"
)
_DIRECTORY = re.compile(rf"(?P<namespace>{_LABEL})_(?P<pod>{_NAME})_(?P<uid>[0-9a-fA-F-]{{32,36}})")
_TARGET = re.compile(
    rf".*/(?P<directory>[^/]+)/(?P<container>{_LABEL})/(?P<attempt>[0-9]{{1,10}})\.log"
)


def pod_from_logs(
    container: str, uid: str, reading: RootReader, pod_logs: str, container_logs: str
) -> Orchestrator | None:
    """Return what the logs have about a container of the pod ``uid``; None when it is nothing."""
    if not reading.trusts(pod_logs) or not reading.trusts(container_logs):
        return None
    directory = _directory(uid, reading, pod_logs)
    link = _link(container, reading, container_logs) or _cut_link(
        container, directory, reading, container_logs
    )
    if link is None:
        return directory
    namespace, pod, name = link["namespace"], link["pod"], link["container"]
    if directory is not None and (directory.namespace, directory.pod) != (namespace, pod):
        # A link of a name that another pod bears: the uid of the cgroup decides.
        return directory
    target = reading.link(FileKind.POD_LOGS, f"{container_logs}/{link[0]}")
    return Orchestrator(
        type=KUBERNETES,
        namespace=namespace,
        pod=pod,
        pod_uid=uid,
        container=name,
        attempt=_attempt(target, namespace, pod, uid, name),
        source=pod_source(uid),
    )


def _directory(uid: str, reading: RootReader, pod_logs: str) -> Orchestrator | None:
    """Return namespace and name of the one pod with that uid that has logs."""
    names = reading.names(FileKind.POD_LOGS, pod_logs, PODS_MAX)
    parsed = (_DIRECTORY.fullmatch(name) for name in names if name.endswith(uid))
    found = [match for match in parsed if match and normalised(match["uid"]) == uid]
    if len(found) != 1:
        return None
    return Orchestrator(
        type=KUBERNETES,
        namespace=found[0]["namespace"],
        pod=found[0]["pod"],
        pod_uid=uid,
        source=pod_source(uid),
    )


def _link(container: str, reading: RootReader, container_logs: str) -> re.Match[str] | None:
    end = f"-{container}.log"
    for name in reading.names(FileKind.POD_LOGS, container_logs, LINKS_MAX):
        if name.endswith(end):
            return _LINK.fullmatch(name)
    return None


def _cut_link(
    container: str, pod: Orchestrator | None, reading: RootReader, container_logs: str
) -> re.Match[str] | None:
    """Return the link whose name was cut within the container's id; the pod is known otherwise."""
    if pod is None or pod.pod is None or pod.namespace is None:
        return None
    for name in reading.names(FileKind.POD_LOGS, container_logs, LINKS_MAX):
        if len(name) != FILE_NAME_MAX or not name.startswith(f"{pod.pod}_{pod.namespace}_"):
            continue
        match = _CUT_LINK.fullmatch(name)
        if match is not None and container.startswith(match["id"]):
            return match
    return None


def _attempt(target: str | None, namespace: str, pod: str, uid: str, container: str) -> int | None:
    match = _TARGET.fullmatch(target) if target is not None else None
    if match is None or match["container"] != container:
        return None
    if match["directory"] != f"{namespace}_{pod}_{uid}":
        return None
    attempt = int(match["attempt"])
    return attempt if attempt <= MAX_ATTEMPT else None
