"""Report starts: of which kind, caused by whom, seen by which witnesses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate import kind
from sensor.correlate.authority import Standing, standing
from sensor.correlate.client_command import Request
from sensor.correlate.container_names import failure_key, names_of
from sensor.correlate.containers import Run
from sensor.correlate.engine_api.calls import Action, Outcome
from sensor.correlate.engine_words import EngineWords, is_word_alone
from sensor.correlate.events import Clock, EventFactory, engine_of, kernel, sighting_of
from sensor.correlate.naming import socket_serves
from sensor.correlate.orchestrators import KUBERNETES, place_of
from sensor.correlate.question import Question
from sensor.correlate.restart_cause import cause_of, ended_by
from sensor.model.events import Certainty, Evidence, Start
from sensor.model.vocabulary import (
    Confidence,
    EndedBy,
    Engine,
    EventType,
    EvidenceKind,
    StartKind,
    Witness,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.client_command import ClientCommand
    from sensor.correlate.containers import ContainerState, ContainerTable
    from sensor.correlate.coverage import Coverage
    from sensor.correlate.events import Output, Sighting
    from sensor.correlate.failed_starts import FailedStarts
    from sensor.correlate.initiator import Attributor
    from sensor.correlate.past import RecentPast
    from sensor.correlate.places import Places
    from sensor.correlate.pods import Pods
    from sensor.correlate.runtimes import RuntimeLog
    from sensor.model.container import CgroupIdentity, Description
    from sensor.model.inventory import FoundContainer
    from sensor.model.kernel_records import CommandExit, InitExec, InitExit
    from sensor.model.process import Namespaces, ProcessFacts, ProcessKey

_ENGINE_PROGRAMS = {
    Engine.DOCKER: ("dockerd", "balenad", "balena-engine-daemon"),
    Engine.CONTAINERD: ("containerd",),
    Engine.CRIO: ("crio",),
}
"""Programs whose own start makes them start containers. Podman has no such."""


class StartReporter:
    """Emits one ``container.start`` for a state that begins to run."""

    def __init__(
        self,
        clock: Clock,
        factory: EventFactory,
        table: ContainerTable,
        places: Places,
        past: RecentPast,
        runtimes: RuntimeLog,
        attributor: Attributor,
        coverage: Coverage,
        *,
        emit: Callable[[Output], None],
        words: EngineWords,
        pods: Pods,
        failures: FailedStarts,
    ) -> None:
        self._failures = failures
        self._pods = pods
        self._clock = clock
        self._factory = factory
        self._table = table
        self._places = places
        self._past = past
        self._runtimes = runtimes
        self._attributor = attributor
        self._coverage = coverage
        self._words = words
        self._emit = emit

    def prepare(self, state: ContainerState) -> None:
        """Find the cause of a start that is to come, while nothing waits for it."""
        description = state.description
        if description is None or description.build_step or state.creation is None:
            return
        engine = description.engine
        start = self._kind(state, self._clock.now, engine, restoring=False)
        self._attributor.prepare(self._question(state, start.kind, self._clock.now, engine))

    def executed(self, state: ContainerState, exec_: InitExec) -> None:
        """Report that the init ran its first execve."""
        evidence = [
            kernel(EvidenceKind.INIT_EXEC, "first execve of the init", exec_.time, exec_.sequence)
        ]
        evidence += _creating(state)
        self._report(
            state,
            exec_.process.key,
            exec_.time,
            evidence,
            argv=exec_.argv,
            process=exec_.process,
            causes_lost=exec_.causes_lost,
            namespaces=exec_.namespaces,
        )

    def missed(self, state: ContainerState, exit_: InitExit) -> None:
        """Report a start that only the end of the init proves; its time is the init's own."""
        evidence = [
            kernel(
                EvidenceKind.INIT_EXIT, "exit of an init that had run", exit_.time, exit_.sequence
            ),
            *_creating(state),
        ]
        self._report(state, exit_.process, exit_.process.start_time, evidence, argv=None)

    def restored(self, state: ContainerState, exit_: CommandExit) -> None:
        """Report that a restore command succeeded; the init is known by that command's process."""
        creation = state.creation
        if creation is None:
            return
        evidence = [
            *_creating(state),
            kernel(EvidenceKind.INIT_EXEC, "restore succeeded", exit_.time, exit_.sequence),
        ]
        self._report(state, creation.process.key, exit_.time, evidence, argv=None, restoring=True)

    def found(self, state: ContainerState, found: FoundContainer) -> None:
        """Report a start that the probes did not see: its init was found running."""
        time = found.init.start_time
        evidence = [Evidence(Witness.PROCFS, EvidenceKind.INIT_FOUND, "init found running", time)]
        self._report(state, found.init, time, evidence, argv=found.argv)

    def _report(
        self,
        state: ContainerState,
        init: ProcessKey,
        time: int,
        evidence: list[Evidence],
        *,
        argv: tuple[str, ...] | None,
        process: ProcessFacts | None = None,
        restoring: bool = False,
        causes_lost: bool = False,
        namespaces: Namespaces | None = None,
    ) -> None:
        identity = self._places.identity(state.cgroup)
        pod = self._pods.review(state, identity, time, namespaces)
        state.description = self._pods.namespaces.applied(pod.description, state.key.id, namespaces)
        sighting = sighting_of(state, identity, argv, init)
        engine = engine_of(sighting)
        start = self._kind(state, time, engine, restoring=restoring)
        question = self._question(
            state, start.kind, time, engine, init=process, causes_lost=causes_lost
        )
        cause = self._attributor.attribute(question)
        start = replace(
            start, trigger=cause.trigger, failures=self._failures.started(failure_key(state))
        )
        if kind.is_separate(start, cause.initiator, question.since or None):
            start = replace(start, kind=StartKind.REACTIVATION)
        sighting = _with_command(sighting, state.description, cause.command)
        exact = _is_exact(state, identity)
        known = Confidence.EXACT if exact else Confidence.INFERRED
        sighting, word = self._words.complete(sighting)
        if word is not None:
            evidence = [*evidence, word]
            if is_word_alone(state.description):
                known = Confidence.INFERRED
        event = self._factory.of_container(
            EventType.START,
            sighting,
            time,
            init,
            Certainty(
                container=known,
                trigger=cause.trigger_confidence,
                initiator=cause.confidence,
                pod=pod.confidence,
                owner=_owner_known(state.description),
            ),
            (*evidence, *pod.evidence, *cause.evidence),
            start=self._with_cause(start, state, engine),
            initiator=cause.initiator,
            candidates=cause.candidates,
        )
        # It is on its way before anything else is noted.
        self._emit(event)
        self._begin_run(state, init, time)
        self._coverage.on_start(event, commanded=state.creation is not None)

    def _with_cause(self, start: Start, state: ContainerState, engine: Engine | None) -> Start:
        """Add why it had to be started again, and who ended the earlier run."""
        previous = start.previous
        if previous is None:
            return start
        earlier = self._table.named(previous.id)
        run = earlier.last_run if earlier is not None else None
        if run is None:
            run = Run(previous.id, None, None, previous.exit_code, previous.signal)
        by = ended_by(run, asked=self._who_asked_to_end(run, earlier, engine))
        description = state.description
        sandbox = description.sandbox_id if description is not None else None
        cause = cause_of(
            start.kind,
            start.trigger,
            run,
            by,
            sandbox_changed=None not in (sandbox, run.sandbox) and sandbox != run.sandbox,
        )
        return replace(start, cause=cause, previous=replace(previous, ended_by=by))

    def _who_asked_to_end(
        self, run: Run, earlier: ContainerState | None, engine: Engine | None
    ) -> EndedBy | None:
        """Return who was seen to ask for the end of a run: a request, or a client's command."""
        if earlier is None or run.stopped_wall is None:
            return None
        offset = self._clock.realtime_offset
        since, until = (run.started_wall or offset) - offset, run.stopped_wall - offset
        names = names_of(earlier, self._table.ids)
        for asked in self._past.requests(names, since, until):
            if asked.call.action is Action.STOP and asked.outcome is not Outcome.REFUSED:
                kubelet = self._attributor.is_orchestrators(asked, earlier.owner)
                return EndedBy.ORCHESTRATOR if kubelet else EndedBy.REQUEST
        client = self._past.clients.asked_by_command(Request.STOP, names, since, until)
        if client is None:
            return None
        stranger = self._past.standing(client, engine, earlier.owner) is Standing.STRANGER
        return None if stranger else EndedBy.REQUEST

    def _begin_run(self, state: ContainerState, init: ProcessKey, time: int) -> None:
        self._table.begin_run(state, init, time)
        place = place_of(state.description) if state.description is not None else None
        if place is not None and place.owner:
            self._table.join_pod(state, *place.key)
            self._pods.learn(state.description)

    def _kind(
        self, state: ContainerState, time: int, engine: Engine | None, *, restoring: bool
    ) -> Start:
        description = state.description
        place = place_of(description) if description is not None else None
        predecessor = None
        if place is not None and place.owner:
            predecessor = self._table.predecessor(*place.key)
        return kind.decide(
            state,
            description,
            predecessor,
            self._clock.wall(time),
            lambda run: self._circumstances(state, run, time, engine),
            restoring=restoring,
        )

    def _circumstances(
        self, state: ContainerState, run: Run, time: int, engine: Engine | None
    ) -> kind.Circumstances:
        question = self._question(state, StartKind.REACTIVATION, time, engine)
        since = question.since
        # What restarts a container stops it first: it was asked to before the run ended.
        offset, began = self._clock.realtime_offset, state.requested + 1
        ended = run.stopped_wall - offset if run.stopped_wall is not None else question.time
        boot = self._engine_boot(state, engine)
        return kind.Circumstances(
            asked_to_start=any(
                self._asked(question, request, since)
                for request in (Request.START, Request.RESTART)
            )
            or any(
                self._attributor.asked(question, action, since)
                for action in (Action.START, Action.RESTART)
            ),
            asked_to_stop=self._asked_to_stop(state, engine, time),
            asked_to_restart=self._asked(question, Request.RESTART, began, ended)
            or self._attributor.asked(question, Action.RESTART, began, ended),
            engine_boot_wall=self._clock.wall(boot) if boot is not None else None,
        )

    def _asked_to_stop(self, state: ContainerState, engine: Engine | None, time: int) -> bool:
        names = names_of(state, self._table.ids)
        since = state.requested + 1
        client = self._past.clients.asked_by_command(Request.STOP, names, since, time)
        if client is not None:
            reached = self._past.standing(client, engine, state.owner)
            if reached is not Standing.STRANGER:
                return True
        requests = self._past.requests(names, since, time)
        return any(
            asked.call.action is Action.STOP and socket_serves(asked.socket, engine)
            for asked in requests
        )

    def _asked(
        self, question: Question, request: Request, since: int, until: int | None = None
    ) -> bool:
        """Whether a client that reached an engine asked for it, and was there for the answer.

        A restart command waits while the container stops.
        """
        past = self._past
        client = past.clients.asked_by_command(
            request, question.names, since, until or question.time
        )
        if client is None:
            return False
        if past.standing(client, question.engine, question.owner) is Standing.STRANGER:
            return False
        return request is not Request.RESTART or client.runs_at(question.since)

    def _engine_boot(self, state: ContainerState, engine: Engine | None) -> int | None:
        """When the container's engine last began: one that runs where its containers do."""
        programs = _ENGINE_PROGRAMS.get(engine, ()) if engine is not None else ()
        found = (self._runtimes.engine_boot(program, state.parents) for program in programs)
        times = [
            boot.time
            for boot in found
            if boot is not None and standing(boot.origin, state.owner) is Standing.OWNER
        ]
        return max(times, default=None)

    def _since(self, state: ContainerState) -> int:
        """When the container's last run ended, in ns since boot; 0 when it had none or unknown."""
        stopped = state.last_run.stopped_wall if state.last_run is not None else None
        return stopped - self._clock.realtime_offset if stopped is not None else 0

    def _question(
        self,
        state: ContainerState,
        kind_: StartKind,
        time: int,
        engine: Engine | None,
        *,
        init: ProcessFacts | None = None,
        causes_lost: bool = False,
    ) -> Question:
        creation = state.creation
        block = state.description.orchestrator if state.description is not None else None
        since = self._since(state)
        boot = None
        if kind_ is not StartKind.FIRST and state.last_run is not None:
            boot = self._engine_boot(state, engine)
            wall = self._clock.wall(boot) if boot is not None else None
            started = self._clock.wall(time)
            if not kind.started_at_boot(state.last_run, state.description, started, wall):
                boot = None
            elif boot is not None and since > boot and self._asked_to_stop(state, engine, time):
                # It was no orphan that the engine ended.
                boot = None
        elif kind_ is not StartKind.FIRST:
            boot = self._engine_boot(state, engine)
        return Question(
            id=state.key.id,
            kind=kind_,
            description=state.description,
            engine=engine,
            creation=creation,
            time=creation.time if creation is not None else time,
            since=since,
            restart_since=min(since, state.requested) if state.last_run is not None else since,
            # No engine's own start is the cause of a container's first.
            engine_boot=boot,
            names=names_of(state, self._table.ids),
            owner=state.owner,
            created=self._created(state, creation.time if creation is not None else time),
            in_pod=block is not None and block.type == KUBERNETES,
            init=init,
            ran=time if init is not None else 0,
            causes_lost=causes_lost,
        )

    def _created(self, state: ContainerState, latest: int) -> int:
        """When the engine made the container, in ns since boot; 0 when that is not known."""
        description = state.description
        if description is None or description.created_wall is None:
            return 0
        created = description.created_wall - self._clock.realtime_offset
        # A wall clock that was set since makes it useless.
        return created if 0 < created <= latest else 0


