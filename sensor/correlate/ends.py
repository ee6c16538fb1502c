"""Report what ends or interrupts a run: stops, starts that failed, pauses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate import kind
from sensor.correlate.container_names import failure_key, names_of
from sensor.correlate.containers import ContainerStep, Run
from sensor.correlate.engine_reach import home_of, is_of_root
from sensor.correlate.events import Clock, EventFactory, engine_of, kernel, sighting_of
from sensor.correlate.title import title_of
from sensor.model.events import Certainty, Evidence, Gap, Stop
from sensor.model.vocabulary import Confidence, EventType, EvidenceKind, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.containers import ContainerState
    from sensor.correlate.coverage import Coverage
    from sensor.correlate.events import Output
    from sensor.correlate.failed_starts import FailedStarts
    from sensor.correlate.past import RecentPast
    from sensor.correlate.places import Places
    from sensor.correlate.pods import Pods
    from sensor.correlate.start_context import StartContext
    from sensor.model.kernel_records import CommandExec, CommandExit, InitExit

_EXACT = Certainty(container=Confidence.EXACT)
_INFERRED = Certainty(container=Confidence.INFERRED)


class EndReporter:
    """Emits the events of a container's state other than its start."""

    def __init__(
        self,
        clock: Clock,
        factory: EventFactory,
        table: ContainerTable,
        places: Places,
        coverage: Coverage,
        emit: Callable[[Output], None],
        *,
        failures: FailedStarts,
        past: RecentPast,
        pods: Pods,
        context: StartContext,
    ) -> None:
        self._context = context
        self._pods = pods
        self._failures = failures
        self._past = past
        self._clock = clock
        self._factory = factory
        self._table = table
        self._places = places
        self._coverage = coverage
        self._emit = emit

    def stopped(self, state: ContainerState, exit_: InitExit) -> None:
        """Report that the init of a running container ended."""
        code, signal = split_status(exit_.status)
        duration = (
            round((exit_.time - state.started) / kind.NS_PER_SECOND, 6)
            if state.started is not None
            else None
        )
        self._emit(
            self._factory.of_container(
                EventType.STOP,
                sighting_of(state, self._places.identity(state.cgroup), None),
                exit_.time,
                exit_.process,
                _of_pod(state),
                (kernel(EvidenceKind.INIT_EXIT, "exit of the init", exit_.time, exit_.sequence),),
                stop=Stop(code, signal, exit_.oom_killed, duration),
            )
        )
        run = Run(
            state.key.id,
            self._began(state),
            self._clock.wall(exit_.time),
            code,
            signal,
            oom_killed=exit_.oom_killed,
            sandbox=state.description.sandbox_id if state.description is not None else None,
        )
        self._table.end_run(state, run)

    def vanished(self, state: ContainerState, time: int) -> None:
        """Report that a container which was known to run is not there any more."""
        self._emit(
            self._factory.of_container(
                EventType.STOP,
                sighting_of(state, self._places.identity(state.cgroup), None),
                time,
                state.init,
                _EXACT,
                (Evidence(Witness.PROCFS, EvidenceKind.INIT_EXIT, "its init is gone", time),),
                stop=Stop(reason="stopped unseen"),
            )
        )
        self.ended_unseen(state)

    def ended_unseen(self, state: ContainerState) -> None:
        """Close a run whose end was not seen, without an event: its next init proves it."""
        self._table.end_run(state, Run(state.key.id, self._began(state), None, None, None))

    def failed(
        self,
        state: ContainerState,
        seen: InitExit | CommandExit | CommandExec,
        status: int | None,
        reason: str,
    ) -> None:
        """Report that a created container never ran, and who asked for it; once a creation."""
        if state.failed:
            return
        if state.description is not None and state.description.build_step:
            state.move(ContainerStep.REST)
            return
        state.failed = True
        code, signal = split_status(status) if status is not None else (None, None)
        creation, evidence = state.creation, _failing(state, seen, reason)
        identity = self._places.identity(state.cgroup)
        review = self._pods.review(state, identity, seen.time)
        state.description = self._pods.namespaces.applied(
            review.description, state.key.id, None, of_root=is_of_root(state)
        )
        sighting = sighting_of(state, identity, None)
        start, cause = self._context.failed(state, seen.time, engine_of(sighting))
        sure = _EXACT if state.owner is None or state.owner.privileged else _INFERRED
        names, home = names_of(state, self._table.ids), home_of(state, engine_of(sighting))
        since = creation.time if creation is not None else seen.time
        # The engine's answer comes before or after the runtime's end is known.
        message = self._past.refusal(names, home, since, self._clock.now)
        event = self._factory.of_container(
            EventType.START_FAILED,
            replace(sighting, pid=None),
            seen.time,
            creation.process.key if creation is not None else None,
            replace(
                sure,
                pod=review.confidence,
                trigger=cause.trigger_confidence,
                initiator=cause.confidence,
            ),
            (*evidence, *review.evidence, *cause.evidence),
            start=start,
            stop=Stop(code, signal, reason=reason, message=message),
            initiator=cause.initiator,
            candidates=cause.candidates,
        )
        state.title = title_of(event.container, event.orchestrator)
        awaited = message is None and self._past.awaits_answer(names, home)
        self._failures.failed(
            failure_key(state),
            event,
            self._clock.now,
            container=state.key,
            home=home,
            awaited=awaited,
        )
        if is_of_root(state):
            self._coverage.on_failure(state.key.id, seen.time)
        self._table.end_run(state, None)

    def lost_run(self, state: ContainerState, seen: CommandExec) -> None:
        """Report a gap: the container was started and is gone, and its init was not seen."""
        creation = state.creation
        since = creation.time if creation is not None else seen.time
        reason = "a container was started and deleted, and its init's execve was not seen"
        gap = Gap("kernel.lifecycle", reason, since, seen.time, lost=1)
        sighting = sighting_of(state, self._places.identity(state.cgroup), None)
        evidence = (
            kernel(EvidenceKind.RUNTIME_COMMAND, "runtime delete", seen.time, seen.sequence),
        )
        self._emit(self._factory.container_gap(gap, replace(sighting, pid=None), evidence))
        self._table.end_run(state, None)

    def limited(self, domain: str, time: int) -> None:
        """Report a gap: a user's starts are more than are reported of one user."""
        reason = f"starts by {domain} are more than one user's share: some are not reported"
        self._emit(self._factory.gap(Gap("core", reason, time, time)))

    def paused(self, state: ContainerState, seen: CommandExit) -> None:
        """Report that a runtime paused the container."""
        state.move(ContainerStep.PAUSE)
        self._switched(EventType.PAUSE, state, seen, "runtime pause")

    def unpaused(self, state: ContainerState, seen: CommandExit) -> None:
        """Report that a runtime resumed the container."""
        state.move(ContainerStep.RESUME)
        self._switched(EventType.UNPAUSE, state, seen, "runtime resume")

    def _switched(
        self, type_: EventType, state: ContainerState, seen: CommandExit, what: str
    ) -> None:
        self._emit(
            self._factory.of_container(
                type_,
                sighting_of(state, self._places.identity(state.cgroup), None),
                seen.time,
                state.init,
                _EXACT,
                (kernel(EvidenceKind.RUNTIME_COMMAND, what, seen.time, seen.sequence),),
            )
        )

    def _began(self, state: ContainerState) -> int | None:
        return self._clock.wall(state.started) if state.started is not None else None


def split_status(status: int) -> tuple[int | None, int | None]:
    """Exit code and signal of a wait(2) status, of which only one is set."""
    signal = status & 0x7F
    return (None, signal) if signal else ((status >> 8) & 0xFF, None)


def _of_pod(state: ContainerState) -> Certainty:
    """Return how sure the end of a known container is: its start settled which pod it is in."""
    described = state.description is not None and state.description.orchestrator is not None
    return replace(_EXACT, pod=Confidence.EXACT) if described else _EXACT


def _failing(
    state: ContainerState, seen: InitExit | CommandExit | CommandExec, reason: str
) -> tuple[Evidence, ...]:
    """What shows that a start failed, and which command began it."""
    command, creation = EvidenceKind.RUNTIME_COMMAND, state.creation
    found = kernel(command, reason, seen.time, seen.sequence)
    if creation is None:
        return (found,)
    return found, kernel(command, creation.what, creation.time, creation.sequence)
