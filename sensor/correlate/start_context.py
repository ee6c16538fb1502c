"""What surrounds a start: its kind, the question of its cause, who ended the run before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate import kind
from sensor.correlate.authority import ActorStanding, standing
from sensor.correlate.client_command import ClientRequest
from sensor.correlate.container_names import names_of
from sensor.correlate.containers import Asker, Run
from sensor.correlate.engine_api.calls import Action, CallOutcome
from sensor.correlate.engine_reach import home_of
from sensor.correlate.orchestrators import SWARM, place_in
from sensor.correlate.question import Question
from sensor.correlate.restart_cause import cause_of, ended_by
from sensor.model.container import KUBERNETES
from sensor.model.vocabulary import (
    Confidence,
    EndedBy,
    Engine,
    StartKind,
)

if TYPE_CHECKING:
    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.containers import ContainerState
    from sensor.correlate.events import Clock
    from sensor.correlate.initiator import Attributor
    from sensor.correlate.past import RecentPast
    from sensor.correlate.question import Attribution
    from sensor.correlate.runtimes import RuntimeLog
    from sensor.model.events import Start
    from sensor.model.process import ProcessFacts

_ENGINE_PROGRAMS = {
    Engine.DOCKER: ("dockerd", "balenad", "balena-engine-daemon"),
    Engine.CONTAINERD: ("containerd",),
    Engine.CRIO: ("crio",),
}
"""Programs whose own start makes them start containers. Podman has no such."""

_APART = frozenset({Engine.PODMAN, None})
"""Engines that create a container at one request (``podman init``) and start it at another. None:
a person or a script runs the runtime. Below containerd one request does both."""


def asker_of(cause: Attribution) -> Asker | None:
    """Return who certainly asked for a start."""
    process = cause.initiator.process if cause.initiator is not None else None
    if process is None or cause.confidence is not Confidence.EXACT:
        return None
    user = cause.initiator.user if cause.initiator is not None else None
    return Asker(process.exe, user.uid if user is not None else None)


class StartContext:
    """Answers from the containers, commands and requests that are known."""

    def __init__(
        self,
        clock: Clock,
        table: ContainerTable,
        past: RecentPast,
        runtimes: RuntimeLog,
        attributor: Attributor,
    ) -> None:
        self._clock = clock
        self._table = table
        self._past = past
        self._runtimes = runtimes
        self._attributor = attributor

    def decide_kind(
        self, state: ContainerState, time: int, engine: Engine | None, *, restoring: bool
    ) -> Start:
        """Return the kind of a start."""
        description = state.description
        place = place_in(state)
        predecessor = None
        if place is not None and place.owner:
            predecessor = self._table.predecessor(state, *place.key)
        if predecessor is not None and _is_of_another_engine(predecessor, state):
            predecessor = None
        return kind.decide(
            state,
            description,
            predecessor,
            self._clock.wall(time),
            lambda run: self._circumstances(state, run, time, engine),
            restoring=restoring,
        )

    def names_no_place(self, state: ContainerState, cause: Attribution) -> bool:
        """Whether a request that was seen shows that the labels of a new container lie.

        Labels are words of who made it. Swarm's tasks are asked for within the engine, and another
        orchestrator's by the same program each time.
        """
        place, asker = place_in(state), asker_of(cause)
        if place is None or place.kubernetes or asker is None:
            return False
        if state.starts or state.last_run is not None:
            return False
        predecessor = self._table.predecessor(state, *place.key)
        known = predecessor.asker if predecessor is not None else None
        return place.type == SWARM or known not in (None, asker)

    def question(
        self,
        state: ContainerState,
        kind_: StartKind,
        time: int,
        engine: Engine | None,
        *,
        init: ProcessFacts | None = None,
        causes_lost: bool = False,
    ) -> Question:
        """Return what is asked about a start's cause."""
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
        starter = state.starter if engine in _APART else None
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
            starter=starter,
            let_run=starter.time if starter is not None else 0,
            causes_lost=causes_lost,
        )

    def failed(
        self, state: ContainerState, time: int, engine: Engine | None
    ) -> tuple[Start, Attribution]:
        """Return what kind of start failed at ``time``, and who or what caused it."""
        start = self.decide_kind(state, time, engine, restoring=False)
        cause = self._attributor.attribute(self.question(state, start.kind, time, engine))
        start = replace(start, trigger=cause.trigger)
        return self.with_cause(start, state, engine), cause

    def with_cause(self, start: Start, state: ContainerState, engine: Engine | None) -> Start:
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
        changed = None not in (sandbox, run.sandbox) and sandbox != run.sandbox
        cause = cause_of(
            start.kind,
            start.trigger,
            run,
            by,
            sandbox_changed=changed,
            began=self._rebooted(run) or (changed and self._engine_began(run, state, engine)),
        )
        return replace(start, cause=cause, previous=replace(previous, ended_by=by))

    def _rebooted(self, run: Run) -> bool:
        """Whether a run began in an earlier boot of the node."""
        if run.earlier_boot:
            return True
        return run.started_wall is not None and run.started_wall < self._clock.realtime_offset

    def _engine_began(self, run: Run, state: ContainerState, engine: Engine | None) -> bool:
        """Whether the engine of a container began after the end of its earlier run."""
        boot = self._engine_boot(state, engine)
        ended = run.stopped_wall
        return boot is not None and ended is not None and self._clock.wall(boot) > ended

    def _who_asked_to_end(
        self, run: Run, earlier: ContainerState | None, engine: Engine | None
    ) -> EndedBy | None:
        """Return who was seen to ask for the end of a run: a request, or a client's command."""
        if earlier is None or run.stopped_wall is None:
            return None
        offset = self._clock.realtime_offset
        since, until = (run.started_wall or offset) - offset, run.stopped_wall - offset
        names, home = names_of(earlier, self._table.ids), home_of(earlier, engine)
        for asked in self._past.requests(names, home, since, until):
            if asked.call.action is Action.STOP and asked.outcome is not CallOutcome.REFUSED:
                kubelet = self._attributor.is_orchestrators(asked, earlier.owner)
                return EndedBy.ORCHESTRATOR if kubelet else EndedBy.REQUEST
        client = self._past.clients.asked_by_command(ClientRequest.STOP, names, since, until)
        if client is None:
            return None
        stranger = self._past.standing(client, home) is ActorStanding.STRANGER
        return None if stranger else EndedBy.REQUEST

    def _circumstances(
        self, state: ContainerState, run: Run, time: int, engine: Engine | None
    ) -> kind.Circumstances:
        question = self.question(state, StartKind.REACTIVATION, time, engine)
        since = question.since
        # What restarts a container stops it first: it was asked to before the run ended.
        offset, began = self._clock.realtime_offset, state.requested + 1
        ended = run.stopped_wall - offset if run.stopped_wall is not None else question.time
        boot = self._engine_boot(state, engine)
        return kind.Circumstances(
            asked_to_start=any(
                self._asked(question, request, since)
                for request in (ClientRequest.START, ClientRequest.RESTART)
            )
            or any(
                self._attributor.asked(question, action, since)
                for action in (Action.START, Action.RESTART)
            ),
            asked_to_stop=self._asked_to_stop(state, engine, time),
            asked_to_restart=self._asked(question, ClientRequest.RESTART, began, ended)
            or self._attributor.asked(question, Action.RESTART, began, ended),
            engine_boot_wall=self._clock.wall(boot) if boot is not None else None,
        )

    def _asked_to_stop(self, state: ContainerState, engine: Engine | None, time: int) -> bool:
        names, home = names_of(state, self._table.ids), home_of(state, engine)
        since = state.requested + 1
        client = self._past.clients.asked_by_command(ClientRequest.STOP, names, since, time)
        if client is not None:
            reached = self._past.standing(client, home)
            if reached is not ActorStanding.STRANGER:
                return True
        requests = self._past.requests(names, home, since, time)
        return any(asked.call.action is Action.STOP for asked in requests)

    def _asked(
        self, question: Question, request: ClientRequest, since: int, until: int | None = None
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
        if past.standing(client, question.home) is ActorStanding.STRANGER:
            return False
        return request is not ClientRequest.RESTART or client.runs_at(question.since)

    def _engine_boot(self, state: ContainerState, engine: Engine | None) -> int | None:
        """When the container's engine last began: one that runs where its containers do."""
        programs = _ENGINE_PROGRAMS.get(engine, ()) if engine is not None else ()
        times = [
            boot.time
            for program in programs
            for boot in self._runtimes.engine_boots(program, state.parents, state.owner)
            if standing(boot.origin, state.owner) is ActorStanding.OWNER
        ]
        return max(times, default=None)

    def _since(self, state: ContainerState) -> int:
        """When the container's last run ended, in ns since boot; 0 when it had none or unknown."""
        stopped = state.last_run.stopped_wall if state.last_run is not None else None
        return stopped - self._clock.realtime_offset if stopped is not None else 0

    def _created(self, state: ContainerState, latest: int) -> int:
        """When the engine made the container, in ns since boot; 0 when that is not known."""
        description = state.description
        if description is None or description.created_wall is None:
            return 0
        created = description.created_wall - self._clock.realtime_offset
        # A wall clock that was set since makes it useless.
        return created if 0 < created <= latest else 0


def _is_of_another_engine(earlier: ContainerState, state: ContainerState) -> bool:
    """Whether two containers were made under different runtime roots: no engine shares its own.

    Of one that has ended the root is not known any more.
    """
    if earlier.creation is None or state.creation is None:
        return False
    roots = {earlier.creation.command.root, state.creation.command.root}
    return None not in roots and len(roots) > 1
