"""Say who or what caused a start, with how much certainty, and why.

The causes are asked for in this order, and the first that answers is taken:

1. a request that names the container by an identifier of its own: the bytes of an API request, a
   client's command line (id, prefix of the id, name), a compose project's label → exact;
2. descent: the runtime, or the monitor that supervises the container, was executed below a client
   (podman, buildah), or below no engine at all → exact, since the runtime's own command line names
   the container;
3. the engine's word on disk that it restarts the container by its policy → restart_policy;
4. the pod that the container belongs to → orchestrator, exact as a trigger;
5. the engine having begun between the container's end and its start → engine_boot, inferred;
6. the only process left that may have asked: a client whose command fits the container's image, a
   process that connected to an engine → inferred; several → ambiguous, all of them listed;
7. nobody → unknown. Nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.correlate.callers import AUDIT_EARLY, SAME_PROCESS
from sensor.correlate.client_command import ClientCommand, Request
from sensor.correlate.kind import ENGINE_BOOT_WINDOW, may_start_at_boot
from sensor.correlate.naming import (
    COMPOSE_PROJECT,
    ONE_CONTAINER,
    STARTING,
    Client,
    Names,
    is_peoples,
    reaches,
    socket_serves,
)
from sensor.correlate.party import is_orchestrator
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
    from collections.abc import Iterable

    from sensor.correlate.callers import CallerLog
    from sensor.correlate.commands import CommandLog
    from sensor.correlate.containers import Creation
    from sensor.correlate.party import Party, PartyFactory
    from sensor.correlate.runtimes import RuntimeLog
    from sensor.model.container import Description
    from sensor.model.observations import Caller

CONNECT_WINDOW = 10_000_000_000
"""Nanoseconds before a creation in which a connection to the engine may have carried its cause."""

CANDIDATES_MAX = 16
"""Candidates listed in an event."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The start whose cause is sought. Times are ns since boot."""

    id: ContainerId
    kind: StartKind
    description: Description | None
    engine: Engine | None
    creation: Creation | None
    time: int
    """Of the creating command, else of the start itself: whatever caused it came before."""
    since: int
    """Before which nothing can have caused this start: the end of the container's last run."""
    restart_since: int
    """The same for a restart command, which comes before the end that it causes."""
    engine_boot: int | None
    causes_lost: bool = False
    """Some of what may have caused it was held back: nobody is the only one who remains."""

    @property
    def names(self) -> Names:
        """What a command line could call the container."""
        return names_of(self.id, self.description)


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


def names_of(id_: ContainerId, description: Description | None) -> Names:
    """Gather what a command line could call a container."""
    if description is None:
        return Names(id_, None)
    return Names(id_, description.name, description.labels or (), description.engine)


