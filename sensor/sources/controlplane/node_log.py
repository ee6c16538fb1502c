"""Node logs in Cloud Logging: what containerd and kubelet wrote to the journal.

containerd's lines are the only records of GCP that give a container id without Data Access logs.
"""

from __future__ import annotations

import re

from sensor.model.control_plane import (
    ChainPart,
    ControlRecord,
    Effect,
    RecordRef,
    Request,
    RequestContainer,
    RequestOutcome,
    RequestSource,
    Standing,
    Workload,
)
from sensor.sources.controlplane.gke import cluster_of
from sensor.sources.controlplane.identity import key
from sensor.sources.controlplane.json_text import Json, table, text
from sensor.sources.controlplane.times import wall

_ID = r'\\?"([0-9a-f]{64})\\?"'
_CREATED = re.compile(
    r"CreateContainer within sandbox "
    + _ID
    + r" for (?:(?:container )?&ContainerMetadata\{Name:([^,{}]{1,253}),Attempt:(\d{1,9}),\}"
    r'|name:\\?"([^"\\]{1,253})\\?"(?: {1,2}attempt:(\d{1,9}))?) returns container id ' + _ID
)
"""The second form is that of google.golang.org/protobuf, which newer versions of containerd use: an
attempt of 0 is left out, and one blank or two stand between fields."""
_STARTED = re.compile(r"StartContainer for " + _ID + r" returns successfully")
_LIMIT = 4096
"""Characters of a message that are searched."""


def is_node_log(entry: Json) -> bool:
    """Return whether a LogEntry is a line of a node's journal."""
    return type(table(entry, "jsonPayload").get("MESSAGE")) is str


def read(entry: Json, ref: RecordRef) -> ControlRecord:
    """Return the record of a line of a node's journal."""
    payload = table(entry, "jsonPayload")
    message = payload["MESSAGE"][:_LIMIT]
    node = text(table(table(entry, "resource"), "labels"), "node_name") or text(
        payload, "_HOSTNAME"
    )
    program = text(payload, "SYSLOG_IDENTIFIER") or text(payload, "_COMM") or "node"
    standing, effect, outcome, action = Standing.NO, Effect.NONE, None, f"{program} log"
    workload = Workload(kind="Node", node=node)
    containers: tuple[RequestContainer, ...] = ()
    if (created := _CREATED.search(message)) is not None and program == "containerd":
        standing, effect, outcome = Standing.RELATED, Effect.CREATE, RequestOutcome.SUCCESS
        action = "containerd CreateContainer"
        sandbox, old_name, old_attempt, new_name, new_attempt, id_ = created.groups()
        name, attempt = old_name or new_name, int(old_attempt or new_attempt or 0)
        workload = Workload(kind="Container", node=node, sandbox=sandbox, attempt=attempt)
        containers = (RequestContainer(name=name, id=id_),)
    elif (started := _STARTED.search(message)) is not None and program == "containerd":
        standing, effect, outcome = Standing.OBSERVED, Effect.START, RequestOutcome.SUCCESS
        action = "containerd StartContainer"
        workload = Workload(kind="Container", node=node)
        containers = (RequestContainer(id=started.group(1)),)
    insert, stamp = text(entry, "insertId"), text(entry, "timestamp")
    request = Request(
        source=RequestSource.GCP,
        id=insert,
        action=action,
        effect=effect,
        chain=ChainPart.REPORT,
        outcome=outcome,
        requested=wall(stamp),
        cluster=cluster_of(entry),
        workload=workload,
        containers=containers,
        ref=ref,
    )
    return ControlRecord(
        standing=standing,
        request=request,
        key=key(RequestSource.GCP, insert, stamp, text(entry, "logName")),
        observed_key=f"{node}\x1f{containers[0].id}" if standing is Standing.OBSERVED else None,
    )
