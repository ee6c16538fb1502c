"""The grammar of pods' names: what Kubernetes generates, and whose pod a name says it is.

==============  =============================================  ==============================
controller      pod name                                       source in kubernetes/kubernetes
==============  =============================================  ==============================
Deployment      ``OWNER-<hash of 6 to 10>-<5>``                pkg/controller/deployment/sync.go
CronJob         ``OWNER-<unix minutes>-<5>``                   pkg/controller/cronjob/utils.go
Job, DaemonSet  ``OWNER-<5>``                                  pkg/controller/controller_utils.go
StatefulSet     ``OWNER-<ordinal>``                            pkg/controller/statefulset
static pod      ``OWNER-<node name>``                          pkg/kubelet/config/common.go
==============  =============================================  ==============================

Generated parts hold no vowel and no 0, 1 or 3 (apimachinery ``pkg/util/rand``). A base is cut at 58
characters before its random part is added (apiserver ``pkg/storage/names/generate.go``), so a name
of 63 characters may lack the dash, and the hash before it may be incomplete. The hash is a number
of 32 bits, each digit as a letter of that alphabet: nearly always 8 to 10, rarely fewer.
"""

from __future__ import annotations

import re

from sensor.dataclass import dataclass

GENERATED = "bcdfghjklmnpqrstvwxz2456789"
RANDOM_LENGTH = 5
NAME_MAX = 63
"""Characters of a generated name (DNS label)."""
STATIC_UID_LENGTH = 32
"""Hex digits of a static pod's uid, which has no dashes: an MD5 (pkg/kubelet/config)."""

_RANDOM = rf"[{GENERATED}]{{{RANDOM_LENGTH}}}"
_DEPLOYMENT = re.compile(rf"(.+)-([{GENERATED}]{{6,10}}|[0-9]{{8,10}})-{_RANDOM}")
_SCHEDULED = re.compile(r"(.+)-[0-9]{8,10}")
_CRON_JOB = re.compile(rf"(.+)-[0-9]{{8}}-{_RANDOM}")
_RANDOM_END = re.compile(rf"(.+)-{_RANDOM}")
_ORDINAL = re.compile(r"(.+)-[0-9]{1,10}")
_CUT = re.compile(rf"(.+?)-?{_RANDOM}")
_CUT_HASH = re.compile(rf"(.+)-([{GENERATED}]{{1,10}})-?")
_STATIC_UID = re.compile(rf"[0-9a-f]{{{STATIC_UID_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class PodName:
    """A pod's name, read. ``revision`` is the ReplicaSet's hash, None without one."""

    owner: str
    """The controller that composed the name; the pod itself where none did."""
    revision: str | None = None
    static: bool = False
    scheduled: bool = False
    """A CronJob made it: each run is a new pod."""


def parse(pod: str, pod_uid: str | None = None, node: str | None = None) -> PodName:
    """Read the name of a pod. The creator of a pod may choose any: it is a claim."""
    if is_static(pod_uid):
        base = pod.removesuffix(f"-{node}") if node else pod
        return PodName(base or pod, static=True)
    if match := _CRON_JOB.fullmatch(pod):
        return PodName(match[1], scheduled=True)
    if match := _DEPLOYMENT.fullmatch(pod):
        return PodName(match[1], match[2])
    if len(pod) == NAME_MAX and (match := _CUT.fullmatch(pod)):
        return _of_cut_base(match[1])
    for pattern in (_RANDOM_END, _ORDINAL):
        if match := pattern.fullmatch(pod):
            return PodName(match[1])
    return PodName(pod)


def without_random(pod: str) -> str | None:
    """Return a name without the five letters that were generated, None where it has none."""
    match = _RANDOM_END.fullmatch(pod)
    return None if match is None else match[1]


def cron_job_of(job: str) -> str | None:
    """Return the CronJob whose Job has this name, None for a name without the minutes."""
    match = _SCHEDULED.fullmatch(job)
    return None if match is None else match[1]


def without_ordinal(pod: str) -> str | None:
    """Return the name of the StatefulSet that numbered a pod, None for a name without a number."""
    match = _ORDINAL.fullmatch(pod)
    return None if match is None else match[1]


def is_static(pod_uid: str | None) -> bool:
    """Whether a pod's uid is one that the kubelet makes for a manifest on the node."""
    return pod_uid is not None and _STATIC_UID.fullmatch(pod_uid) is not None


def _of_cut_base(base: str) -> PodName:
    match = _CUT_HASH.fullmatch(base)
    return PodName(base.rstrip("-")) if match is None else PodName(match[1], match[2])