class Attributor:
    """Looks for causes in what was recorded of clients and callers."""

    def __init__(
        self,
        commands: CommandLog,
        runtimes: RuntimeLog,
        callers: CallerLog,
        parties: PartyFactory,
        role_of: RoleOf,
    ) -> None:
        self._commands = commands
        self._runtimes = runtimes
        self._callers = callers
        self._parties = parties
        self._role_of = role_of
        self._prepared: PreparedAnswers[Subject, Attribution] = PreparedAnswers(callers, runtimes)

    def prepare(self, subject: Subject) -> None:
        """Find the cause of a start that is to come, if it is certain already."""
        if not self._prepared.has(subject.id, subject):
            named = self._named(subject)
            if named is not None:
                answer = self._decided(subject, named, Confidence.EXACT)
                self._prepared.keep(subject.id, subject, subject.time, answer)

    def attribute(self, subject: Subject) -> Attribution:
        """Find the cause of one start."""
        prepared = self._prepared.take(subject.id, subject)
        if prepared is not None:
            return prepared
        named = self._named(subject)
        if named is not None:
            return self._decided(subject, named, Confidence.EXACT)
        record = subject.description.record if subject.description is not None else None
        if record is not None and record.restarting:
            witness = Evidence(
                Witness(subject.engine or Engine.DOCKER)
                if subject.engine in (Engine.DOCKER, Engine.PODMAN)
                else Witness.PROCFS,
                "engine state on disk: restarting by policy",
                subject.time,
            )
            return Attribution(Trigger.RESTART_POLICY, Confidence.EXACT, evidence=(witness,))
        pod = subject.description.orchestrator if subject.description is not None else None
        if pod is not None:
            return self._by_orchestrator(subject)
        if self._is_engine_boot(subject):
            return Attribution(Trigger.ENGINE_BOOT, Confidence.INFERRED)
        return self._by_elimination(subject)

    def _named(self, subject: Subject) -> list[Party] | None:
        """Whom something ties to this container and no other; None for nobody."""
        return self._by_identifier(subject) or self._by_descent(subject)

    # ----------------------------------------------------------------- identifiers

    def _by_identifier(self, subject: Subject) -> list[Party] | None:
        """Everybody who named this container; None when nobody did."""
        found: list[Party] = []
        names = subject.names
        for asked in self._callers.requests(names, subject.restart_since, subject.time):
            target = asked.target
            if self._hands_on(asked.request.caller, asked.request.socket, subject):
                continue
            if asked.request.time < subject.since and target.request is not Request.RESTART:
                continue
            if socket_serves(asked.request.socket, subject.engine):
                found.append(self._parties.of_request(asked.request))
        for client in self._commands.clients(subject.restart_since, subject.time):
            if client.command.request not in STARTING:
                continue
            bound = self._callers.bound_to(client.exec)
            if client.command.request in ONE_CONTAINER and bound not in (None, subject.id):
                continue
            if any(party.exec is client.exec for party in found):
                # Whoever was told by a request of its own: its command line adds nothing.
                continue
            restarting = client.command.request is Request.RESTART
            if (restarting or client.exec.time >= subject.since) and names.named_by(client):
                found.append(self._parties.of_client(client.exec))
        distinct = _distinct(found)
        return distinct or None

    def _hands_on(self, caller: Caller, socket: str, subject: Subject) -> bool:
        """Whether the caller is a part of an engine that hands on what somebody asked of it.

        As dockerd does to containerd. A name alone makes nobody one: a program that is only called
        dockerd is a cause like any other where no engine would ask.
        """
        pod = subject.description is not None and subject.description.orchestrator is not None
        return (pod or not is_peoples(socket)) and self._parties.is_engine_caller(caller)

    # ----------------------------------------------------------------- descent

    def _by_descent(self, subject: Subject) -> list[Party] | None:
        creation = subject.creation
        if creation is None:
            return None
        chain = [creation.process.ancestors]
        supervisor = self._runtimes.supervisor_of(subject.id)
        if supervisor is not None and supervisor.role is Role.MONITOR:
            chain.append(supervisor.process.ancestors)
        managed = supervisor is not None
        for ancestors in chain:
            for ancestor in ancestors:
                role = self._role_of(ancestor.exe or "") or self._role_of(ancestor.comm)
                if role is Role.CLIENT:
                    exec_ = self._callers.client_of(ancestor.pid, ancestor.start_time, subject.time)
                    if exec_ is not None and not self._parties.is_engine(exec_):
                        return [self._parties.of_client(exec_)]
                managed = managed or role in (Role.SHIM, Role.MONITOR, Role.ENGINE, Role.CLIENT)
        if managed:
            return None
        return [self._parties.of_runtime(creation)]

    # ----------------------------------------------------------------- the engine by itself

    def _by_orchestrator(self, subject: Subject) -> Attribution:
        party = next(
            (
                self._parties.of_connect(connect)
                for connect in self._callers.connects(0, subject.time)
                if is_orchestrator(connect.caller)
            ),
            None,
        )
        evidence = Evidence(Witness.KUBERNETES, "pod annotations of the container", subject.time)
        return Attribution(
            Trigger.ORCHESTRATOR,
            Confidence.EXACT,
            initiator=party.initiator if party is not None else None,
            confidence=Confidence.INFERRED if party is not None else Confidence.NONE,
            evidence=(evidence, *(party.evidence if party is not None else ())),
        )

    @staticmethod
    def _is_engine_boot(subject: Subject) -> bool:
        boot = subject.engine_boot
        if boot is None or subject.kind is StartKind.FIRST:
            return False
        if not may_start_at_boot(subject.description):
            return False
        return subject.since <= boot <= subject.time <= boot + ENGINE_BOOT_WINDOW

    # ----------------------------------------------------------------- elimination

    def _by_elimination(self, subject: Subject) -> Attribution:
        parties = _distinct([*self._fitting_clients(subject), *self._fitting_callers(subject)])
        if subject.causes_lost:
            return _incomplete(subject, parties)
        if not parties:
            return Attribution()
        return self._decided(subject, parties, Confidence.INFERRED)

    def _fitting_clients(self, subject: Subject) -> Iterable[Party]:
        """Clients that may have caused it, although nothing but their waiting ties them to it."""
        for client in self._commands.clients(0, subject.time):
            if not reaches(client, subject.engine):
                continue
            if client.exec.time < subject.since:
                fits = self._is_queued(client, subject)
            elif client.command.request is Request.RUN and not client.command.compose:
                fits = self._makes(client, subject)
            else:
                fits = client.command.compose and _may_be_project(client, subject)
            if fits:
                yield self._parties.of_client(client.exec)

    def _is_queued(self, client: Client, subject: Subject) -> bool:
        """Whether somebody asked for a start before the last run ended, and waits still.

        An engine does one thing to a container after the other: two who ask at once for the start
        of a container that ends at once get a run each.
        """
        asked = client.command.request is Request.START and subject.names.named_by(client)
        return asked and self._callers.bound_to(client.exec) is None

    def _makes(self, client: Client, subject: Subject) -> bool:
        """Whether a command that makes one container, from such an image, may have made this."""
        taken = (self._callers.bound_to(client.exec), self._callers.supposed_of(client.exec))
        if any(other not in (None, subject.id) for other in taken):
            return False
        nameless = client.command.name is None or subject.names.name is None
        first = subject.kind is StartKind.FIRST
        return first and nameless and _image_fits(client.command, subject)

    def _fitting_callers(self, subject: Subject) -> Iterable[Party]:
        """Processes that connected to an engine and are no client whose command tells it all."""
        # What restarts a container asks before it stops: its request is older than the end.
        restart = subject.kind is StartKind.RESTART
        earliest = subject.restart_since if restart else subject.since
        since = max(earliest, subject.time - CONNECT_WINDOW)
        for connect in self._callers.connects(since, subject.time):
            caller = connect.caller
            if self._hands_on(caller, connect.socket, subject):
                continue
            if not socket_serves(connect.socket, subject.engine):
                continue
            if self._callers.client_of(caller.pid, caller.start_time, connect.time) is None:
                yield self._parties.of_connect(connect)

    def _decided(
        self, subject: Subject, parties: list[Party], certainty: Confidence
    ) -> Attribution:
        """Make an answer of those who remain: one is it, several are candidates."""
        if len(parties) == 1:
            party = parties[0]
            if party.exec is not None and certainty is Confidence.EXACT:
                self._callers.bind(party.exec, subject.id)
            elif party.exec is not None:
                self._callers.suppose(party.exec, subject.id)
            return Attribution(
                party.trigger,
                certainty,
                initiator=party.initiator,
                confidence=certainty,
                evidence=party.evidence,
                command=self._commands.command_of(party.exec) if party.exec is not None else None,
            )
        triggers = {party.trigger for party in parties}
        agreed = len(triggers) == 1
        return Attribution(
            triggers.pop() if agreed else Trigger.UNKNOWN,
            Confidence.INFERRED if agreed else Confidence.AMBIGUOUS,
            confidence=Confidence.AMBIGUOUS,
            candidates=tuple(party.initiator for party in parties[:CANDIDATES_MAX]),
            evidence=tuple(e for party in parties[:CANDIDATES_MAX] for e in party.evidence[:1]),
        )


