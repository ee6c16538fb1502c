"""Which controller a pod belongs to, inferred on the node from its labels and its name.

Only the API server knows ``ownerReferences``. Controllers set labels on the pods that they make,
and compose the pods' names (kubernetes pkg/controller and api/apps/v1, api/batch/v1):

| controller | labels | pod's name |
|---|---|---|
| ReplicaSet of a Deployment | ``pod-template-hash`` | ``<deployment>-<hash>-<5>`` |
| StatefulSet | ``statefulset.kubernetes.io/pod-name`` | ``<name>-<ordinal>`` |
| DaemonSet | ``controller-revision-hash``, ``pod-template-generation`` | ``<name>-<5>`` |
| Job | ``batch.kubernetes.io/job-name``, ``job-name`` | ``<job>-<5>`` |
| Job of a CronJob | the same | ``<cronjob>-<minutes since the epoch>-<5>`` |

The creator of a pod can set its labels, so the answer is always an inference.
Without labels only a name with a ReplicaSet's hash is enough: both parts of it are drawn from
an alphabet without vowels (apimachinery pkg/util/rand).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.model.control_plane import Owner

if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_KUBELET = ("io.kubernetes.", "annotation.io.kubernetes.")
"""Labels that kubelet sets on each container: they name the pod and not its owner."""

_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_RANDOM = re.compile(rf"(?P<owner>.{{1,247}})-[{_SAFE}]{{5}}", re.DOTALL)
_REPLICA = re.compile(
    rf"(?P<deployment>.{{1,241}})-(?P<hash>[{_SAFE}]{{6,10}})-[{_SAFE}]{{5}}", re.DOTALL
)
_ORDINAL = re.compile(r"(?P<owner>.{1,250})-[0-9]{1,10}", re.DOTALL)
_SCHEDULED = re.compile(r"(?P<cronjob>.{1,52})-[0-9]{8,10}", re.DOTALL)


def workload_of(pod: str | None, labels: Sequence[tuple[str, str]] | None) -> Owner | None:
    """Return the workload that a pod most likely belongs to, None where it is unknown.

    Of a ReplicaSet it is the Deployment, of a scheduled Job the CronJob: what people name.
    """
    if not pod:
        return None
    by_key = {key: value for key, value in labels or () if not key.startswith(_OF_KUBELET)}
    return _by_labels(pod, by_key) or _by_name(pod, by_key)


def _by_labels(pod: str, labels: dict[str, str]) -> Owner | None:
    template = labels.get("pod-template-hash")
    replica = _RANDOM.fullmatch(pod)
    if template and replica is not None:
        deployment = replica["owner"].removesuffix(f"-{template}")
        kind = "Deployment" if deployment != replica["owner"] else "ReplicaSet"
        return Owner(kind, deployment)
    job = labels.get("batch.kubernetes.io/job-name") or labels.get("job-name")
    if job and pod.startswith(job):
        scheduled = _SCHEDULED.fullmatch(job)
        return Owner("CronJob", scheduled["cronjob"]) if scheduled else Owner("Job", job)
    ordinal = _ORDINAL.fullmatch(pod)
    if labels.get("statefulset.kubernetes.io/pod-name") == pod and ordinal is not None:
        return Owner("StatefulSet", ordinal["owner"])
    if "controller-revision-hash" in labels and replica is not None:
        return Owner("DaemonSet", replica["owner"])
    return None


def _by_name(pod: str, labels: dict[str, str]) -> Owner | None:
    """Without labels of a controller, as where the labels could not be read at all."""
    replica = _REPLICA.fullmatch(pod)
    if labels or replica is None:
        return None
    return Owner("Deployment", replica["deployment"])
