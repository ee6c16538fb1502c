"""CloudTrail's records of calls of AWS, as far as they concern containers of ECS.

A record comes in a log file, through EventBridge, CloudWatch Logs or Lake, and always has the same
``eventID``. Its containers are pending: no record of a request has a container's id.
"""

from __future__ import annotations

from sensor.model.control_plane import (
    ActorKind,
    ChainPart,
    Cluster,
    ControlRecord,
    RecordRef,
    Request,
    RequestCertainty,
    RequestOutcome,
    RequestSource,
    Standing,
)
from sensor.sources.controlplane import ecs_calls
from sensor.sources.controlplane.addresses import is_address
from sensor.sources.controlplane.aws_identity import actor
from sensor.sources.controlplane.aws_reading import tail
from sensor.sources.controlplane.identity import key
from sensor.sources.controlplane.json_text import Json, nested, rows, table, text
from sensor.sources.controlplane.times import wall

_CHINA = ".cn"
_SERVICES = (".amazonaws.com", ".amazonaws.com.cn")


def is_record(value: Json) -> bool:
    """Return whether a JSON object is a record of CloudTrail."""
    source = value.get("eventSource")
    return type(source) is str and source.endswith(_SERVICES) and "eventName" in value


def read(value: Json, ref: RecordRef) -> ControlRecord:
    """Return the record of a call."""
    service = (text(value, "eventSource") or "").removesuffix(_CHINA)
    name = text(value, "eventName") or "-"
    # Some stores keep these objects as text.
    asked, answered = nested(value, "requestParameters"), nested(value, "responseElements")
    reading = ecs_calls.reading(service, name, asked, answered)
    who = actor(value)
    error = text(value, "errorCode") or text(value, "errorMessage")
    outcome = RequestOutcome.FAILURE if error else reading.outcome or RequestOutcome.SUCCESS
    address = text(value, "sourceIPAddress")
    seen = (address,) if address is not None and is_address(address) else ()
    event_id, when = text(value, "eventID"), wall(value.get("eventTime"))
    request = Request(
        source=RequestSource.AWS,
        id=event_id,
        action=f"{service.partition('.')[0]}:{name}",
        effect=reading.effect,
        chain=_chain(None if who is None else who.kind),
        outcome=outcome,
        certainty=RequestCertainty.MAY
        if reading.standing is Standing.POSSIBLE
        else RequestCertainty.ASKS,
        reason=error or reading.reason,
        requested=when,
        completed=when,
        actor=who,
        address=seen[0] if seen else None,
        addresses=seen,
        user_agent=text(value, "userAgent"),
        cluster=_cluster(value, asked, answered, named=reading.in_cluster),
        workload=reading.workload,
        containers=reading.containers,
        ref=ref,
    )
    # Lake, EventBridge and the log file give one call the same eventID; two accounts that one call
    # concerns get a record each, and share sharedEventID.
    identity = text(value, "sharedEventID") or event_id
    ids = sorted(item.id or "" for item in reading.containers)
    observed = reading.standing is Standing.OBSERVED and reading.workload is not None
    return ControlRecord(
        standing=reading.standing,
        request=request,
        key=key(RequestSource.AWS, identity, when, service, name),
        observed_key="\x1f".join((reading.workload.task or "", *ids))
        if observed and reading.workload is not None
        else None,
        ecs=reading.facts,
    )


def _chain(kind: ActorKind | None) -> ChainPart:
    if kind is ActorKind.NODE:
        return ChainPart.REPORT
    return ChainPart.STEP if kind is ActorKind.CLOUD_SERVICE else ChainPart.ORIGIN


def _cluster(value: Json, asked: Json, answered: Json, *, named: bool) -> Cluster:
    given = (text(asked, "cluster") or text(asked, "clusterArn")) if named else None
    arn = given if given is not None and given.startswith("arn:") else None
    for item in (answered, table(answered, "service"), table(answered, "task")):
        arn = arn or text(item, "clusterArn")
    for item in rows(answered, "tasks"):
        arn = arn or text(item, "clusterArn")
    return Cluster(
        name=tail(given or (arn if named else None)),
        id=arn,
        provider="aws",
        account=text(value, "recipientAccountId")
        or text(table(value, "userIdentity"), "accountId"),
        region=text(value, "awsRegion"),
    )
