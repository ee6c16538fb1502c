"""Find who or what caused a start, how certain that is, and why.

The causes are asked for in the order of :data:`REASONS`, and the first that answers is taken. What
the kernel saw of a request outweighs what fits by words.

1. ``by_request``: a request that names the container was read at the engine's socket, and the
   engine had neither answered nor refused it when the container was created → exact;
2. ``by_descent``: the runtime, or the monitor that supervises the container, was executed below a
   client (podman, buildah), or below no engine at all → exact, since the runtime's own command line
   names the container. Below podman's own helper it is the restart policy;
3. ``by_command``: the command line of a client that was connected to an engine names the container,
   or its compose project → exact. Where connections cannot be seen → inferred;
4. ``by_policy``: the engine's record on disk marks it as restarting → restart_policy;
5. ``by_orchestrator``: the engine's record names the pod, the task or the allocation that the
   container belongs to → orchestrator, exact as a trigger;
6. ``by_engine_boot``: the engine began shortly before → engine_boot, inferred;
7. ``by_launcher``: a program that is no engine made the container's cgroup or its init;
8. ``by_elimination``: the only process left that may have asked: a connected client whose command
   fits the container, a process that connected to an engine → inferred; several → ambiguous, all of
   them listed.

Without an answer the cause is unknown. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensor.correlate import orchestrators
from sensor.correlate.authority import Answer, Standing, standing
from sensor.correlate.candidates import is_orchestrator
from sensor.correlate.client_command import ClientCommand, Helper, Request
from sensor.correlate.engine_api.calls import Action
from sensor.correlate.image_name import is_same_image
from sensor.correlate.kind import ENGINE_BOOT_WINDOW, may_start_at_boot
from sensor.correlate.naming import (
    COMPOSE_PROJECT,
    ONE_CONTAINER,
    STARTING,
    Names,
    is_peoples,
    reaches,
    socket_serves,
)
from sensor.correlate.past import AUDIT_EARLY, SAME_PROCESS
from sensor.correlate.prepared import PreparedAnswers
from sensor.model.events import Evidence, Initiator
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    Engine,
    Role,
    RoleOf,
    StartKind,
    Trigger,
    Witness,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sensor.correlate.authority import Origin
    from sensor.correlate.candidates import Candidate, CandidateFactory
    from sensor.correlate.containers import Creation
    from sensor.correlate.past import Asked, Client, RecentPast
    from sensor.correlate.runtimes import RuntimeLog
    from sensor.model.container import Description
    from sensor.model.observations import Caller
    from sensor.model.process import Ancestor, ProcessFacts

CONNECT_WINDOW = 10_000_000_000
"""Nanoseconds before a creation in which a connection to the engine may have carried its cause."""

ASYNC_WINDOW = 60_000_000_000
"""Nanoseconds before a creation in which an orchestrator may have been asked for it."""

CANDIDATES_MAX = 16
"""Candidates listed in an event."""

CREATED_EARLY = 1_000_000_000
"""Nanoseconds by which the engine's own time of a creation may be late or the wall clock off."""


