"""Which pod a container belongs to, and how often it was restarted there.

- containerd's CRI plugin: annotations ``io.kubernetes.cri.*`` (pkg/cri/annotations);
- CRI-O: ``io.kubernetes.{container.name,pod.name,pod.namespace,pod.uid}`` (kubelet's labels,
  pkg/kubelet/types/labels.go) and ``io.kubernetes.cri-o.*``;
- dockershim and cri-dockerd: the same labels on the Docker container, and its name
  ``k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`` (core/naming.go).

kubelet's restart count is in an annotation of its own where an engine passes it on. Otherwise it
is the number of the newest log file, which kubelet names before the container is created:
``/var/log/pods/<namespace>_<pod>_<uid>/<container>/<attempt>.log``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.identity.cgroup import pod_uid
from sensor.identity.reading import FileKind, RootReader
from sensor.model.container import KUBERNETES, Orchestrator
from sensor.model.vocabulary import PodSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.identity.oci import Bundle

RESTART_COUNT = "io.kubernetes.container.restartCount"

MAX_LOGS = 1024
"""Log files of one container that are looked at; kubelet keeps a handful."""

MAX_ATTEMPT = (1 << 31) - 1
"""kubelet counts in an int32."""

_LOG = re.compile(r"([0-9]{1,10})\.log(?:\..*)?", re.DOTALL)
_COUNT = re.compile(r"[0-9]{1,10}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
"""RFC 1123 names, as Kubernetes demands; nothing else may become part of a path."""

_DOCKER_NAME = re.compile(r"k8s_([^_/]+)_([^_/]+)_([^_/]+)_([^_/]+)_([0-9]{1,10})(?:_.*)?")
_SANDBOX_NAME = "POD"

_HASH = re.compile(r"[0-9a-f]{32}")
"""A static pod's uid: the MD5 of its manifest, whether from a file or a URL."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def from_cri(bundle: Bundle) -> Orchestrator | None:
    """Read the annotations of containerd's CRI plugin."""
    return _orchestrator(
        bundle.annotation("io.kubernetes.cri.sandbox-namespace"),
        bundle.annotation("io.kubernetes.cri.sandbox-name"),
        bundle.annotation("io.kubernetes.cri.sandbox-uid"),
        bundle.annotation("io.kubernetes.cri.container-name"),
        _count(bundle.annotation(RESTART_COUNT)),
    )


def from_labels(
    labels: Sequence[tuple[str, str]], docker_name: str | None = None
) -> Orchestrator | None:
    """Read kubelet's labels; for Docker also the container's name without the leading slash."""
    by_key = {key: value for key, value in labels if "io.kubernetes." in key}
    by_name = _DOCKER_NAME.fullmatch(docker_name) if docker_name else None
    container, pod, namespace, uid, attempt = by_name.groups() if by_name else (None,) * 5
    container = by_key.get("io.kubernetes.container.name") or container
    return _orchestrator(
        by_key.get("io.kubernetes.pod.namespace") or namespace,
        by_key.get("io.kubernetes.pod.name") or pod,
        by_key.get("io.kubernetes.pod.uid") or uid,
        None if container == _SANDBOX_NAME else container,
        _count(by_key.get(RESTART_COUNT) or by_key.get(f"annotation.{RESTART_COUNT}") or attempt),
    )


def attempt_from_logs(
    reading: RootReader, pod_logs: str, orchestrator: Orchestrator, raw_uid: str | None
) -> int | None:
    """Return the number of the newest log file below ``pod_logs``, kubelet's restart count.

    ``raw_uid`` is the pod's uid as Kubernetes writes it, which a static pod's is without dashes.
    """
    names = (orchestrator.namespace, orchestrator.pod, raw_uid, orchestrator.container)
    if any(name is None or not _NAME.fullmatch(name) for name in names):
        return None
    namespace, pod, uid, container = names
    directory = f"{pod_logs}/{namespace}_{pod}_{uid}/{container}"
    matches = (
        _LOG.fullmatch(name) for name in reading.names(FileKind.POD_LOGS, directory, MAX_LOGS)
    )
    attempts = [int(match[1]) for match in matches if match]
    return max((number for number in attempts if number <= MAX_ATTEMPT), default=None)


def pod_source(uid: str | None) -> PodSource | None:
    """Return where kubelet has the pod from, by the form of its uid: the API server gives UUIDs."""
    if uid is None:
        return None
    if _HASH.fullmatch(uid):
        return PodSource.FILE
    return PodSource.API if _UUID.fullmatch(uid) else None


def _orchestrator(
    namespace: str | None,
    pod: str | None,
    uid: str | None,
    container: str | None,
    attempt: int | None,
) -> Orchestrator | None:
    if not (pod or uid):
        return None
    return Orchestrator(
        type=KUBERNETES,
        namespace=namespace or None,
        pod=pod or None,
        pod_uid=pod_uid(uid),
        container=container or None,
        attempt=attempt if container else None,
        source=pod_source(pod_uid(uid)),
    )


def _count(text: str | None) -> int | None:
    if text is None or not _COUNT.fullmatch(text):
        return None
    number = int(text)
    return number if number <= MAX_ATTEMPT else None
