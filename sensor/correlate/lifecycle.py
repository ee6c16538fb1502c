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
5. The end of an init that had executed its entrypoint proves a start whose record was lost.
6. A restored container's init never calls execve: the restore command's success is its start.
7. What an earlier agent was told already is background: it is remembered, and nothing follows.
8. Steps of image builds are runtime commands too, and no container starts: they are counted only.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING

from sensor.correlate import supervision
from sensor.correlate.client_command import Request
from sensor.correlate.containers import (
    ContainerKey,
    ContainerState,
    ContainerTable,
    Creation,
    Pending,
    Phase,
    container_key,
)
from sensor.correlate.naming import Names
from sensor.correlate.places import Places, is_build
from sensor.correlate.runtime_command import RuntimeCommand, Verb
from sensor.model.observations import (
    CgroupBirth,
    CommandExec,
    CommandExit,
    ContainerDescribed,
    FoundContainer,
    InitExec,
    InitExit,
)
from sensor.model.process import NS_PER_TICK, ProcessKey
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import Lineage, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.callers import CallerLog
    from sensor.correlate.commands import CommandLog
    from sensor.correlate.ends import EndReporter
    from sensor.correlate.events import Clock, Output
    from sensor.correlate.starts import StartReporter
    from sensor.model.container import Description

DESCRIPTION_WAIT = 1_000_000_000
"""Nanoseconds that a start waits for a description. Reading one takes about a millisecond; a node
under great pressure, or a hung disk, takes longer."""

LATER_MAX = 64
"""Pauses and resumes that wait behind one start; more are counted. Its end always finds room."""

ENDED_MAX = 1024
"""Ended inits of unknown containers that are remembered, for inventories under way."""

TOLD_MAX = 4096
"""Inits whose start was taken that are remembered, for records that are told a second time."""


