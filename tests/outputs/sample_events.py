"""One event of every type and a few with awkward contents, for the tests of the outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sensor.model.agent_records import HostFacts
from sensor.model.alert import Alert, AlertClass, AlertSeverity, AlertState, Fact, Strength
from sensor.model.container import Image, Mount, Orchestrator, Security
from sensor.model.control_plane import (
    Actor,
    ActorKind,
    ChainConfidence,
    ChainPart,
    ChainStep,
    Cluster,
    Effect,
    Owner,
    RecordRef,
    Request,
    RequestContainer,
    RequestedBy,
    RequestOutcome,
    RequestSource,
    Workload,
)
from sensor.model.events import (
    Certainty,
    Container,
    Event,
    Evidence,
    Gap,
    Initiator,
    InitiatorProcess,
    InitiatorUser,
    PreviousRun,
    SensorNote,
    Start,
    Stop,
    Verdict,
)
from sensor.model.log_head import LogHead
from sensor.model.process import Ancestor
from sensor.model.vocabulary import (
    BaselineState,
    Confidence,
    ContainerId,
    Engine,
    EventType,
    EvidenceKind,
    Finding,
    StartKind,
    Trigger,
    Witness,
)

SECOND = 1_000_000_000
OFFSET = 1_700_000_000 * SECOND
HOST = HostFacts(
    name="node-7",
    boot_id="6f9c6d70-6c4b-4f6e-9d7c-1b7a4f0e2d11",
    machine_id="0123456789abcdef0123456789abcdef",
    kernel="6.1.0-31-amd64",
    node=None,
)
ID = ContainerId("4f2d" * 16)
OTHER = ContainerId("9a7b" * 16)

CONTAINER = Container(
    id=ID,
    name="web",
    runtime=Engine.DOCKER,
    oci_runtime="runc",
    image=Image(name="nginx:1.25", id="sha256:" + "ab" * 32, digest=None),
    labels=(("com.example.team", "shop"), ("tier", "")),
    created_wall=OFFSET + 11 * SECOND,
    pid=4242,
    cgroup=f"/docker/{ID}",
    command=("nginx", "-g", "daemon off;"),
    user="101",
    parents=(OTHER,),
    sandbox=False,
    security=Security(
        privileged=False,
        capabilities=("CAP_SYS_ADMIN",),
        host_namespaces=("network",),
        mounts=(Mount("/var/run/docker.sock", "/run/docker.sock", writable=True),),
        seccomp="filtered",
        apparmor=None,
        no_new_privileges=False,
        devices=("/dev/fuse",),
    ),
    namespace="moby",
    restart_policy="unless-stopped",
    oci_runtime_path="/usr/bin/runc",
    cwd="/srv",
)

INITIATOR = Initiator(
    process=InitiatorProcess(
        pid=4100,
        start_time=12 * SECOND + 7,
        exe="/usr/bin/docker",
        argv=("docker", "start", "web"),
        cwd="/home/alice",
        tty="pts/3",
    ),
    user=InitiatorUser(uid=0, name="root", auid=1000, auid_name="alice", session=3),
    container_id=None,
    socket="/run/docker.sock",
    ancestors=(
        Ancestor(pid=4000, start_time=5 * SECOND, comm="bash", exe="/usr/bin/bash"),
        Ancestor(pid=1, start_time=0, comm="systemd", exe=None),
    ),
)

START = Event(
    type=EventType.START,
    id="b1946ac92492d2347c6235b4d2611184",
    time=13 * SECOND + 123,
    observed=13 * SECOND + 400_123,
    realtime_offset=OFFSET,
    host=HOST,
    container=CONTAINER,
    start=Start(
        kind=StartKind.REACTIVATION,
        trigger=Trigger.USER_COMMAND,
        attempt=None,
        dormant_seconds=3605.25,
        previous=PreviousRun(
            id=ID,
            started_wall=OFFSET - 7200 * SECOND,
            stopped_wall=OFFSET - 3592 * SECOND,
            exit_code=None,
            signal=15,
        ),
    ),
    initiator=INITIATOR,
    orchestrator=None,
    verdict=Verdict(expected=False, reasons=("dormant for long",), change=None, attack=("T1610",)),
    confidence=Certainty(
        container=Confidence.EXACT, trigger=Confidence.INFERRED, initiator=Confidence.EXACT
    ),
    evidence=(
        Evidence(
            Witness.KERNEL,
            EvidenceKind.INIT_EXEC,
            "exec of the container's init",
            13 * SECOND + 123,
            "seq:17",
        ),
        Evidence(Witness.DOCKER, EvidenceKind.ENGINE_RECORD, "State.FinishedAt", 13 * SECOND),
    ),
)


ALERT = Alert(
    id="5c9f" * 8,
    finding=Finding.NEW_PRIVILEGE,
    title="Privilege that this workload never had",
    class_=AlertClass.SECURITY,
    severity=AlertSeverity.HIGH,
    state=AlertState.NEW,
    group="77aa" * 8,
    start=START.id,
    workload="name/web",
    count=2,
    first=OFFSET + 13 * SECOND,
    last=OFFSET + 14 * SECOND,
    facts=(Fact("privilege", "none", "privileged", "workload", Strength.STRONG),),
    attack=("T1611",),
)


def _event(type_: EventType, **parts: Any) -> Event:
    return Event(
        type=type_,
        id=f"id-of-{type_}",
        time=20 * SECOND,
        observed=20 * SECOND + 1,
        realtime_offset=OFFSET,
        host=HOST,
        **parts,
    )


BARE = Container(id=ContainerId("box"))
POD = Orchestrator(
    type="kubernetes", namespace="shop", pod="web-0", pod_uid="eb052b63-ea96-4728-ab4a-64ab3babccd7"
)

OWNER = Owner("ReplicaSet", "web-5d5474d869", "6acaa571-8ddf-467a-a535-4e0dd6b28438")
REQUEST = Request(
    source=RequestSource.KUBERNETES,
    id="4ca33fe7-9242-48b4-9a37-0fc2048a6618",
    action="patch deployments/scale",
    effect=Effect.SCALE_UP,
    chain=ChainPart.ORIGIN,
    outcome=RequestOutcome.SUCCESS,
    code=200,
    requested=OFFSET + 20 * SECOND,
    completed=OFFSET + 21 * SECOND,
    actor=Actor(
        "alice",
        ActorKind.USER,
        groups=("shop-admins", "system:authenticated"),
        impersonated="bob",
        pod="caller",
        pod_uid="cfe70eb5-eda3-412a-89ca-a4c5772e1149",
        node="node-2",
    ),
    address="203.0.113.9",
    addresses=("198.51.100.4", "203.0.113.9"),
    user_agent="kubectl/v1.35.2",
    cluster=Cluster("prod", "arn:aws:eks:eu-central-1:111122223333:cluster/prod", "aws"),
    workload=Workload(
        "Deployment", "shop", "web", "5598c6ba-f87b-462b-acb5-e44f5717dc77", replicas=4
    ),
    ref=RecordRef("audit.log", 32),
)
REPORT = Request(
    source=RequestSource.AWS,
    id="6a6b783e-b3fd-40de-ad39-cf87540fc920",
    action="ECS Task State Change RUNNING",
    effect=Effect.START,
    chain=ChainPart.REPORT,
    outcome=RequestOutcome.SUCCESS,
    requested=OFFSET + 20 * SECOND,
    cluster=Cluster("prod", provider="aws", account="111122223333", region="eu-central-1"),
    workload=Workload(
        "Task",
        task="arn:aws:ecs:eu-central-1:111122223333:task/prod/3e6558d0cb97f9bd3e8a25ae442f7ef7",
        definition="web:32",
        group="service:web",
    ),
    containers=(RequestContainer("web", "registry.example/web:2.4.1", id=ID),),
    ref=RecordRef("events.jsonl", 9),
)
REQUESTED_BY = RequestedBy(
    actor="alice",
    kind=ActorKind.USER,
    confidence=ChainConfidence.EXACT,
    impersonated="bob",
    request_id="4ca33fe7-9242-48b4-9a37-0fc2048a6618",
    effect=Effect.SCALE_UP,
    time=OFFSET + 20 * SECOND,
    chain=(
        ChainStep(
            "create pods",
            "system:serviceaccount:kube-system:replicaset-controller",
            "9b2e",
            OFFSET + 20 * SECOND,
            RecordRef("audit.log", 34),
            ActorKind.CONTROL_PLANE,
            "Pod/web-0",
        ),
        ChainStep("patch deployments/scale", "alice", "4ca3", OFFSET + 20 * SECOND),
    ),
)


def hostless(event: Event) -> Event:
    """Return the event as it is read away from any node."""
    return replace(event, host=None)


EVENTS: Final[dict[str, Event]] = {
    "start": START,
    "start_bare": _event(EventType.START, container=BARE, start=Start(kind=StartKind.FIRST)),
    "start_pod": _event(
        EventType.START,
        container=BARE,
        start=Start(kind=StartKind.RESTART, trigger=Trigger.ORCHESTRATOR, attempt=4),
        orchestrator=POD,
    ),
    "start_non_ascii": _event(
        EventType.START,
        container=Container(
            id=ContainerId("box"),
            name="käse-日本-\U0001f40b",
            labels=(("evil\x1b[2J", "\x9b31m\x7f\u202e"), ("bytes", "\udcff\udc80 \ud800")),
            command=("\udce9", "\x00\n\r\t"),
        ),
        start=Start(kind=StartKind.RESTORE),
    ),
    "start_failed": _event(
        EventType.START_FAILED,
        container=BARE,
        start=Start(kind=StartKind.FIRST, trigger=Trigger.USER_COMMAND),
        initiator=INITIATOR,
        stop=Stop(exit_code=1, reason="no such file"),
    ),
    "start_failed_bare": _event(
        EventType.START_FAILED, container=BARE, stop=Stop(exit_code=1, reason="no such file")
    ),
    "stop": _event(
        EventType.STOP,
        container=CONTAINER,
        stop=Stop(signal=9, oom_killed=True, duration_seconds=0.001),
    ),
    "pause": _event(EventType.PAUSE, container=BARE),
    "unpause": _event(EventType.UNPAUSE, container=BARE),
    "alert": _event(
        EventType.ALERT,
        container=CONTAINER,
        start=START.start,
        initiator=INITIATOR,
        verdict=Verdict(
            expected=False,
            reasons=("privilege: expected none, seen privileged",),
            attack=("T1611",),
            findings=(Finding.NEW_PRIVILEGE,),
            workload="name/web",
            level="workload",
            baseline=BaselineState.ACTIVE,
        ),
        alert=ALERT,
    ),
    "alert_acknowledged": _event(
        EventType.ALERT,
        verdict=Verdict(expected=None, reasons=("why",)),
        alert=replace(
            ALERT,
            class_=AlertClass.OPERATIONAL,
            severity=AlertSeverity.CRITICAL,
            state=AlertState.ACKNOWLEDGED,
            start=None,
            by="alice",
            reason="CHG-7",
            until=OFFSET + 40 * SECOND,
        ),
    ),
    "gap": _event(
        EventType.GAP,
        gap=Gap(source="kernel", reason="ring full", since=0, until=19 * SECOND, lost=3),
    ),
    "sensor": _event(EventType.SENSOR, sensor=SensorNote(action="started", containers=2)),
    "alive": _event(
        EventType.SENSOR,
        sensor=SensorNote(
            action="alive",
            containers=2,
            log=LogHead("0f1e2d3c4b5a6978", 41, "ab" * 32, 7, "the log begins here", 3),
        ),
    ),
    "start_requested": hostless(_event(EventType.START_REQUESTED, request=REQUEST)),
    "start_refused": hostless(
        _event(
            EventType.START_REQUESTED,
            request=replace(
                REQUEST, outcome=RequestOutcome.FAILURE, code=403, reason="Forbidden", actor=None
            ),
        )
    ),
    "start_reported": hostless(_event(EventType.START_REPORTED, request=REPORT)),
    "stop_requested": hostless(
        _event(EventType.STOP_REQUESTED, request=replace(REQUEST, effect=Effect.STOP))
    ),
    "start_explained": _event(
        EventType.START_EXPLAINED,
        container=BARE,
        start_id="b1946ac92492d2347c6235b4d2611184",
        orchestrator=replace(POD, requested_by=REQUESTED_BY, owner=OWNER, cluster="prod"),
    ),
}