@dataclass(frozen=True, slots=True)
class Question:
    """The start whose cause is sought. Times are ns since boot."""

    id: ContainerId
    kind: StartKind
    description: Description | None = field(compare=False)
    """Not compared: what of it can change a prepared answer is in ``names`` and ``in_pod``."""
    engine: Engine | None
    creation: Creation | None
    time: int
    """Of the creating command, else of the start itself: whatever caused it came before."""
    since: int
    """Before which nothing can have caused this start: the end of the container's last run."""
    restart_since: int
    """The same for a restart command, which comes before the end that it causes."""
    engine_boot: int | None
    names: Names
    owner: Origin | None = None
    created: int = field(default=0, compare=False)
    """When the engine made the container; 0 when unknown. What named it before meant another.
    Not compared: it is a wall time, and the clock's offset is measured again and again."""
    in_pod: bool = False
    """A kubelet's engine made it."""
    init: ProcessFacts | None = field(default=None, compare=False)
    """The init at its execve; None while it is not there."""
    causes_lost: bool = field(default=False, compare=False)
    """Some of what may have caused it was held back: one candidate alone proves nothing."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """The answer. With several candidates the initiator is None."""

    trigger: Trigger = Trigger.UNKNOWN
    trigger_confidence: Confidence = Confidence.NONE
    initiator: Initiator | None = None
    confidence: Confidence = Confidence.NONE
    candidates: tuple[Initiator, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    command: ClientCommand | None = None
    """The initiator's command line, when it is a client: it may name what nothing on disk does."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a reason may ask."""

    past: RecentPast
    runtimes: RuntimeLog
    candidates: CandidateFactory
    role_of: RoleOf

    def hands_on(self, caller: Caller, origin: Origin, socket: str, question: Question) -> bool:
        """Whether the caller is a part of an engine that passes on what was asked of it.

        As dockerd does to containerd. A name alone makes no process one: it has to be the owner's,
        at a socket where parts of engines ask, and not seen to be executed as something else.
        """
        if not question.in_pod and is_peoples(socket):
            return False
        if not self.candidates.is_engine_caller(caller):
            return False
        if caller.start_time is None:
            return True
        if standing(origin, question.owner) is Standing.STRANGER:
            return False
        return self.runtimes.may_be_engine_at(caller.pid, caller.start_time)


Answering = Callable[[Question, Knowledge], "Attribution | None"]
"""A reason: None when it has no answer."""


class Attributor:
    """Looks for causes in what was recorded of clients and callers."""

    def __init__(
        self,
        past: RecentPast,
        runtimes: RuntimeLog,
        candidates: CandidateFactory,
        role_of: RoleOf,
    ) -> None:
        self._knowledge = Knowledge(past, runtimes, candidates, role_of)
        self._prepared: PreparedAnswers[Question, Attribution] = PreparedAnswers(past, runtimes)

    def prepare(self, question: Question) -> None:
        """Find the cause of a start that is to come, if it is certain already."""
        if not self._prepared.has(question.id, question):
            answer = self._search(question, CERTAIN)
            if answer is not None:
                self._prepared.keep(question.id, question, question.time, answer)

    def asked(self, question: Question, action: Action, since: int) -> bool:
        """Whether a request of that kind, which was not refused, named the container since then."""
        known = self._knowledge
        return any(
            asked.call.action is action
            and not known.hands_on(asked.caller, asked.origin, asked.socket, question)
            and asked.answer(question.time) is not Answer.REFUSED
            and socket_serves(asked.socket, question.engine)
            for asked in known.past.requests(question.names, since, question.time)
        )

    def attribute(self, question: Question) -> Attribution:
        """Find the cause of one start."""
        prepared = self._prepared.take(question.id, question)
        return prepared or self._search(question, REASONS) or Attribution()

    def _search(self, question: Question, reasons: tuple[Answering, ...]) -> Attribution | None:
        for reason in reasons:
            answer = reason(question, self._knowledge)
            if answer is not None:
                return answer
        return None


# --------------------------------------------------------------------------- 1: requests


def by_request(question: Question, known: Knowledge) -> Attribution | None:
    """Requests that name the container and that the engine worked on at its creation."""
    found: list[Candidate] = []
    certainty = Confidence.EXACT
    for asked in known.past.requests(question.names, question.restart_since, question.time):
        if not _counts(asked, question, known):
            continue
        candidates = known.candidates.of_request(asked)
        found += candidates
        if asked.call.action is Action.UNKNOWN or any(one.relay for one in candidates):
            certainty = Confidence.INFERRED
    return _decided(question, known, found, certainty) if found else None


def _counts(asked: Asked, question: Question, known: Knowledge) -> bool:
    """Whether a request that names the container can have caused its start."""
    action = asked.call.action
    if not action.may_start or action is Action.INDIRECT:
        return False
    if asked.time < question.since and action is not Action.RESTART:
        return False
    if asked.time < question.created - CREATED_EARLY and action is not Action.RUN:
        return False
    if asked.answer(question.time) in (Answer.REFUSED, Answer.DONE):
        return False
    if not socket_serves(asked.socket, question.engine) or _elsewhere(asked.foreign, question):
        return False
    return not known.hands_on(asked.caller, asked.origin, asked.socket, question)


