"""Records of ECS for the tests of its walk: CloudTrail's calls and EventBridge's reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensor.model.control_plane import ControlRecord
from sensor.sources.controlplane.reader import Reader, read

CORPUS = Path(__file__).parents[1] / "corpora" / "controlplane" / "aws"
ACCOUNT, REGION = "111122223333", "eu-central-1"
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod"
DEPLOYMENT = "ecs-svc/1000000000000000001"
NEXT = "ecs-svc/1000000000000000002"
RULES = "events.amazonaws.com"
SCHEDULER = "scheduler.amazonaws.com"
ROLE = "role-of-scheduler"
"""That of what ``SCHEDULER`` calls."""
Json = dict[str, Any]


def arn(task: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/prod/{task}"


def definition(name: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{name}"


def stamp(seconds: float) -> str:
    whole = int(seconds)
    hours, minutes = 10 + whole // 3600, whole % 3600 // 60
    return f"2026-03-02T{hours:02d}:{minutes:02d}:{whole % 60:02d}Z"


def records(lines: Sequence[Json]) -> list[ControlRecord]:
    data = b"\n".join(json.dumps(line).encode() for line in lines)
    return [one for one in read([data], Reader("trail")) if isinstance(one, ControlRecord)]


class EcsLog:
    """Calls and reports that are written one at a time."""

    def __init__(self) -> None:
        self.lines: list[Json] = []

    def call(self, time: float, user: str, name: str, asked: Json, answer: Json | None) -> None:
        """Write a call. A user whose name has a dot is a service of the cloud on a role."""
        who: Json = {"type": "IAMUser", "userName": user, "arn": f"arn:aws:iam::1:user/{user}"}
        if "." in user:
            role = f"arn:aws:sts::{ACCOUNT}:assumed-role/role-of-{user.partition('.')[0]}/session"
            who = {"type": "AssumedRole", "arn": role, "invokedBy": user}
        service = RULES if name.endswith(("Rule", "Targets")) else None
        service = SCHEDULER if name.endswith("Schedule") else service
        self.lines.append(
            {
                "eventVersion": "1.09",
                "userIdentity": who,
                "eventTime": stamp(time),
                "eventSource": service or "ecs.amazonaws.com",
                "eventName": name,
                "awsRegion": REGION,
                "sourceIPAddress": "203.0.113.44",
                "requestParameters": asked,
                "responseElements": answer,
                "eventID": f"{len(self.lines)}-{name}-{time}",
                "recipientAccountId": ACCOUNT,
            }
        )

    def run(self, time: float, user: str, *tasks: str, started_by: str | None = None) -> None:
        """Write a RunTask whose answer names tasks."""
        asked = {"cluster": "prod", "startedBy": started_by, "taskDefinition": "job:1"}
        answer = [
            {
                "taskArn": arn(one),
                "clusterArn": CLUSTER,
                "taskDefinitionArn": definition("job:1"),
                "startedBy": started_by,
                "containers": [{"name": "job", "image": "job:1"}],
            }
            for one in tasks
        ]
        self.call(time, user, "RunTask", asked, {"tasks": answer, "failures": []})

    def schedule(
        self,
        time: float,
        user: str,
        name: str,
        *,
        group: str = "default",
        role: str = ROLE,
        runs: str = "job",
        verb: str = "CreateSchedule",
    ) -> None:
        """Write a call that writes a schedule of EventBridge Scheduler."""
        target = {
            "arn": CLUSTER,
            "roleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
            "ecsParameters": {"taskDefinitionArn": definition(runs)},
        }
        self.call(time, user, verb, {"name": name, "groupName": group, "target": target}, {})

    def service(
        self,
        time: float,
        user: str,
        asked: Json,
        *,
        deployment: str | None = DEPLOYMENT,
        running: int = 0,
        desired: int = 2,
        verb: str = "UpdateService",
        revision: int = 1,
    ) -> None:
        """Write a call that writes the service ``web``."""
        listed = [] if deployment is None else [{"id": deployment, "status": "PRIMARY"}]
        answer = {
            "service": {
                "serviceArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/web",
                "serviceName": "web",
                "clusterArn": CLUSTER,
                "desiredCount": desired,
                "runningCount": running,
                "taskDefinition": definition(f"web:{revision}"),
                "deployments": listed,
            }
        }
        self.call(time, user, verb, {"cluster": "prod", "service": "web", **asked}, answer)

    def created(self, time: float, user: str, desired: int = 2) -> None:
        asked = {"serviceName": "web", "desiredCount": desired, "taskDefinition": "web:1"}
        self.service(time, user, asked, desired=desired, verb="CreateService")

    def scaled(self, time: float, user: str, desired: int, running: int) -> None:
        self.service(time, user, {"desiredCount": desired}, desired=desired, running=running)

    def stopped(self, time: float, user: str, task: str) -> None:
        """Write a StopTask of a task of the service."""
        answer = {"task": {"taskArn": arn(task), "group": "service:web", "clusterArn": CLUSTER}}
        self.call(time, user, "StopTask", {"cluster": "prod", "task": task}, answer)

    def ran(
        self,
        time: float,
        task: str,
        *,
        started_by: str = DEPLOYMENT,
        group: str = "service:web",
        revision: str = "web:1",
        container: str = "web",
        runtime_id: str | None = None,
    ) -> None:
        """Write EventBridge's report that a task runs."""
        detail = {
            "clusterArn": CLUSTER,
            "taskArn": arn(task),
            "group": group,
            "startedBy": started_by,
            "lastStatus": "RUNNING",
            "createdAt": stamp(time),
            "startedAt": stamp(time + 20),
            "taskDefinitionArn": definition(revision),
            "containers": [
                {
                    "name": container,
                    "image": "web:1",
                    "lastStatus": "RUNNING",
                    "runtimeId": runtime_id or f"id-of-{task}",
                }
            ],
        }
        self.lines.append(
            {
                "id": f"event-{len(self.lines)}-{task}",
                "detail-type": "ECS Task State Change",
                "source": "aws.ecs",
                "account": ACCOUNT,
                "region": REGION,
                "time": stamp(time + 21),
                "detail": detail,
            }
        )

    def submitted(self, time: float, task: str, runtime_id: str) -> None:
        """Write the call of the agent that reports a container."""
        container = {"containerName": "web", "runtimeId": runtime_id, "status": "RUNNING"}
        asked = {"cluster": "prod", "task": arn(task), "status": "RUNNING"}
        self.call(
            time, "agent.x", "SubmitTaskStateChange", {**asked, "containers": [container]}, {}
        )
