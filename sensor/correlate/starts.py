"""Report starts: of which kind, caused by whom, seen by which witnesses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sensor.correlate import kind
from sensor.correlate.client_command import ClientRequest
from sensor.correlate.container_names import failure_key
from sensor.correlate.engine_reach import is_of_root
from sensor.correlate.engine_words import EngineWords, is_word_alone
from sensor.correlate.events import Clock, EventFactory, engine_of, kernel, sighting_of
from sensor.correlate.orchestrators import place_in
from sensor.correlate.start_context import asker_of
from sensor.correlate.title import title_of
from sensor.model.events import Certainty, Evidence
from sensor.model.vocabulary import (
    Confidence,
    EventType,
    EvidenceKind,
    StartKind,
    Witness,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.client_command import ClientCommand
    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.containers import ContainerState
    from sensor.correlate.coverage import Coverage
    from sensor.correlate.events import Output, Sighting
    from sensor.correlate.failed_starts import FailedStarts
    from sensor.correlate.initiator import Attributor
    from sensor.correlate.places import Places
    from sensor.correlate.pods import Pods
    from sensor.correlate.question import Attribution
    from sensor.correlate.start_context import StartContext
    from sensor.model.container import CgroupIdentity, Description
    from sensor.model.events import Initiator, Start
    from sensor.model.inventory import FoundContainer
    from sensor.model.kernel_records import CommandExit, InitExec, InitExit
    from sensor.model.process import Namespaces, ProcessFacts, ProcessKey

    Foresee = Callable[[Description, Initiator | None, int], None]
    """Takes a container's description, its initiator if that is certain, and the clock's offset."""


class _Seen(NamedTuple):
    """What shows a start: when, by which evidence, and what the init is known to be."""

    init: ProcessKey
    time: int
    evidence: list[Evidence]
    argv: tuple[str, ...] | None = None
    process: ProcessFacts | None = None
    namespaces: Namespaces | None = None
    restoring: bool = False
    causes_lost: bool = False


class StartReporter:
    """Emits one ``container.start`` for a state that begins to run."""

    def __init__(
        self,
        clock: Clock,
        factory: EventFactory,
        table: ContainerTable,
        places: Places,
        context: StartContext,
        attributor: Attributor,
        coverage: Coverage,
        *,
        emit: Callable[[Output], None],
        words: EngineWords,
        pods: Pods,
        failures: FailedStarts,
        foresee: Foresee | None = None,
    ) -> None:
        """``foresee`` is called with what :meth:`prepare` found."""
        self._foresee = foresee
        self._failures = failures
        self._pods = pods
        self._clock = clock
        self._factory = factory
        self._table = table
        self._places = places
        self._context = context
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
        start = self._context.decide_kind(state, self._clock.now, engine, restoring=False)
        question = self._context.question(state, start.kind, self._clock.now, engine)
        answer = self._attributor.prepare(question)
        if self._foresee is not None:
            initiator = answer.initiator if answer is not None else None
            expected = self._pods.namespaces.foresee(description, state.key.id)
            self._foresee(expected, initiator, self._clock.realtime_offset)

    def executed(self, state: ContainerState, exec_: InitExec) -> None:
        """Report that the init ran its first execve."""
        evidence = [
            kernel(EvidenceKind.INIT_EXEC, "first execve of the init", exec_.time, exec_.sequence)
        ]
        evidence += _creating(state)
        self._report(
            state,
            _Seen(
                exec_.process.key,
                exec_.time,
                evidence,
                argv=exec_.argv,
                process=exec_.process,
                causes_lost=exec_.causes_lost,
                namespaces=exec_.namespaces,
            ),
        )

    def missed(self, state: ContainerState, exit_: InitExit) -> None:
        """Report a start that only the end of the init proves; its time is the init's own."""
        evidence = [
            kernel(
                EvidenceKind.INIT_EXIT, "exit of an init that had run", exit_.time, exit_.sequence
            ),
            *_creating(state),
        ]
        self._report(state, _Seen(exit_.process, exit_.process.start_time, evidence))

    def restored(self, state: ContainerState, exit_: CommandExit) -> None:
        """Report that a restore command succeeded; the init is known by that command's process."""
        creation = state.creation
        if creation is None:
            return
        evidence = [
            *_creating(state),
            kernel(EvidenceKind.INIT_EXEC, "restore succeeded", exit_.time, exit_.sequence),
        ]
        self._report(state, _Seen(creation.process.key, exit_.time, evidence, restoring=True))

    def found(self, state: ContainerState, found: FoundContainer) -> None:
        """Report a start that the probes did not see: its init was found running."""
        time = found.init.start_time
        evidence = [Evidence(Witness.PROCFS, EvidenceKind.INIT_FOUND, "init found running", time)]
        self._report(state, _Seen(found.init, time, evidence, argv=found.argv))

    def _report(self, state: ContainerState, seen: _Seen) -> None:
        identity = self._places.identity(state.cgroup)
        pod = self._pods.review(state, identity, seen.time, seen.namespaces)
        of_root = is_of_root(state)
        state.description = self._pods.namespaces.applied(
            pod.description, state.key.id, seen.namespaces, of_root=of_root
        )
        sighting, start, cause = self._decide(state, identity, seen)
        # Engines that are listened to speak of root's containers alone.
        sighting, word = self._words.complete(sighting) if of_root else (sighting, None)
        known = Confidence.EXACT if _is_exact(state, identity) else Confidence.INFERRED
        if word is not None and is_word_alone(state.description):
            known = Confidence.INFERRED
        words = () if word is None else (word,)
        event = self._factory.of_container(
            EventType.START,
            sighting,
            seen.time,
            seen.init,
            Certainty(
                container=known,
                trigger=cause.trigger_confidence,
                initiator=cause.confidence,
                pod=pod.confidence,
                owner=_owner_known(state.description),
            ),
            (*seen.evidence, *words, *pod.evidence, *cause.evidence),
            start=start,
            initiator=cause.initiator,
            candidates=cause.candidates,
        )
        # It is on its way before anything else is noted.
        self._emit(event)
        state.title = title_of(event.container, event.orchestrator)
        self._begin_run(state, seen.init, seen.time)
        self._coverage.on_start(event, commanded=state.creation is not None, of_root=of_root)

    def _decide(
        self, state: ContainerState, identity: CgroupIdentity | None, seen: _Seen
    ) -> tuple[Sighting, Start, Attribution]:
        """Find what was started, which kind of start it was, and its cause."""
        context = self._context
        sighting = sighting_of(state, identity, seen.argv, seen.init)
        engine = engine_of(sighting)
        start = context.decide_kind(state, seen.time, engine, restoring=seen.restoring)
        question = context.question(
            state, start.kind, seen.time, engine, init=seen.process, causes_lost=seen.causes_lost
        )
        cause = self._attributor.attribute(question)
        if context.names_no_place(state, cause):
            state.placeless = True
            state.description = _without_place(state.description)
            sighting = sighting_of(state, identity, seen.argv, seen.init)
            start = context.decide_kind(state, seen.time, engine, restoring=seen.restoring)
        if not state.starts:
            # Whom its orchestrator asked as. A person may start it again later.
            state.asker = asker_of(cause)
        start = replace(
            start, trigger=cause.trigger, failures=self._failures.started(failure_key(state))
        )
        if kind.is_separate(start, cause.initiator, question.since or None):
            start = replace(start, kind=StartKind.REACTIVATION)
        sighting = _with_command(sighting, state.description, cause.command)
        return sighting, context.with_cause(start, state, engine), cause

    def _begin_run(self, state: ContainerState, init: ProcessKey, time: int) -> None:
        self._table.begin_run(state, init, time)
        place = place_in(state)
        if place is not None and place.owner:
            self._table.join_pod(state, *place.key)
            self._pods.learn(state)


def _without_place(description: Description | None) -> Description | None:
    return replace(description, orchestrator=None) if description is not None else None


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
    if command is None or named or command.compose or command.request is ClientRequest.OTHER:
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