def _elsewhere(foreign: bool, question: Question) -> bool:  # noqa: FBT001 - a fact of both sides
    """Whether the engine behind a socket is a user's own, and the container is root's."""
    return foreign and question.owner is not None and question.owner.privileged


# --------------------------------------------------------------------------- 2: descent


def by_descent(question: Question, known: Knowledge) -> Attribution | None:
    """A client above the runtime, or a runtime that no engine is above."""
    creation = question.creation
    if creation is None:
        return None
    chain = [creation.process.ancestors]
    supervisor = known.runtimes.supervisor_of(question.id)
    if supervisor is not None and supervisor.role is Role.MONITOR:
        chain.append(supervisor.process.ancestors)
    managed = supervisor is not None
    for ancestors in chain:
        for ancestor in ancestors:
            role = _role(ancestor, known)
            if role is Role.CLIENT:
                client = known.past.client_at(ancestor)
                if client is not None and client.helper is Helper.CLEANUP:
                    return _by_cleanup(client, ancestors, question, known)
                if client is not None and client.helper is None:
                    candidate = known.candidates.of_client(client)
                    return _decided(question, known, [candidate], Confidence.EXACT)
            managed = managed or role in (Role.SHIM, Role.MONITOR, Role.ENGINE, Role.CLIENT)
    if managed:
        return None
    candidate = known.candidates.of_runtime(creation)
    return _decided(question, known, [candidate], Confidence.EXACT)


def _role(ancestor: Ancestor, known: Knowledge) -> Role | None:
    """Return the role of a process above a runtime.

    It is what the process is called, unless it was seen to be executed as something else.
    """
    name = (ancestor.exe or "").rpartition("/")[2]
    role = known.role_of(name) or known.role_of(ancestor.comm)
    if role in (Role.SHIM, Role.MONITOR) and known.runtimes.supervises_nothing(ancestor):
        return None
    return role


def _by_cleanup(
    client: Client, ancestors: tuple[Ancestor, ...], question: Question, known: Knowledge
) -> Attribution | None:
    """Conmon runs ``podman container cleanup``, which restarts the container by its policy."""
    if standing(client.origin, question.owner) is Standing.STRANGER:
        return None
    above = [*ancestors, *client.exec.process.ancestors]
    if all(_role(one, known) is not Role.MONITOR for one in above):
        # Typed by a person, it does the same at that person's request.
        return _decided(question, known, [known.candidates.of_client(client)], Confidence.EXACT)
    what = "podman container cleanup below the container's monitor"
    return Attribution(
        Trigger.RESTART_POLICY,
        Confidence.EXACT,
        evidence=(Evidence(Witness.KERNEL, what, client.exec.time),),
    )


# --------------------------------------------------------------------------- 3: command lines


def by_command(question: Question, known: Knowledge) -> Attribution | None:
    """Clients whose command line names the container, and that reached an engine."""
    found: list[Candidate] = []
    certain = True
    for client in known.past.clients(question.restart_since, question.time):
        if not _names_it(client, question):
            continue
        reached = _reached(client, question, known)
        if reached is Standing.STRANGER:
            continue
        certain = certain and reached is Standing.OWNER
        found.append(known.candidates.of_client(client))
    certainty = Confidence.EXACT if certain else Confidence.INFERRED
    return _decided(question, known, found, certainty) if found else None


def _names_it(client: Client, question: Question) -> bool:
    command = client.command
    if command is None or command.request not in STARTING:
        return False
    began = client.exec.time
    if began < question.since and command.request is not Request.RESTART:
        return False
    if command.request in ONE_CONTAINER:
        # One that has made its container, or began after this one was made, made another.
        taken = client.certain and client.made not in (None, question.id)
        later = bool(question.created) and began > question.created + CREATED_EARLY
        if taken or later:
            return False
    elif began < question.created - CREATED_EARLY and not command.compose:
        return False
    return question.names.named_by(client)