def _incomplete(subject: Subject, parties: list[Party]) -> Attribution:
    """Name candidates and say that there may be others, whom the rate limit has hidden."""
    lost = Evidence(Witness.KERNEL, "commands were held back: there may be others", subject.time)
    return Attribution(
        confidence=Confidence.AMBIGUOUS if parties else Confidence.NONE,
        candidates=tuple(party.initiator for party in parties[:CANDIDATES_MAX]),
        evidence=(*(e for party in parties[:CANDIDATES_MAX] for e in party.evidence[:1]), lost),
    )


def _distinct(parties: Iterable[Party]) -> list[Party]:
    """Keep one party a process, joining what the others saw of the same."""
    found: dict[tuple[int, int | None], Party] = {}
    for party in sorted(parties, key=lambda party: party.key[1] is None):
        key = _key_among(party, found)
        known = found.get(key)
        found[key] = party if known is None else known.joined(party)
    return list(found.values())


def _key_among(party: Party, found: dict[tuple[int, int | None], Party]) -> tuple[int, int | None]:
    """Find the process that a witness without start times means: of that pid, then alive."""
    pid, start = party.key
    if start is not None or not party.evidence:
        return party.key
    time = party.evidence[0].time
    for (other, began), known in found.items():
        if other != pid or began is None or not known.evidence:
            continue
        apart = abs(time - known.evidence[0].time)
        if began <= time + AUDIT_EARLY and apart <= SAME_PROCESS:
            return other, began
    return party.key


def _image_fits(command: ClientCommand, subject: Subject) -> bool:
    """Whether the image of a command may be the container's: not when both are known to differ."""
    image = subject.description.image if subject.description is not None else None
    if command.image is None or image is None or image.name is None:
        return True
    wanted, has = command.image, image.name
    if wanted == has or (
        image.id is not None
        and image.id.removeprefix("sha256:").startswith(wanted.removeprefix("sha256:"))
    ):
        return True
    return _reference(wanted) == _reference(has)


def _reference(name: str) -> str:
    """Spell an image reference out as Docker does: default registry, library and tag."""
    if name.startswith("sha256:"):
        return name
    first, slash, rest = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{first}/{rest}"
    elif first == "docker.io" and "/" not in rest:
        name = f"docker.io/library/{rest}"
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last else f"{name}:latest"


def _may_be_project(client: Client, subject: Subject) -> bool:
    """Whether a compose command may be about the container: nothing tells its project."""
    in_project = any(label == COMPOSE_PROJECT for label, _ in subject.names.labels)
    return in_project and client.command.project is None and client.exec.cwd is None
