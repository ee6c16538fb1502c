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

from typing import TYPE_CHECKING

from sensor.model.control_plane import Owner
from sensor.model.pod_name import cron_job_of, parse, without_ordinal, without_random

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME_MAX = 253
"""Characters of a pod's name that are looked at (DNS subdomain)."""

_OF_KUBELET = ("io.kubernetes.", "annotation.io.kubernetes.")
"""Labels that kubelet sets on each container: they name the pod and not its owner."""


def owner_of_pod(pod: str | None, labels: Sequence[tuple[str, str]] | None) -> Owner | None:
    """Return the controller that a pod most likely belongs to, None where it is unknown.

    Of a ReplicaSet it is the Deployment, of a scheduled Job the CronJob: what people name.
    """
    if not pod or len(pod) > NAME_MAX:
        return None
    by_key = {key: value for key, value in labels or () if not key.startswith(_OF_KUBELET)}
    return _by_labels(pod, by_key) or _by_name(pod, by_key)


def _by_labels(pod: str, labels: dict[str, str]) -> Owner | None:
    template = labels.get("pod-template-hash")
    base = without_random(pod)
    if template and base is not None:
        deployment = base.removesuffix(f"-{template}")
        return Owner("Deployment" if deployment != base else "ReplicaSet", deployment)
    job = labels.get("batch.kubernetes.io/job-name") or labels.get("job-name")
    if job and pod.startswith(job):
        scheduled = cron_job_of(job)
        return Owner("CronJob", scheduled) if scheduled else Owner("Job", job)
    numbered = without_ordinal(pod)
    if labels.get("statefulset.kubernetes.io/pod-name") == pod and numbered is not None:
        return Owner("StatefulSet", numbered)
    if "controller-revision-hash" in labels and base is not None:
        return Owner("DaemonSet", base)
    return None


def _by_name(pod: str, labels: dict[str, str]) -> Owner | None:
    """Without labels of a controller, as where the labels could not be read at all."""
    name = parse(pod)
    if labels or name.revision is None or name.revision.isdecimal():
        # A number could be the time of a CronJob's run as well.
        return None
    return Owner("Deployment", name.owner)
