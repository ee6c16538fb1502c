"""A workload that prints a line in the form of a record speaks for no control plane."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sensor.model.control_plane import ControlRecord, Standing
from sensor.sources.controlplane.reader import Reader, read

EVENT: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "a-1",
    "stage": "ResponseComplete",
    "requestURI": "/",
    "verb": "create",
    "user": {"username": "alice"},
    "objectRef": {"resource": "pods", "namespace": "shop", "name": "web"},
    "responseStatus": {"code": 201},
    "requestReceivedTimestamp": "2026-03-02T09:15:27.123456Z",
}
LINE = json.dumps(EVENT, separators=(",", ":"))
TRAIL = {
    "eventSource": "ecs.amazonaws.com",
    "eventName": "RunTask",
    "eventTime": "2026-03-02T09:15:27Z",
    "userIdentity": {"type": "IAMUser", "userName": "alice"},
    "requestParameters": {"cluster": "c", "taskDefinition": "web:1"},
}
STARTED = {
    "kind": "Event",
    "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{web}"},
    "reason": "Started",
    "source": {"component": "kubelet"},
    "lastTimestamp": "2026-03-02T09:15:27Z",
}
TASK = {
    "taskArn": "arn:aws:ecs:eu-central-1:1:task/c/t",
    "lastStatus": "RUNNING",
    "containers": [{"name": "a", "lastStatus": "RUNNING", "runtimeId": "b" * 64}],
}


def found(value: object) -> list[ControlRecord]:
    reader = Reader("file", whole=True)
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    some = list(read([data], reader))
    assert reader.counts.bad == 0
    return [one for one in some if isinstance(one, ControlRecord)]


def by_fluent_bit(namespace: str, line: str = LINE) -> dict[str, Any]:
    return {"log": line, "kubernetes": {"pod_name": "x", "namespace_name": namespace}}


def of_cloudwatch(group: str, stream: str, line: str) -> dict[str, Any]:
    return {
        "messageType": "DATA_MESSAGE",
        "logGroup": group,
        "logStream": stream,
        "logEvents": [{"id": "1", "timestamp": 1, "message": line}],
    }


def by_opentelemetry(namespace: str) -> dict[str, Any]:
    names = {"k8s.pod.name": "x", "k8s.namespace.name": namespace}
    said = [{"key": key, "value": {"stringValue": one}} for key, one in names.items()]
    logs = [{"logRecords": [{"body": {"stringValue": LINE}}]}]
    return {"resourceLogs": [{"resource": {"attributes": said}, "scopeLogs": logs}]}


def entry(log: str, **payload: Any) -> dict[str, Any]:
    return {"logName": f"projects/p/logs/{log}", "insertId": "1", **payload}


def on_a_bus(source: str, kind: str, detail: object) -> dict[str, Any]:
    return {"id": "1", "source": source, "detail-type": kind, "detail": detail}


NODE = {
    "MESSAGE": f'StartContainer for "{"a" * 64}" returns successfully',
    "SYSLOG_IDENTIFIER": "containerd",
}
CALL = {"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.pods.create"}
TRAIL_LINE = json.dumps(TRAIL)
AUDIT_LOG = "cloudaudit.googleapis.com%2Factivity"
WORKLOADS = {
    "Fluent Bit": by_fluent_bit("shop"),
    "Fluent Bit that merged the record": EVENT | {"kubernetes": {"pod_name": "x"}},
    "Fluent Bit, with a record of CloudTrail": by_fluent_bit("shop", TRAIL_LINE),
    "Filebeat": {"message": LINE, "kubernetes": {"pod": {"name": "x"}, "namespace": "shop"}},
    "Vector": {"message": LINE, "kubernetes": {"pod_name": "x", "pod_namespace": "shop"}},
    "Loki": {"streams": [{"stream": {"namespace": "shop", "pod": "x"}, "values": [["1", LINE]]}]},
    "OpenTelemetry": by_opentelemetry("shop"),
    "Splunk": {"event": LINE, "fields": {"k8s.pod.name": "x", "k8s.namespace.name": "shop"}},
    "Docker's driver for Fluentd": {"log": LINE, "container_id": "1", "container_name": "/web"},
    "Container Insights": of_cloudwatch("/aws/containerinsights/c/application", "x", LINE),
    "a task of ECS": of_cloudwatch("/ecs/web", "ecs/web/1", TRAIL_LINE),
    "a function": of_cloudwatch("/aws/lambda/f", "x", TRAIL_LINE),
    "another stream of EKS": of_cloudwatch("/aws/eks/c/cluster", "authenticator-1", LINE),
    "another group of EKS": of_cloudwatch("/aws/eks/c/workloads", "x", LINE),
    "an Event in a pod's output on GKE": entry("stdout", jsonPayload=STARTED),
    "a node's line in a pod's output": entry("stdout", jsonPayload=NODE),
    "an audit entry in a program's own log": entry("my-app", protoPayload=CALL),
    "a decision in a program's own log": entry(
        "my-cluster-autoscaler-visibility", jsonPayload={"decision": {"scaleUp": {}}}
    ),
    "a program's event of ECS": on_a_bus("my.app", "ECS Task State Change", TASK),
    "a program's call": on_a_bus("my.app", "AWS API Call via CloudTrail", TRAIL),
}


@pytest.mark.parametrize("carrier", list(WORKLOADS))
def test_what_a_workload_prints_is_no_record(carrier: str) -> None:
    assert found(WORKLOADS[carrier]) == []


@pytest.mark.parametrize(
    "genuine",
    [
        by_fluent_bit("kube-system"),
        by_fluent_bit("openshift-kube-apiserver"),
        by_opentelemetry("kube-system"),
        {"log": LINE, "container_id": "1", "container_name": "/kube-apiserver"},
        {"log": LINE, "container_id": "1", "container_name": "/k8s_kube-apiserver_x_kube-system"},
        {"kubernetes": {"audit": EVENT}},
        {"log": LINE, "kubernetes": {"labels": {}}},
        of_cloudwatch("/aws/eks/c/cluster", "kube-apiserver-audit-1", LINE),
        of_cloudwatch("aws-cloudtrail-logs", "1_CloudTrail_eu-central-1", TRAIL_LINE),
        entry("events", jsonPayload=STARTED),
        entry("container-runtime", jsonPayload=NODE),
        entry(AUDIT_LOG, protoPayload=CALL),
        on_a_bus("aws.ecs", "ECS Task State Change", TASK),
        on_a_bus("aws.ecs", "AWS API Call via CloudTrail", TRAIL),
        by_fluent_bit("monitoring", json.dumps(STARTED)),
        f"ip-10-0-140-97.ec2.internal {LINE}".encode(),
        f"2026-03-02T09:15:27.123000+00:00 kube-apiserver-audit-0a1b {LINE}".encode(),
        f"2026-03-02T09:15:27Z 111122223333_CloudTrail_eu-central-1 {TRAIL_LINE}".encode(),
    ],
)
def test_what_a_control_plane_wrote_is_read(genuine: object) -> None:
    (one,) = found(genuine)
    assert one.standing in {Standing.REQUESTED, Standing.OBSERVED}


def test_a_workload_cannot_say_that_events_were_lost() -> None:
    lost = "3 events may have been lost"
    assert list(read([json.dumps(entry("events", textPayload=lost)).encode()], Reader("f")))
    assert not list(read([json.dumps(entry("stdout", textPayload=lost)).encode()], Reader("f")))


def test_a_record_of_another_cloud_is_not_of_aws() -> None:
    for source in ("cs.aliyuncs.com", "aws:s3"):
        assert found(TRAIL | {"eventSource": source}) == []
