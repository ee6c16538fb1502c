"""The lifecycle of containers: which observation means a start, a failed start, a stop, a pause.

Rules:

1. A start is the first execve of a container's init, once per init process, however often told.
2. Which container an init belongs to is told, in this order, by: the creating command of the
   runtime that it descends from; the command line of whoever made its cgroup; its cgroup's own
   name. With none of them it is no container (a sandbox, a service with a private pid namespace,
   a hook).
3. A start waits for the container's description while one is under way, DESCRIPTION_WAIT at most.
   What comes about the same container meanwhile waits behind it.
4. A creation fails when its init ends before its first execve, when the creating command ends with
   an error before it, or when the container is deleted before it; once per creation.
5. A restored container's init never calls execve: the restore command's success is its start.
6. Steps of image builds are runtime commands too, and no container starts: they are counted only.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.correlate import kind
from sensor.correlate.client_command import Request
from sensor.correlate.commands import CommandLog
from sensor.correlate.containers import (
    ContainerState,
    ContainerTable,
    Creation,
    Pending,
    Phase,
    Run,
    container_key,
)
from sensor.correlate.events import Clock, EventFactory, Sighting, engine_of, reference, sighting_of
from sensor.correlate.runtime_command import RuntimeCommand, Verb
from sensor.model import (
    Certainty,
    CgroupBirth,
    CgroupIdentity,
    CgroupParser,
    CgroupPaths,
    CommandExec,
    CommandExit,
    Confidence,
    ContainerDescribed,
    ContainerId,
    DescribeRequest,
    Engine,
    Event,
    EventType,
    Evidence,
    FoundContainer,
    InitExec,
    InitExit,
    Lineage,
    ProcessKey,
    Role,
    Stop,
    Witness,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DESCRIPTION_WAIT = 250_000_000
"""Nanoseconds that a start waits for a description. Reading one takes about a millisecond."""

ENDED_MAX = 1024
"""Ended inits of unknown containers that are remembered, for inventories under way."""

_BUILD_CGROUP = "/buildkit/"
_ENGINE_PROGRAMS = {Engine.DOCKER: "dockerd", Engine.PODMAN: "podman", Engine.CRIO: "crio"}

Output = Event | DescribeRequest


@dataclass(frozen=True, slots=True)
class _Place:
    """What the cgroups of a process tell about its container and the containers around it."""

    identity: CgroupIdentity | None
    parents: tuple[ContainerId, ...]


class Lifecycle:
    """Turns kernel observations about containers into events and describe requests."""

    def __init__(
        self,
        clock: Clock,
        factory: EventFactory,
        table: ContainerTable,
        parse_cgroup: CgroupParser,
        emit: Callable[[Output], None],
    ) -> None:
        self._clock = clock
        self._factory = factory
        self._table = table
        self._parse_cgroup = parse_cgroup
        self._emit = emit
        self._log = CommandLog()
        self._waiting: dict[int, ContainerState] = {}
        self._ended: deque[ProcessKey] = deque(maxlen=ENDED_MAX)
        self.ignored: Counter[str] = Counter()
        """Observations that concerned no container, by reason."""

    # ----------------------------------------------------------------- commands

    def on_command(self, exec_: CommandExec) -> None:
        """Take note that a watched program was executed."""
        if exec_.role is Role.CLIENT:
            self._log.add_client(exec_)
        elif exec_.role is Role.ENGINE:
            self._log.add_engine(exec_)
        elif exec_.role is Role.RUNTIME:
            command = self._log.add_runtime(exec_)
            if isinstance(command, Creation):
                self._begin_creation(command)
            elif command is not None and command.verb is Verb.DELETE:
                self._on_delete(command, exec_)

    def on_birth(self, birth: CgroupBirth) -> None:
        """Take note that a process that may be a runtime made a cgroup."""
        creation = self._log.add_birth(birth)
        if creation is not None and self._log.creation_of(creation.process.key) is None:
            self._begin_creation(creation)

    def _begin_creation(self, creation: Creation) -> None:
        key = container_key(creation.command.id, creation.command.root)
        state = self._table.obtain(key)
        self._flush(state)
        if state.alive:
            # A runtime refuses an id that is in use: this command is about to fail.
            self.ignored["create_of_running"] += 1
            return
        state.creation = creation
        state.phase = Phase.CREATED
        state.failed = False
        state.description = None
        state.parents = self._place(creation.process.cgroup).parents
        own = self._place(creation.process.cgroup).identity
        if own is not None and own.exact:
            state.parents = (*own.parents, own.id)
        self._ask(state, creation)

    def _ask(self, state: ContainerState, creation: Creation | None) -> None:
        state.asked = self._clock.now
        identity = self._place(state.cgroup).identity if state.cgroup is not None else None
        process = creation.process if creation is not None else None
        command = creation.command if creation is not None else None
        cgroup = state.cgroup
        self._emit(
            DescribeRequest(
                id=state.key.id,
                engine=identity.engine if identity is not None else None,
                bundle=command.bundle_path if command is not None else None,
                runtime_root=command.root if command is not None else None,
                containerd_namespace=None,
                reader=process.key if process is not None else None,
                reader_mnt_ns=process.mnt_ns if process is not None else None,
                reader_uid=process.uid if process is not None else None,
                cgroup=(cgroup.v1 or cgroup.v2) if cgroup is not None else None,
            )
        )

    def on_command_exit(self, exit_: CommandExit) -> None:
        """Take note that a runtime's own process ended."""
        creation = self._log.creation_of(exit_.process)
        if creation is not None:
            self._on_creation_exit(creation, exit_)
            return
        command = self._log.other_of(exit_.process)
        if command is None or exit_.status != 0:
            return
        state = self._table.get(container_key(command.id, command.root))
        if state is None:
            return
        if command.verb is Verb.PAUSE and state.phase is Phase.RUNNING:
            state.phase = Phase.PAUSED
            self._emit_simple(EventType.PAUSE, state, exit_, "runtime pause")
        elif command.verb is Verb.RESUME and state.phase is Phase.PAUSED:
            state.phase = Phase.RUNNING
            self._emit_simple(EventType.UNPAUSE, state, exit_, "runtime resume")

    def _on_creation_exit(self, creation: Creation, exit_: CommandExit) -> None:
        state = self._table.get(container_key(creation.command.id, creation.command.root))
        if state is None or state.creation is not creation or not state.unstarted:
            return
        if exit_.status != 0:
            self._fail(state, exit_, exit_.status, f"{creation.command.verb} failed")
        elif creation.command.verb is Verb.RESTORE:
            self._begin_restored(state, creation, exit_)

    def _on_delete(self, command: RuntimeCommand, exec_: CommandExec) -> None:
        state = self._table.get(container_key(command.id, command.root))
        if state is not None and state.unstarted:
            self._fail(state, exec_, None, "deleted before its first execve")

    def _emit_simple(
        self, type_: EventType, state: ContainerState, seen: CommandExit, what: str
    ) -> None:
        evidence = Evidence(Witness.KERNEL, what, seen.time, reference(seen.sequence))
        place = self._place(state.cgroup)
        self._emit(
            self._factory.of_container(
                type_,
                sighting_of(state, place.identity, None),
                seen.time,
                state.init,
                Certainty(container=Confidence.EXACT),
                (evidence,),
            )
        )

    # ----------------------------------------------------------------- starts

    def on_init_exec(self, exec_: InitExec) -> None:
        """Start the container of a process whose first execve the probes took for an init's."""
        process = exec_.process
        if self._table.of_init(process.key) is not None or self._awaits(process.key):
            self.ignored["init_known"] += 1
            return
        state = self._container_of(exec_)
        if state is None:
            return
        if state.init is not None and state.init.same(process.key):
            self.ignored["init_known"] += 1
            return
        state.cgroup = process.cgroup
        if state.alive:
            # Its end went unseen; the new init proves it.
            self._table.end_run(state, self._unseen_end(state))
        if state.description is not None or state.pending is not None:
            self._flush(state)
            self._start(state, exec_)
            return
        if state.asked is None:
            self._ask(state, state.creation)
        state.pending = Pending(exec_, self._clock.now + DESCRIPTION_WAIT)
        self._waiting[process.key.pid] = state

    def _awaits(self, init: ProcessKey) -> bool:
        """Whether the start of that very init waits for its description."""
        state = self._waiting.get(init.pid)
        pending = state.pending if state is not None else None
        return pending is not None and pending.exec.process.key.same(init)

    def _container_of(self, exec_: InitExec) -> ContainerState | None:
        process = exec_.process
        if any(_BUILD_CGROUP in path for path in _paths(process.cgroup)):
            self.ignored["build_step"] += 1
            return None
        place = self._place(process.cgroup)
        creation = None
        if exec_.lineage is Lineage.RUNTIME:
            creation = self._log.creation_of(exec_.root)
        if creation is None:
            creation = self._log.birth_of(process.cgroup.v1, process.cgroup.v2)
        if creation is not None:
            state = self._table.obtain(container_key(creation.command.id, creation.command.root))
            if state.creation is not creation:
                state.creation = creation
                state.description = None
                state.asked = None
            if not state.parents and place.identity is not None:
                outer = place.identity
                if outer.id == state.key.id:
                    state.parents = outer.parents
                elif outer.exact:
                    state.parents = (*outer.parents, outer.id)
            return state
        identity = place.identity
        if identity is None or not identity.exact:
            self.ignored["no_container"] += 1
            return None
        known = self._table.named(identity.id)
        state = known or self._table.obtain(container_key(identity.id, None))
        state.parents = identity.parents
        return state

    def _start(self, state: ContainerState, exec_: InitExec) -> None:
        process = exec_.process
        if state.description is not None and state.description.build_step:
            self.ignored["build_step"] += 1
            state.phase = Phase.STOPPED
            return
        evidence = [_kernel("first execve of the init", exec_.time, exec_.sequence)]
        creation = state.creation
        if creation is not None:
            what = f"{creation.program} {creation.command.verb}"
            evidence.append(_kernel(what, creation.time, creation.sequence))
        self._emit_start(
            state,
            process.key,
            exec_.time,
            tuple(evidence),
            argv=exec_.argv,
            confidence=self._container_confidence(state),
        )

    def _container_confidence(self, state: ContainerState) -> Confidence:
        identity = self._place(state.cgroup).identity
        if identity is not None and identity.id == state.key.id and identity.exact:
            return Confidence.EXACT
        return Confidence.EXACT if state.creation is not None else Confidence.INFERRED

    def _emit_start(
        self,
        state: ContainerState,
        init: ProcessKey,
        time: int,
        evidence: tuple[Evidence, ...],
        *,
        argv: tuple[str, ...] | None,
        confidence: Confidence,
        restoring: bool = False,
    ) -> None:
        description = state.description
        pod = description.orchestrator if description is not None else None
        predecessor = None
        if pod is not None and pod.pod_uid is not None:
            predecessor = self._table.predecessor(pod.pod_uid, pod.container)
        place = self._place(state.cgroup)
        hint = self._log.ran(state.key.id, time)
        sighting = sighting_of(
            state, place.identity, argv, hint.command.image if hint is not None else None
        )
        engine = engine_of(sighting)
        start = kind.decide(
            state,
            description,
            predecessor,
            self._circumstances(state, time, engine, restoring=restoring),
        )
        self._table.begin_run(state, init, time)
        if pod is not None and pod.pod_uid is not None:
            self._table.join_pod(state, pod.pod_uid, pod.container)
        self._emit(
            self._factory.of_container(
                EventType.START,
                _with_pid(sighting, init.pid),
                time,
                init,
                Certainty(container=confidence),
                evidence,
                start=start,
            )
        )

    def _circumstances(
        self, state: ContainerState, time: int, engine: Engine | None, *, restoring: bool
    ) -> kind.Circumstances:
        name = state.description.name if state.description is not None else None
        stopped = state.last_run.stopped_wall if state.last_run is not None else None
        since = stopped - self._clock.realtime_offset if stopped is not None else 0
        boot = (
            self._log.engine_boot(_ENGINE_PROGRAMS[engine]) if engine in _ENGINE_PROGRAMS else None
        )
        id_ = state.key.id
        restart = self._log.asked(Request.RESTART, id_, name, 0, time)
        return kind.Circumstances(
            started_wall=self._clock.wall(time),
            restoring=restoring,
            asked_to_start=self._log.asked(Request.START, id_, name, since, time) is not None,
            # It stops the container first: the command precedes the stop that it causes.
            asked_to_restart=restart is not None and restart.exec.time > (state.started or 0),
            engine_boot_wall=self._clock.wall(boot) if boot is not None else None,
        )

    def _begin_restored(
        self, state: ContainerState, creation: Creation, exit_: CommandExit
    ) -> None:
        evidence = (
            _kernel(f"{creation.program} restore", creation.time, creation.sequence),
            _kernel("restore succeeded", exit_.time, exit_.sequence),
        )
        self._emit_start(
            state,
            creation.process.key,
            exit_.time,
            evidence,
            argv=None,
            confidence=Confidence.EXACT,
            restoring=True,
        )

    def start_late(self, state: ContainerState, found: FoundContainer) -> None:
        """Report a start that the probes did not see: its init was found running."""
        evidence = Evidence(Witness.PROCFS, "init found running", found.init.start_time)
        self._emit_start(
            state,
            found.init,
            found.init.start_time,
            (evidence,),
            argv=found.argv,
            confidence=Confidence.EXACT,
        )

    # ----------------------------------------------------------------- ends

    def on_init_exit(self, exit_: InitExit) -> None:
        """Take note that an init ended, before or after its first execve."""
        waiting = self._waiting.get(exit_.process.pid)
        if waiting is not None and waiting.pending is not None:
            waiting.pending.later.append(exit_)
            return
        state = self._table.of_init(exit_.process)
        if state is None and not exit_.started:
            creation = self._log.creation_of(exit_.root)
            if creation is not None:
                key = container_key(creation.command.id, creation.command.root)
                state = self._table.get(key)
            if state is not None and state.unstarted:
                self._fail(state, exit_, exit_.status, "its init ended before its first execve")
                return
            if creation is None or state is None or state.init != creation.process.key:
                # Only a restored container is known by its runtime's process: rule 5.
                state = None
        if state is None or not state.alive:
            self._ended.append(exit_.process)
            self.ignored["exit_unknown"] += 1
            return
        self._stop(state, exit_)

    def _stop(self, state: ContainerState, exit_: InitExit) -> None:
        code, signal = _split(exit_.status)
        evidence = _kernel("exit of the init", exit_.time, exit_.sequence)
        duration = (
            round((exit_.time - state.started) / kind.NS_PER_SECOND, 6)
            if state.started is not None
            else None
        )
        stop = Stop(code, signal, exit_.oom_killed, duration)
        place = self._place(state.cgroup)
        self._emit(
            self._factory.of_container(
                EventType.STOP,
                sighting_of(state, place.identity, None),
                exit_.time,
                exit_.process,
                Certainty(container=Confidence.EXACT),
                (evidence,),
                stop=stop,
            )
        )
        started = self._clock.wall(state.started) if state.started is not None else None
        run = Run(state.key.id, started, self._clock.wall(exit_.time), code, signal)
        self._table.end_run(state, run)

    def _fail(
        self,
        state: ContainerState,
        seen: InitExit | CommandExit | CommandExec,
        status: int | None,
        reason: str,
    ) -> None:
        if state.failed:
            return
        if state.description is not None and state.description.build_step:
            state.phase = Phase.STOPPED
            return
        state.failed = True
        code, signal = _split(status) if status is not None else (None, None)
        creation = state.creation
        evidence = [_kernel(reason, seen.time, seen.sequence)]
        if creation is not None:
            what = f"{creation.program} {creation.command.verb}"
            evidence.append(_kernel(what, creation.time, creation.sequence))
        place = self._place(state.cgroup)
        self._emit(
            self._factory.of_container(
                EventType.START_FAILED,
                _with_pid(sighting_of(state, place.identity, None), None),
                seen.time,
                creation.process.key if creation is not None else None,
                Certainty(container=Confidence.EXACT),
                tuple(evidence),
                stop=Stop(code, signal, reason=reason),
            )
        )
        self._table.end_run(state, None)

    def _unseen_end(self, state: ContainerState) -> Run:
        started = self._clock.wall(state.started) if state.started is not None else None
        return Run(state.key.id, started, None, None, None)

    # ----------------------------------------------------------------- descriptions and time

    def on_described(self, described: ContainerDescribed) -> None:
        """Take the identity worker's answer."""
        state = self._table.named(described.id)
        if state is None:
            return
        state.asked = None
        if state.phase is not Phase.STOPPED:
            state.description = described.description
        if state.pending is not None:
            state.description = described.description
            self._flush(state)

    def deadline(self) -> int | None:
        """When the first waiting start must go out, in ns since boot."""
        deadlines = [s.pending.deadline for s in self._waiting.values() if s.pending is not None]
        return min(deadlines, default=None)

    def expire(self) -> None:
        """Let starts go whose description did not come in time."""
        for state in tuple(self._waiting.values()):
            if state.pending is not None and state.pending.deadline <= self._clock.now:
                self.ignored["description_late"] += 1
                self._flush(state)

    def _flush(self, state: ContainerState) -> None:
        pending, state.pending = state.pending, None
        if pending is None:
            return
        self._waiting.pop(pending.exec.process.key.pid, None)
        self._start(state, pending.exec)
        for exit_ in pending.later:
            self.on_init_exit(exit_)

    def ended_recently(self, process: ProcessKey) -> bool:
        """Whether an init of no known container ended as that process."""
        return any(ended.same(process) for ended in self._ended)

    def _place(self, cgroup: CgroupPaths | None) -> _Place:
        if cgroup is None:
            return _Place(None, ())
        for path in _paths(cgroup):
            identity = self._parse_cgroup(path)
            if identity is not None:
                return _Place(identity, identity.parents)
        return _Place(None, ())


def _paths(cgroup: CgroupPaths) -> tuple[str, ...]:
    return tuple(path for path in (cgroup.v1, cgroup.v2) if path is not None)


def _kernel(what: str, time: int, sequence: int) -> Evidence:
    return Evidence(Witness.KERNEL, what, time, reference(sequence))


def _split(status: int) -> tuple[int | None, int | None]:
    """Exit code and signal of a wait(2) status, of which only one is set."""
    signal = status & 0x7F
    return (None, signal) if signal else ((status >> 8) & 0xFF, None)


def _with_pid(sighting: Sighting, pid: int | None) -> Sighting:
    return Sighting(
        id=sighting.id,
        creation=sighting.creation,
        description=sighting.description,
        identity=sighting.identity,
        parents=sighting.parents,
        pid=pid,
        cgroup=sighting.cgroup,
        argv=sighting.argv,
        image_hint=sighting.image_hint,
    )
