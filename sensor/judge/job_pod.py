"""Pods of jobs: what changes in a name with each run, beside the parts that Kubernetes makes.

A tool that makes a pod for each job names it itself. What :mod:`sensor.model.pod_name` leaves as
the owner then still has the job in it.

=================  ==========================================  ================================
tool               pod name                                    source
=================  ==========================================  ================================
GitLab runner      ``runner-T-project-N-concurrent-N-<rand>``  executors/kubernetes
Actions (ARC)      ``SET-<5>-runner-<5>``, then ``-workflow``  runner-container-hooks constants.ts
Tekton             ``RUN-<5>-TASK-pod``                        pkg/pod/pod.go
Argo Workflows     ``FLOW-<5>-TEMPLATE-<hash>``                workflow/util/pod_name.go
Jenkins            ``JOB-<build>-<5>-<5>-<5>``                 kubernetes-plugin PodTemplateUtils
OpenShift          ``NAME-<number>-build``, ``-deploy``        pkg/build, pkg/apps
AWX                ``automation-job-<id>-<5>``                 awx/main/tasks
Knative            ``SERVICE-<5 digits>-deployment``           serving pkg/reconciler/revision
vcluster           ``POD-x-NAMESPACE-x-CLUSTER``               translate.SingleNamespaceHostName
Spark, Airflow     hex digits, a time, a UUID within
=================  ==========================================  ================================
"""

from __future__ import annotations

import re

from sensor.model import pod_name
from sensor.model.pod_name import GENERATED, RANDOM_LENGTH

ANY = "*"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
"""RFC 9562, in small letters."""

_CHANGING = re.compile(
    rf"{UUID}"
    r"|[12][0-9]{3}-[01][0-9]-[0-3][0-9]"
    r"|(?<![0-9a-z])[0-7][0-9a-hjkmnp-tv-z]{25}(?![0-9a-z])"
    r"|(?<=\Adrone-)[0-9a-z]{20}\Z"
    r"|[0-9a-f]{8,}"
)
_GITLAB = re.compile(
    r"runner-[0-9a-z-]{6,32}?-project-[0-9]+-concurrent-[0-9]+(?:-[0-9a-z]{5,32})?"
)
_JENKINS = re.compile(r"(.+?)-[0-9]{1,9}(?:-[bcdfghjklmnpqrstvwxz0-9]{5}){2,3}")
_NUMBERED = re.compile(r"(.+)-[0-9]{1,9}-(build|deploy|hook-(?:pre|mid|post))")
_AWX = re.compile(r"automation-job-[0-9]+")
_KNATIVE = re.compile(r"(.+)-[0-9]{5}-deployment")
_VCLUSTER = re.compile(r"(.+?)(-x-[a-z0-9-]+-x-[a-z0-9-]+)")
"""A pod of a cluster within the cluster: its name there, its namespace there, the cluster."""
_FORMS = (
    (_GITLAB, f"runner-{ANY}"),
    (_AWX, f"automation-job-{ANY}"),
    (_JENKINS, rf"\1-{ANY}"),
    (_NUMBERED, rf"\1-{ANY}-\2"),
    (_KNATIVE, rf"\1-{ANY}-deployment"),
)
"""What a whole owner looks like, and what is left of it."""
_ENDS = ("-pod", "-runner", "-workflow")
_STEP = "-step-"
_RETRY = re.compile(r"-pod-retry[0-9]{1,4}\Z")
_RANDOM = re.compile(
    rf"-(?!(?:html5|http2|https|mssql|pgsql|sqldb|xhtml|x8664)\b)"
    rf"[{GENERATED}]{{{RANDOM_LENGTH}}}(?=-|\Z)"
)
"""A part that Kubernetes made, within a name: few words have neither vowel nor y."""
_HASH_MIN = 5
"""Digits of the number that Argo ends a pod's name with: no StatefulSet counts so far."""


def owner_of(pod: str) -> str:
    """Return the owner by the name of a pod, without what changes from one job to the next."""
    owner = pod_name.parse(pod).owner
    return folded_owner(owner, of_flow=is_of_flow(pod, owner))


def is_of_flow(pod: str, owner: str) -> bool:
    """Whether the number that a pod's name has behind its owner is Argo's."""
    return len(pod) - len(owner) > _HASH_MIN and pod[-_HASH_MIN:].isdecimal()


def folded_owner(owner: str, *, of_flow: bool = False) -> str:
    """Return the owner of a pod with the parts that change from one job to the next as ``*``.

    ``of_flow``: its pod's name went on with a number of Argo's.
    """
    for form, left in _FORMS:
        if match := form.fullmatch(owner):
            return match.expand(left)
    if match := _VCLUSTER.fullmatch(owner):
        return f"{owner_of(match[1])}{match[2]}"
    name = _CHANGING.sub(ANY, owner)
    if of_flow or _is_of_a_run(owner):
        name = _RANDOM.sub(f"-{ANY}", name)
    return name


def _is_of_a_run(owner: str) -> bool:
    """Whether a tool made a pod's name of the name of a run, which Kubernetes may have made."""
    return owner.endswith(_ENDS) or _STEP in owner or _RETRY.search(owner) is not None
