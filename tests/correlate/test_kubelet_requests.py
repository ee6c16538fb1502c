"""What a kubelet asks its engine for, read at the engine's socket; and who only bears its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.past import GONE_MAX
from sensor.model.api_calls import ApiAnswer, ApiRequest, Caller
from sensor.model.container import Orchestrator
from sensor.model.events import Event
from sensor.model.kernel_records import CommandExec, CommandExit
from sensor.model.observations import Observation
from sensor.model.process import CgroupPaths, ProcessKey
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    EndedBy,
    Engine,
    Role,
    StartCause,
    StartKind,
    Trigger,
    Witness,
)
from tests.correlate.engine_api.wire import Grpc, field, sandbox_request
from tests.correlate.observations import (
    SHIM,
    ancestor,
    below,
    caller,
    command,
    connects,
    facts,
    knowledge,
    ns,
    wall,
)
from tests.correlate.scenario import DB, WEB, Box, Core, described, supervised

CRI = "/runtime.v1.RuntimeService"
SOCKET = "/run/cri.sock"
CONMON = ancestor("conmon", 41, exe="conmon")
UID = "0a4d1c6e-0000-4000-8000-000000000001"
POD = Orchestrator("kubernetes", "shop", "web-0", UID, "app", 0)
KUBELET = caller(12, comm="kubelet", exe="/usr/bin/kubelet", login=None, uid=0, cgroup=None)
IN_A_POD = CgroupPaths(None, f"/kubepods/besteffort/pod{UID}/{DB.id}")
APP = WEB.in_pod(UID)
PAUSE = Box("pause", ContainerId("f" * 64), pid=500).in_pod(UID)
EXACT = (Trigger.ORCHESTRATOR, Confidence.EXACT, 12)


class Client:
    """One gRPC connection of a process to an engine, as the probes report it.

    ``joined`` is for one that was there before the probes, and had used its methods already.
    """

    def __init__(
        self, core: Core, who: Caller = KUBELET, number: int = 7, *, joined: tuple[str, ...] = ()
    ) -> None:
        self._core, self._who, self._number = core, who, number
        self._grpc = Grpc()
        self._sent: int | None = 0
        self._answered = 0
        if joined:
            for method in joined:
                self._grpc.request(f"{CRI}/{method}", b"")
            self._grpc.take()
            self._sent = None
            return
        core >> replace(connects(-10, who, SOCKET), connection=number)
        self._write(-9)

    def _write(self, at: float) -> None:
        data = self._grpc.take()
        request = ApiRequest(
            ns(at),
            f"ref:{at:g}",
            self._who,
            SOCKET,
            data[:512],
            connection=self._number,
            offset=self._sent,
            length=len(data),
        )
        if self._sent is not None:
            self._sent += len(data)
        self._core >> request

    def asks(self, at: float, method: str, message: bytes) -> int:
        stream = self._grpc.request(f"{CRI}/{method}", message)
        self._write(at)
        return stream

    def answered(self, at: float, stream: int, message: bytes = b"", code: int = 0) -> None:
        if code:
            self._grpc.refuse(stream, code)
        else:
            self._grpc.accept(stream, message)
        data = self._grpc.take_answer()
        answer = ApiAnswer(ns(at), f"ref:{at:g}", self._number, SOCKET, data[:256])
        answer = replace(answer, offset=self._answered, length=len(data))
        self._answered += len(data)
        self._core >> answer


def starts(
    core: Core, box: Box, at: float, pod: Orchestrator | None = POD, *, sandbox: bool = False
) -> Event:
    observed = described(at + 1, box, pod=pod, engine=Engine.CONTAINERD)
    description = replace(observed.description, sandbox=sandbox)
    reported: list[Observation] = [
        below(box.create(at), SHIM),
        replace(observed, description=description),
        box.execs(at + 5),
    ]
    core >> reported
    return core.starts[-1]


def cause(event: Event) -> tuple[Trigger, Confidence, int | None]:
    assert event.start is not None
    who = event.initiator.process if event.initiator is not None else None
    return event.start.trigger, event.confidence.initiator, who.pid if who is not None else None


def test_a_request_to_start_ties_the_container_to_its_kubelet(core: Core) -> None:
    Client(core).asks(0, "StartContainer", field(1, WEB.id))
    assert cause(starts(core, APP, 10)) == EXACT


@pytest.mark.parametrize(("engine", "tied"), [(Engine.CRIO, True), (Engine.CONTAINERD, False)])
def test_an_engine_that_creates_early_is_asked_to_start_later(
    core: Core, engine: Engine, *, tied: bool
) -> None:
    """CRI-O has the runtime create the container in CreateContainer, and start it in the other."""
    client = Client(core)
    core >> below(APP.create(0), CONMON) >> described(1, APP, pod=POD, engine=engine)
    client.asks(500, "StartContainer", field(1, WEB.id))
    core >> APP.execs(510)
    assert cause(core.start) == (EXACT if tied else (*EXACT[:1], Confidence.INFERRED, 12))


@pytest.mark.parametrize("uid", [UID, UID.replace("-", "")], ids=["api", "static"])
def test_a_request_for_a_sandbox_ties_its_start(core: Core, uid: str) -> None:
    Client(core).asks(0, "RunPodSandbox", sandbox_request("shop", "web-0", UID))
    pod = replace(POD, container=None, pod_uid=uid)
    event = starts(core, replace(PAUSE).in_pod(uid), 10, pod, sandbox=True)
    assert cause(event) == EXACT


def test_a_request_for_another_pods_sandbox_ties_nothing(core: Core) -> None:
    other = UID.replace("0a4d", "0a4e")
    Client(core).asks(0, "RunPodSandbox", sandbox_request("shop", "web-0", other))
    event = starts(core, PAUSE, 10, replace(POD, container=None), sandbox=True)
    assert cause(event) == (Trigger.ORCHESTRATOR, Confidence.INFERRED, 12)


def test_a_request_for_a_sandbox_is_not_a_request_for_its_containers(core: Core) -> None:
    reader = caller(77, comm="agent", exe="/opt/agent", uid=0)
    Client(core, reader, 8).asks(0, "RunPodSandbox", sandbox_request("shop", "web-0", UID))
    event = starts(core, APP, 10)
    assert cause(event) == (Trigger.ORCHESTRATOR, Confidence.NONE, None)


@pytest.mark.parametrize("method", ["ContainerStatus", "ListContainers", "ContainerStats", "Exec"])
def test_who_only_asks_meanwhile_is_not_a_cause(core: Core, method: str) -> None:
    Client(core).asks(0, "StartContainer", field(1, WEB.id))
    reader = caller(77, comm="crictl", exe="/usr/bin/crictl", uid=0)
    Client(core, reader, 8).asks(1, method, field(1, WEB.id))
    assert cause(starts(core, APP, 10)) == EXACT


def test_a_reader_whose_method_is_not_known_goes_before_no_kubelet(core: Core) -> None:
    core >> connects(0, KUBELET, SOCKET)
    reader = caller(77, comm="agent", exe="/opt/agent", uid=0)
    reads = Client(core, reader, 8, joined=("ContainerStatus",))
    reads.asks(1, "ContainerStatus", field(1, WEB.id))
    event = starts(core, APP, 10)
    assert cause(event) == (Trigger.ORCHESTRATOR, Confidence.INFERRED, 12)
    assert event.confidence.trigger is Confidence.EXACT


def test_a_kubelet_whose_method_is_not_known_is_inferred(core: Core) -> None:
    core >> connects(0, KUBELET, SOCKET)
    client = Client(core, joined=("StartContainer",))
    client.asks(1, "StartContainer", field(1, WEB.id))
    event = starts(core, APP, 10)
    assert cause(event) == (Trigger.ORCHESTRATOR, Confidence.INFERRED, 12)
    assert event.confidence.trigger is Confidence.EXACT


def test_a_method_that_is_spelled_out_makes_a_joined_connection_exact(core: Core) -> None:
    Client(core, joined=("Version",)).asks(1, "StartContainer", field(1, WEB.id))
    assert cause(starts(core, APP, 10)) == EXACT


NOT_ONE = {
    "a-users": replace(KUBELET, uid=1000, euid=1000),
    "in-a-container": replace(KUBELET, cgroup=IN_A_POD),
    "only-its-comm": replace(KUBELET, exe="/usr/bin/python3"),
    "in-another-user-namespace": replace(KUBELET, uid=100_000, euid=100_000, user_ns=4711),
}


@pytest.mark.parametrize("who", NOT_ONE.values(), ids=NOT_ONE)
def test_who_is_only_called_kubelet_is_not_an_orchestrator(core: Core, who: Caller) -> None:
    Client(core, who).asks(0, "StartContainer", field(1, WEB.id))
    trigger, certainty, pid = cause(starts(core, APP, 10))
    assert trigger in (Trigger.API_CLIENT, Trigger.CONTAINER)
    assert (certainty, pid) == (Confidence.EXACT, 12)


@pytest.mark.parametrize("who", NOT_ONE.values(), ids=NOT_ONE)
def test_who_is_only_called_kubelet_is_not_named_for_being_connected(
    core: Core, who: Caller
) -> None:
    core >> connects(0, who, SOCKET)
    assert cause(starts(core, APP, 10)) == (Trigger.ORCHESTRATOR, Confidence.NONE, None)


OTHER_SOCKET = "/run/other/containerd.sock"
OTHER = replace(KUBELET, pid=13)
NODES = {
    "by-the-shim": ("/var/run/cri.sock", 12),
    "the-others": (OTHER_SOCKET, 13),
    "not-known": (None, None),
}


@pytest.mark.parametrize(("address", "pid"), NODES.values(), ids=NODES)
def test_of_two_kubelets_the_one_at_the_containers_engine_is_named(
    core: Core, address: str | None, pid: int | None
) -> None:
    core >> connects(0, KUBELET, SOCKET) >> connects(0, KUBELET, SOCKET)
    core >> connects(1, OTHER, OTHER_SOCKET)
    if address is not None:
        argv = ("-namespace", "k8s.io", "-id", WEB.id, "-address", address)
        core >> supervised(2, WEB, "containerd-shim-runc-v2", *argv, above=ancestor("containerd"))
    certainty = Confidence.NONE if pid is None else Confidence.INFERRED
    assert cause(starts(core, APP, 10)) == (Trigger.ORCHESTRATOR, certainty, pid)


def test_a_kubelet_at_cri_dockerd_is_named_for_dockers_containers(core: Core) -> None:
    core >> connects(0, KUBELET, "/run/cri-dockerd.sock")
    argv = ("-namespace", "moby", "-id", WEB.id, "-address", "/run/containerd/containerd.sock")
    core >> supervised(2, WEB, "containerd-shim-runc-v2", *argv, above=ancestor("containerd"))
    observed = described(3, APP, pod=POD, engine=Engine.DOCKER)
    core >> below(APP.create(2), SHIM) >> observed >> APP.execs(5)
    assert cause(core.start) == (Trigger.ORCHESTRATOR, Confidence.INFERRED, 12)


def test_a_kubelet_that_starts_what_is_in_no_pod_is_any_client(core: Core) -> None:
    Client(core).asks(0, "StartContainer", field(1, WEB.id))
    assert cause(starts(core, WEB, 10, None)) == (Trigger.API_CLIENT, Confidence.EXACT, 12)


def test_a_kubelet_of_a_node_in_a_container_is_one(core: Core) -> None:
    node = f"/system.slice/docker-{DB.id}.scope"
    path = f"{node}/kubelet/kubepods/besteffort/pod{UID}/{WEB.id}"
    inner = replace(WEB, path=path, place=CgroupPaths(None, f"{node}/containerd.service"))
    who = replace(KUBELET, cgroup=CgroupPaths(None, f"{node}/kubelet.service"))
    Client(core, who).asks(0, "StartContainer", field(1, WEB.id))
    assert cause(starts(core, inner, 10)) == EXACT


def test_a_kubelet_that_ended_is_named_no_more(core: Core) -> None:
    core >> connects(0, KUBELET, SOCKET)
    assert cause(starts(core, APP, 10))[2] == 12
    core >> CommandExit(ns(100), 1, ProcessKey(12, KUBELET.start_time or 0), 0)
    assert cause(starts(core, DB.in_pod(UID), 200))[2] is None


def test_many_callers_of_a_plain_user_that_ended_hide_no_kubelets_end(core: Core) -> None:
    core >> connects(0, KUBELET, SOCKET)
    assert cause(starts(core, APP, 10))[2] == 12
    core >> CommandExit(ns(100), 1, ProcessKey(12, KUBELET.start_time or 0), 0)
    for number in range(2 * GONE_MAX):
        who = caller(1000 + number, uid=1001)
        core >> connects(101, who, "/home/mallory/docker.sock")
        core >> CommandExit(ns(102), 1, ProcessKey(who.pid, who.start_time or 0), 0)
    assert cause(starts(core, DB.in_pod(UID), 200))[2] is None


def stopped(core: Core, who: Caller, code: int) -> Event:
    """A run that ends after a user asked for its end, and the next attempt."""
    starts(core, APP, 10)
    client = Client(core, who, 9)
    stream = client.asks(500, "StopContainer", field(1, WEB.id) + field(2, 30))
    if code:
        client.answered(501, stream, code=code)
    core >> APP.exits(600, signal=9)
    return starts(core, DB.in_pod(UID), 1000, replace(POD, attempt=1))


ENDED = {
    "kubelet": (KUBELET, 0, EndedBy.ORCHESTRATOR, StartCause.KILLED_BY_ORCHESTRATOR),
    "refused": (KUBELET, 5, None, StartCause.UNKNOWN),
    "another": (caller(77, uid=0), 0, EndedBy.REQUEST, StartCause.UNKNOWN),
    "so-called": (NOT_ONE["in-a-container"], 0, EndedBy.REQUEST, StartCause.UNKNOWN),
}


@pytest.mark.parametrize(("who", "code", "by", "why"), ENDED.values(), ids=ENDED)
def test_a_kill_is_the_orchestrators_where_its_kubelet_asked_for_it(
    core: Core, who: Caller, code: int, by: EndedBy | None, why: StartCause
) -> None:
    start = stopped(core, who, code).start
    assert start is not None
    assert start.previous is not None
    assert (start.previous.ended_by, start.cause) == (by, why)


def executed(who: Caller, at: float, *argv: str) -> CommandExec:
    process = facts(who.pid, at, comm="kubelet", exe="kubelet", uid=who.uid or 0)
    return command(
        at, ("kubelet", *argv), role=Role.ORCHESTRATOR, program="kubelet", process=process
    )


def test_a_kubelet_that_begins_after_the_agent_names_the_node(core: Core) -> None:
    core >> executed(NOT_ONE["a-users"], 0, "--hostname-override=evil")
    starts(core, APP, 10)
    core >> executed(KUBELET, 100, "--config=/x", "--hostname-override", "node-a")
    core >> executed(KUBELET, 200, "--hostname-override=node-b")
    starts(core, DB.in_pod(UID), 300)
    assert [event.host and event.host.node for event in core.starts] == [None, "node-a"]


def test_a_kubelet_that_was_there_already_names_the_node(core: Core) -> None:
    who = replace(KUBELET, argv=("kubelet", "--node-name=node-c"))
    core >> connects(0, who, SOCKET, Witness.PROCFS)
    starts(core, APP, 10)
    assert core.start.host is not None
    assert core.start.host.node == "node-c"


@pytest.mark.parametrize("ended", [False, True], ids=["running", "ended by a signal"])
def test_after_a_reboot_of_the_node_a_pods_container_is_started_for_that(
    core: Core, *, ended: bool
) -> None:
    """What the agent of the earlier boot kept is all that is known."""
    starts(core, APP, 10)
    if ended:
        core >> APP.exits(20, signal=15)
    kept, _ = core.core.changes()
    later = Core()
    later >> knowledge(-1000, *(replace(one, boot_id="earlier") for one in kept), boot_id="earlier")
    start = starts(later, DB.in_pod(UID), 10, replace(POD, attempt=1)).start
    assert start is not None
    assert (start.kind, start.cause) == (StartKind.RESTART, StartCause.ENGINE_BOOT)
    assert start.previous is not None
    assert start.previous.id == WEB.id
    assert start.previous.started_wall == wall(15)


def test_what_crashed_before_a_reboot_is_started_for_its_crash(core: Core) -> None:
    starts(core, APP, 10)
    core >> APP.exits(20, 3)
    kept, _ = core.core.changes()
    later = Core()
    later >> knowledge(-1000, *(replace(one, boot_id="earlier") for one in kept), boot_id="earlier")
    start = starts(later, DB.in_pod(UID), 10, replace(POD, attempt=1)).start
    assert start is not None
    assert start.cause is StartCause.CRASH