def _reached(client: Client, question: Question, known: Knowledge) -> Standing:
    """Return whether a client can have asked the engine of the container."""
    connect = known.past.connect_of(client)
    if connect is not None and _elsewhere(connect.foreign, question):
        return Standing.STRANGER
    if not known.past.may_have_asked(client, question.time):
        return Standing.STRANGER
    return known.past.standing(client, question.engine, question.owner)


# --------------------------------------------------------------------------- 4 to 7: no client


def by_policy(question: Question, known: Knowledge) -> Attribution | None:
    """The engine's record marks the container as restarting."""
    del known
    record = question.description.record if question.description is not None else None
    if record is None or not record.restarting:
        return None
    witness = Evidence(
        Witness(question.engine or Engine.DOCKER)
        if question.engine in (Engine.DOCKER, Engine.PODMAN)
        else Witness.PROCFS,
        "engine state on disk: restarting by policy",
        question.time,
    )
    return Attribution(Trigger.RESTART_POLICY, Confidence.EXACT, evidence=(witness,))


def by_orchestrator(question: Question, known: Knowledge) -> Attribution | None:
    """The engine's record names what the container is a part of."""
    if question.description is None:
        return None
    place = orchestrators.place_of(question.description)
    if place is None:
        return None
    evidence = Evidence(place.witness, place.what, question.time)
    candidates = list(_askers(place, question, known))
    distinct = _distinct(candidates)
    one = distinct[0] if len(distinct) == 1 else None
    return Attribution(
        Trigger.ORCHESTRATOR,
        Confidence.EXACT,
        initiator=one.initiator if one is not None else None,
        confidence=Confidence.INFERRED if one is not None else Confidence.NONE,
        evidence=(evidence, *(one.evidence if one is not None else ())),
    )


def _askers(
    place: orchestrators.Place, question: Question, known: Knowledge
) -> Iterator[Candidate]:
    """Who may have asked the orchestrator: a kubelet, or a client that spoke of the service."""
    if place.kubernetes:
        for connect in known.past.open_connects(question.time):
            if is_orchestrator(connect.caller):
                yield from known.candidates.of_connect(connect)
                return
        return
    for client in known.past.asked_of_services(question.time - ASYNC_WINDOW, question.time):
        command = client.command
        if command is None:
            continue
        if known.past.standing(client, question.engine, question.owner) is Standing.STRANGER:
            continue
        if place.service is not None and place.service in (command.name, *command.targets):
            yield known.candidates.of_client(client)


def by_engine_boot(question: Question, known: Knowledge) -> Attribution | None:
    """The engine began, and starts again what ran before."""
    del known
    boot = question.engine_boot
    if boot is None or question.kind is StartKind.FIRST:
        return None
    if not may_start_at_boot(question.description):
        return None
    if not boot <= question.time <= boot + ENGINE_BOOT_WINDOW:
        return None
    return Attribution(Trigger.ENGINE_BOOT, Confidence.INFERRED)


def by_launcher(question: Question, known: Knowledge) -> Attribution | None:
    """A program of no known role that made the container: its cgroup's maker, or its init's parent.

    LXC's monitor is a child of ``lxc-start``, whose command line it has no more.
    """
    init = question.init
    if init is None or question.creation is not None or not init.ancestors:
        return None
    parent = init.ancestors[0]
    for launch in known.runtimes.launches():
        if _launched(launch.process, parent, init):
            evidence = Evidence(Witness.KERNEL, f"{launch.program} command", launch.time)
            candidate = known.candidates.of_launcher(launch.process, launch.argv, (evidence,))
            same = launch.process.key.pid == parent.pid
            certainty = Confidence.EXACT if same else Confidence.INFERRED
            return _decided(question, known, [candidate], certainty)
    birth = known.runtimes.maker_of(init.cgroup.v1, init.cgroup.v2)
    if birth is None or birth.maker.key.pid not in {one.pid for one in init.ancestors}:
        return None
    name = (birth.maker.exe or birth.maker.comm).rpartition("/")[2]
    if known.role_of(name) is not None or birth.maker.key.pid == 1:
        return None
    evidence = Evidence(Witness.KERNEL, "made the container's cgroup", birth.time)
    candidate = known.candidates.of_launcher(birth.maker, birth.argv, (evidence,))
    return _decided(question, known, [candidate], Confidence.INFERRED)