class Lifecycle:
    """Turns kernel observations about containers into starts, ends and describe requests."""

    def __init__(
        self,
        clock: Clock,
        table: ContainerTable,
        places: Places,
        commands: CommandLog,
        callers: CallerLog,
        starts: StartReporter,
        ends: EndReporter,
        emit: Callable[[Output], None],
    ) -> None:
        self._clock = clock
        self._table = table
        self._places = places
        self._commands = commands
        self._callers = callers
        self._starts = starts
        self._ends = ends
        self._emit = emit
        self._waiting: dict[tuple[int, int], ContainerState] = {}
        """By the init, the first deadline first: all wait equally long."""
        self._ended: deque[ProcessKey] = deque(maxlen=ENDED_MAX)
        self._told: OrderedDict[tuple[int, int], None] = OrderedDict()
        self.ignored: Counter[str] = Counter()
        """Observations that concerned no container, by reason."""

    # ----------------------------------------------------------------- commands

    def on_command(self, exec_: CommandExec) -> None:
        """Take note that a watched program was executed."""
        if exec_.role is Role.CLIENT:
            self._commands.add_client(exec_)
            self._callers.add_client(exec_)
        elif supervision.begins_engine(exec_):
            self._commands.add_engine(exec_, self._places.chain(exec_.process.cgroup))
        elif exec_.role is Role.RUNTIME:
            command = self._commands.add_runtime(exec_)
            if exec_.again:
                return
            if isinstance(command, Creation):
                self._begin_creation(command)
            elif command is not None and command.verb is Verb.DELETE:
                self._on_delete(command, exec_)
            elif command is not None and command.verb is Verb.START:
                self._prepare(self._table.get(container_key(command.id, command.root)))
        else:
            id_ = supervision.container_of(exec_)
            if id_ is not None:
                self._callers.add_supervisor(id_, exec_)

    def on_birth(self, birth: CgroupBirth) -> None:
        """Take note that a process that may be a runtime made a cgroup."""
        creation = self._commands.add_birth(birth)
        if birth.again:
            return
        if creation is not None and self._commands.creation_of(creation.process.key) is None:
            self._begin_creation(creation)

    def _begin_creation(self, creation: Creation) -> None:
        state = self._table.obtain(container_key(creation.command.id, creation.command.root))
        self._flush(state)
        if state.alive:
            # A runtime refuses an id that is in use: this command is about to fail.
            self.ignored["create_of_running"] += 1
            return
        state.creation = creation
        state.phase = Phase.CREATED
        state.failed = False
        state.description = None
        state.parents = self._places.chain(creation.process.cgroup)
        names = Names(state.key.id, None)
        run = self._commands.asked(Request.RUN, names, 0, creation.time)
        state.image_hint = run.command.image if run is not None else None
        self._ask(state, creation)
        if state.key.scope is None:
            # An id of its own: nobody else has such a path.
            self._places.expect(state.key.id)

    def _ask(self, state: ContainerState, creation: Creation | None) -> None:
        state.asked = self._clock.now
        identity = self._places.identity(state.cgroup)
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
                scope=state.key.scope,
            )
        )

    def on_command_exit(self, exit_: CommandExit) -> None:
        """Take note that a runtime's or client's own process ended."""
        if self._commands.end_client(exit_.process, exit_.time) or exit_.again:
            return
        creation = self._commands.creation_of(exit_.process)
        if creation is not None:
            self._on_creation_exit(creation, exit_)
            return
        command = self._commands.other_of(exit_.process)
        if command is None or exit_.status != 0:
            return
        state = self._table.get(container_key(command.id, command.root))
        if state is None or command.verb not in (Verb.PAUSE, Verb.RESUME):
            return
        if state.pending is None:
            self._interrupt(state, command.verb, exit_)
        elif len(state.pending.later) < LATER_MAX:
            state.pending.later.append((command.verb, exit_))
        else:
            self.ignored["behind_waiting_start"] += 1

    def _interrupt(self, state: ContainerState, verb: Verb, exit_: CommandExit) -> None:
        if verb is Verb.PAUSE and state.phase is Phase.RUNNING:
            self._ends.paused(state, exit_)
        elif verb is Verb.RESUME and state.phase is Phase.PAUSED:
            self._ends.unpaused(state, exit_)

    def _on_creation_exit(self, creation: Creation, exit_: CommandExit) -> None:
        state = self._table.get(container_key(creation.command.id, creation.command.root))
        if state is None or state.creation is not creation or not state.unstarted:
            return
        if exit_.status != 0:
            self._ends.failed(state, exit_, exit_.status, f"{creation.command.verb} failed")
        elif creation.command.verb is Verb.RESTORE:
            self._remember(creation.process.key)
            self._starts.restored(state, exit_)

    def _on_delete(self, command: RuntimeCommand, exec_: CommandExec) -> None:
        state = self._table.get(container_key(command.id, command.root))
        if state is not None and state.unstarted:
            self._ends.failed(state, exec_, None, "deleted before its first execve")

    # ----------------------------------------------------------------- inits

    def on_init_exec(self, exec_: InitExec) -> None:
        """Start the container of a process whose first execve the probes took for an init's."""
        process = exec_.process
        if self._table.of_init(process.key) is not None or _moment(process.key) in self._told:
            self.ignored["init_known"] += 1
            return
        state = self._container_of(exec_)
        if state is None:
            return
        self._remember(process.key)
        state.cgroup = process.cgroup
        if state.alive:
            # Its end went unseen; the new init proves it.
            self._ends.ended_unseen(state)
        if state.description is not None or state.pending is not None:
            self._flush(state)
            self._start(state, exec_)
            self._places.remember(state.key.id, process.cgroup)
            return
        if state.asked is None:
            self._ask(state, state.creation)
        state.pending = Pending(exec_, self._clock.now + DESCRIPTION_WAIT)
        self._waiting[_moment(process.key)] = state

    def _remember(self, init: ProcessKey) -> None:
        """Keep in mind that the init's start is reported or waits to be: rule 1."""
        self._told[_moment(init)] = None
        if len(self._told) > TOLD_MAX:
            self._told.popitem(last=False)

    def _container_of(self, exec_: InitExec) -> ContainerState | None:
        process = exec_.process
        if is_build(process.cgroup):
            self.ignored["build_step"] += 1
            return None
        creation = None
        if exec_.lineage is Lineage.RUNTIME:
            creation = self._commands.creation_of(exec_.root)
        if creation is None:
            creation = self._commands.birth_of(process.cgroup.v1, process.cgroup.v2)
        if creation is not None:
            state = self._table.obtain(container_key(creation.command.id, creation.command.root))
            if state.creation is not creation:
                state.creation = creation
                state.description = None
                state.asked = None
            if not state.parents:
                state.parents = self._places.around(state.key.id, process.cgroup)
            return state
        identity = self._places.identity(process.cgroup)
        if identity is None or not identity.exact:
            self.ignored["no_container"] += 1
            return None
        known = self._table.named(identity.id)
        state = known or self._table.obtain(container_key(identity.id, None))
        state.parents = identity.parents
        return state

    def _start(self, state: ContainerState, exec_: InitExec) -> None:
        if state.description is not None and state.description.build_step:
            self.ignored["build_step"] += 1
            state.phase = Phase.STOPPED
            return
        self._starts.executed(state, exec_)

    def start_late(self, state: ContainerState, found: FoundContainer) -> None:
        """Report a start that the probes did not see: its init was found running."""
        self._remember(found.init)
        self._starts.found(state, found)

    def on_init_exit(self, exit_: InitExit) -> None:
        """Take note that an init ended, before or after its first execve."""
        waiting = self._waiting.get(_moment(exit_.process))
        if waiting is not None and waiting.pending is not None:
            waiting.pending.later.append(exit_)
            return
        self._commands.end_client(exit_.process, exit_.time)
        state = self._table.of_init(exit_.process)
        if state is None and not exit_.started:
            creation = self._commands.creation_of(exit_.root)
            if creation is not None:
                key = container_key(creation.command.id, creation.command.root)
                state = self._table.get(key)
            if state is not None and state.unstarted:
                reason = "its init ended before its first execve"
                self._ends.failed(state, exit_, exit_.status, reason)
                return
            if creation is None or state is None or state.init != creation.process.key:
                # Only a restored container is known by its runtime's process: rule 6.
                state = None
        if state is None and exit_.started:
            state = self._missed_start(exit_)
        if state is None or not state.alive:
            self._ended.append(exit_.process)
            self.ignored["exit_unknown"] += 1
            return
        self._ends.stopped(state, exit_)
        self._callers.forget_supervisor(state.key.id)

    def _missed_start(self, exit_: InitExit) -> ContainerState | None:
        """Report the start that an end proves: the record of the first execve was lost."""
        identity = self._places.identity(exit_.cgroup)
        state = self._table.named(identity.id) if identity is not None else None
        if state is None or not state.unstarted or _moment(exit_.process) in self._told:
            return None
        state.cgroup = exit_.cgroup
        self._remember(exit_.process)
        self._starts.missed(state, exit_)
        return state

    # ----------------------------------------------------------------- descriptions and time

    def on_described(self, described: ContainerDescribed) -> None:
        """Take the identity worker's answer."""
        if described.scope is not None:
            state = self._table.get(ContainerKey(described.id, described.scope))
        else:
            state = self._table.named(described.id)
        if state is None:
            return
        state.asked = None
        if not _is_answer(described.description):
            # The worker was overloaded: ask once more when the init is there, or at once if it is.
            if state.pending is None:
                return
            if not state.pending.asked_again:
                state.pending.asked_again = True
                self._ask(state, state.creation)
                return
        if state.phase is not Phase.STOPPED:
            state.description = described.description
        if state.pending is not None:
            state.description = described.description
            self._flush(state)
        else:
            self._prepare(state)

    def _prepare(self, state: ContainerState | None) -> None:
        if state is not None and state.unstarted:
            self._starts.prepare(state)

    def deadline(self) -> int | None:
        """When the first waiting start must go out, in ns since boot."""
        first = next(iter(self._waiting.values()), None)
        return first.pending.deadline if first is not None and first.pending is not None else None

    def expire(self) -> None:
        """Let starts go whose description did not come in time."""
        while (deadline := self.deadline()) is not None and deadline <= self._clock.now:
            self.ignored["description_late"] += 1
            self._flush(next(iter(self._waiting.values())))

    def _flush(self, state: ContainerState) -> None:
        pending, state.pending = state.pending, None
        if pending is None:
            return
        self._waiting.pop(_moment(pending.exec.process.key), None)
        self._start(state, pending.exec)
        for behind in pending.later:
            if isinstance(behind, InitExit):
                self.on_init_exit(behind)
            else:
                self._interrupt(state, *behind)

    def knows(self, init: ProcessKey) -> bool:
        """Whether that init's start was taken or its end was seen: an inventory adds nothing."""
        return _moment(init) in self._told or any(ended.same(init) for ended in self._ended)


def _is_answer(description: Description) -> bool:
    """Whether the identity worker looked at all: it names its own failures ``worker:…``."""
    return not any(problem.startswith("worker:") for problem in description.problems)


def _moment(process: ProcessKey) -> tuple[int, int]:
    """Name a process as both procfs and the kernel know it."""
    return process.pid, process.start_time // NS_PER_TICK
