"""Whose words an envelope carries: a control plane's, or those of any workload.

Collectors ship the output of all pods and functions, and say whose it is. A workload chooses what
it writes: it may print a line of JSON in the form of an audit event.
"""

from __future__ import annotations

import re

from sensor.sources.controlplane.json_text import Json, rows, table, text

_API_SERVERS = frozenset(
    {"kube-system", "openshift-kube-apiserver", "openshift-apiserver", "openshift-oauth-apiserver"}
)
"""Namespaces in which only who rules the cluster may run a pod."""
_POD, _NAMESPACE = "k8s.pod.name", "k8s.namespace.name"
"""As OpenTelemetry names them; its exporter for Splunk has them in ``fields``."""
_API_SERVER = re.compile(r"/?(?:k8s_)?kube-apiserver(?:_.*)?", re.DOTALL)
"""The name of the API server's container for Docker, by hand or by kubelet."""
_WORKLOADS = (
    "/aws/apprunner/",
    "/aws/batch/",
    "/aws/codebuild/",
    "/aws/containerinsights/",
    "/aws/ecs/",
    "/aws/lambda/",
    "/ecs/",
)
"""Groups of CloudWatch Logs that AWS itself fills with the output of workloads."""
_EKS = "/aws/eks/"
_AUDIT_STREAM = "kube-apiserver-audit-"


def of_workload(value: Json) -> bool:
    """Return whether an envelope says that a workload wrote what it carries."""
    if "kubernetes" in value or "stream" in value or "resource" in value or "fields" in value:
        pod, namespace = _pod(value)
        if pod is not None:
            return namespace not in _API_SERVERS
    if "container_id" not in value:
        return False
    name = text(value, "container_name")
    return name is not None and _API_SERVER.fullmatch(name) is None


def _pod(value: Json) -> tuple[str | None, str | None]:
    """Return the pod and the namespace in which it runs, as one of the collectors has them."""
    about = table(value, "kubernetes")
    if about:
        # Fluent Bit, Fluentd and Vector; Filebeat and Elastic Agent.
        pod = text(about, "pod_name") or text(table(about, "pod"), "name")
        return pod, (
            text(about, "namespace_name")
            or text(about, "pod_namespace")
            or text(about, "namespace")
        )
    labels = table(value, "stream")
    if labels:
        return text(labels, "pod"), text(labels, "namespace")
    said = table(value, "fields")
    if not said:
        said = {
            key: text(table(one, "value"), "stringValue")
            for one in rows(table(value, "resource"), "attributes")
            if (key := text(one, "key")) is not None
        }
    return text(said, _POD), text(said, _NAMESPACE)


def group_of_workloads(group: str, stream: str) -> bool:
    """Return whether a stream of CloudWatch Logs holds what workloads wrote."""
    if group.startswith(_EKS):
        others = stream != "" and not stream.startswith(_AUDIT_STREAM)
        return others or not group.endswith("/cluster")
    return group.startswith(_WORKLOADS)