def _launched(process: ProcessFacts, parent: Ancestor, init: ProcessFacts) -> bool:
    """Whether an lxc-start, or the like, is what an init's parent was forked from."""
    if process.key.pid == parent.pid and process.key.start_time == parent.start_time:
        return True
    name = (process.exe or process.comm).rpartition("/")[2]
    same_file = name == (parent.exe or "").rpartition("/")[2]
    same_login = (process.loginuid, process.session) == (init.loginuid, init.session)
    apart = init.key.start_time - process.key.start_time
    return name in _LAUNCHERS and same_file and same_login and 0 <= apart <= CONNECT_WINDOW


_LAUNCHERS = frozenset({"lxc-start", "lxc-execute", "systemd-nspawn", "lxd", "incusd"})


# --------------------------------------------------------------------------- 8: elimination


def by_elimination(question: Question, known: Knowledge) -> Attribution | None:
    """Who remains: clients that fit, callers that connected."""
    clients = list(_fitting_clients(question, known))
    others = [] if clients else list(_other_clients(question, known))
    found = _distinct([*clients, *others, *_fitting_callers(question, known)])
    if question.causes_lost:
        return _incomplete(question, found)
    if not found:
        return None
    return _decided(question, known, found, Confidence.INFERRED)


def _fitting_clients(question: Question, known: Knowledge) -> Iterator[Candidate]:
    """Clients that may have caused it, although nothing but their waiting ties them to it."""
    for client in known.past.clients(0, question.time):
        command = client.command
        if command is None or not reaches(client, question.engine):
            continue
        if client.exec.time < question.since:
            fits = _is_queued(client, question)
        elif command.request is Request.RUN and not command.compose:
            fits = _makes(client, question)
        else:
            fits = command.compose and _may_be_project(client, question)
        if fits and _reached(client, question, known) is not Standing.STRANGER:
            yield known.candidates.of_client(client)


def _is_queued(client: Client, question: Question) -> bool:
    """Whether a start was asked for before the last run ended, and waits still.

    An engine does one thing to a container after the other: two who ask at once for the start
    of a container that ends at once get a run each.
    """
    command = client.command
    asked = command is not None and command.request is Request.START
    return asked and not client.certain and question.names.named_by(client)


def _makes(client: Client, question: Question) -> bool:
    """Whether a command that makes one container, from such an image, may have made this."""
    command = client.command
    if command is None or client.made not in (None, question.id):
        return False
    nameless = command.name is None or question.names.name is None
    first = question.kind is StartKind.FIRST
    image = question.description.image if question.description is not None else None
    return first and nameless and is_same_image(command.image, image)


def _may_be_project(client: Client, question: Question) -> bool:
    """Whether a compose command may be about the container: nothing names its project."""
    command = client.command
    in_project = any(label == COMPOSE_PROJECT for label, _ in question.names.labels)
    nowhere = client.exec.cwd is None
    return in_project and command is not None and command.project is None and nowhere


def _other_clients(question: Question, known: Knowledge) -> Iterator[Candidate]:
    """Connected clients whose verb may start containers that it does not name: a build."""
    for client in known.past.clients(question.since, question.time):
        command = client.command
        if command is None or command.request is not Request.OTHER:
            continue
        if not reaches(client, question.engine):
            continue
        if known.past.is_connected(client, question.time):
            # What it asked for need not be among the requests that are reported.
            yield known.candidates.of_client(client)