def _owner_known(description: Description | None) -> Confidence:
    pod = description.orchestrator if description is not None else None
    owned = pod is not None and pod.owner is not None
    return Confidence.INFERRED if owned else Confidence.NONE


def _with_command(
    sighting: Sighting, description: Description | None, command: ClientCommand | None
) -> Sighting:
    """Take name and image from the client's command line where nothing on disk has them.

    A container with ``--rm`` may be gone before its files are read.
    """
    named = description is not None and description.name is not None
    if command is None or named or command.compose or command.request is Request.OTHER:
        return sighting
    return replace(
        sighting,
        image_hint=sighting.image_hint or command.image,
        name_hint=command.name,
    )


def _is_exact(state: ContainerState, identity: CgroupIdentity | None) -> bool:
    """Whether it is certain which container it is.

    What a user's own command line calls a container is certain where its cgroup bears that id, or
    its bundle was read.
    """
    if state.unnamed:
        return False
    if identity is not None and identity.exact and identity.id == state.key.id:
        return True
    creation = state.creation
    if creation is None:
        return identity is not None and identity.exact
    described = state.description is not None and state.description.command is not None
    return described or (creation.named and creation.origin.privileged)


def _creating(state: ContainerState) -> list[Evidence]:
    creation = state.creation
    if creation is None:
        return []
    return [kernel(EvidenceKind.RUNTIME_COMMAND, creation.what, creation.time, creation.sequence)]