def _fitting_callers(question: Question, known: Knowledge) -> Iterator[Candidate]:
    """Processes that connected to an engine and are no client with a command of its own."""
    # What restarts a container asks before it stops: its request is older than the end.
    restart = question.kind is StartKind.RESTART
    earliest = question.restart_since if restart else question.since
    since = max(earliest, question.time - CONNECT_WINDOW)
    for connect in known.past.connects(since, question.time):
        caller = connect.caller
        if not socket_serves(connect.socket, question.engine):
            continue
        if _elsewhere(connect.foreign, question):
            continue
        client = known.past.client_of(caller.pid, caller.start_time, connect.time)
        if client is not None and client.helper is not Helper.RELAY:
            continue
        if caller.ancestors and known.past.client_at(caller.ancestors[0]) is not None:
            # A plugin of a client, which is a candidate by its own command.
            continue
        origin = known.past.origin_of(caller)
        if known.hands_on(caller, origin, connect.socket, question):
            continue
        yield from known.candidates.of_connect(connect)


# --------------------------------------------------------------------------- the order


CERTAIN: tuple[Answering, ...] = (by_request, by_descent, by_command)
"""Reasons that tie a process to this container and no other: these are worked out beforehand."""

REASONS: tuple[Answering, ...] = (
    *CERTAIN,
    by_policy,
    by_orchestrator,
    by_engine_boot,
    by_launcher,
    by_elimination,
)


def _decided(
    question: Question, known: Knowledge, candidates: list[Candidate], certainty: Confidence
) -> Attribution:
    """Make an answer of those who remain: one is it, several are candidates."""
    del known
    distinct = _distinct(candidates)
    if len(distinct) == 1:
        one = distinct[0]
        if one.client is not None and not (
            one.client.certain and certainty is not Confidence.EXACT
        ):
            one.client.made = question.id
            one.client.certain = certainty is Confidence.EXACT
        if one.relay and certainty is Confidence.EXACT:
            certainty = Confidence.INFERRED
        return Attribution(
            one.trigger,
            certainty,
            initiator=one.initiator,
            confidence=certainty,
            evidence=one.evidence,
            command=one.client.command if one.client is not None else None,
        )
    triggers = {one.trigger for one in distinct}
    agreed = len(triggers) == 1
    return Attribution(
        triggers.pop() if agreed else Trigger.UNKNOWN,
        Confidence.INFERRED if agreed else Confidence.AMBIGUOUS,
        confidence=Confidence.AMBIGUOUS,
        candidates=tuple(one.initiator for one in distinct[:CANDIDATES_MAX]),
        evidence=tuple(e for one in distinct[:CANDIDATES_MAX] for e in one.evidence[:1]),
    )


def _incomplete(question: Question, candidates: list[Candidate]) -> Attribution:
    """Name candidates; the rate limit may have hidden others."""
    lost = Evidence(Witness.KERNEL, "commands were held back: there may be others", question.time)
    return Attribution(
        confidence=Confidence.AMBIGUOUS if candidates else Confidence.NONE,
        candidates=tuple(one.initiator for one in candidates[:CANDIDATES_MAX]),
        evidence=(*(e for one in candidates[:CANDIDATES_MAX] for e in one.evidence[:1]), lost),
    )


def _distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Keep one candidate a process, joining what the others saw of the same."""
    found: dict[tuple[int, int | None], Candidate] = {}
    for one in sorted(candidates, key=lambda one: one.key[1] is None):
        key = _key_among(one, found)
        known = found.get(key)
        found[key] = one if known is None else known.joined(one)
    return list(found.values())


def _key_among(
    one: Candidate, found: dict[tuple[int, int | None], Candidate]
) -> tuple[int, int | None]:
    """Find the process that a witness without start times means: of that pid, then alive."""
    pid, start = one.key
    if start is not None or not one.evidence:
        return one.key
    time = one.evidence[0].time
    for (other, began), known in found.items():
        if other != pid or began is None or not known.evidence:
            continue
        apart = abs(time - known.evidence[0].time)
        if began <= time + AUDIT_EARLY and apart <= SAME_PROCESS:
            return other, began
    return one.key
