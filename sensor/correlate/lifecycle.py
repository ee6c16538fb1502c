"""The lifecycle of containers: which observation means a start, a failed start, a stop, a pause.

Rules:

1. A start is the first execve of a container's init, once per init process, however often it is
   reported. A container has one init at a time: a second process that looks like one starts
   nothing.
2. Which container an init belongs to is decided, in this order, by: the creating command of the
   runtime that it descends from; the command line of the process that made its cgroup; its cgroup's
   own name. A process below a runtime whose command line is not understood, or names a container
   of another user, is a container of unknown id. Everything else is not a container (a sandbox, a
   service with a private pid namespace, a hook).
3. A start waits for the container's description while one is under way, DESCRIPTION_WAIT at most.
   What comes about the same container meanwhile waits behind it.
4. A creation fails when its init ends before its first execve, when the creating command ends with
   an error before it, or when the container is deleted before it; once per creation.
5. The end of an init that had executed its entrypoint proves a start whose record was lost.
6. A restored container's init never calls execve: the restore command's success is its start.
7. What an earlier agent received already is background: it is remembered, and nothing follows.
8. Steps of image builds are runtime commands too, and no container starts: they are counted only.
9. A command about a container counts only when its author owns the container (``authority``). What
   a stranger's command claims is counted by user. A command of any user but root of the host makes
   no event by itself: a cgroup or an init has to show that there is a container.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate import builds, orchestrators, supervision
from sensor.correlate.client_command import Request
from sensor.correlate.containers import (
    ContainerKey,
    ContainerState,
    ContainerTable,
    Creation,
    Pending,
    Phase,
    is_unique,
)
from sensor.correlate.naming import Names
from sensor.correlate.runtime_command import Verb
from sensor.correlate.shares import Budget
from sensor.model.kernel_records import CgroupBirth, CommandExec, CommandExit, InitExec, InitExit
from sensor.model.process import NS_PER_TICK, ProcessKey
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import Lineage, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.claims import Claims
    from sensor.correlate.ends import EndReporter
    from sensor.correlate.events import Clock, Output
    from sensor.correlate.past import RecentPast
    from sensor.correlate.places import Places
    from sensor.correlate.runtimes import RuntimeLog, RuntimeRun
    from sensor.correlate.starts import StartReporter
    from sensor.model.container import Description
    from sensor.model.inventory import ContainerDescribed, FoundContainer
    from sensor.model.kernel_records import CgroupFrozen

DESCRIPTION_WAIT = 1_000_000_000
"""Nanoseconds that a start waits for a description. Reading one takes about a millisecond; a node
under great pressure, or a hung disk, takes longer."""

LATER_MAX = 64
"""Pauses and resumes that wait behind one start; more are counted. Its end always finds room."""

ENDED_MAX = 1024
"""Ended inits of unknown containers that are remembered, for inventories under way."""

TOLD_MAX = 4096
"""Inits whose start was taken that are remembered, for records that arrive a second time."""

LIMITED_EVERY = 60_000_000_000
"""Nanoseconds between two gaps about one user's starts."""
LIMITED_USERS = 256

FAILURES_BURST, FAILURES_EVERY = 32, 20.0
"""Failed starts that a user other than root of the host may cause: so many, then one in so many
seconds. An event takes half a kibibyte of the log."""

UNNAMED_BURST, UNNAMED_EVERY = 32, 20.0
"""The same for containers of unknown id."""

STARTS_BURST, STARTS_EVERY = 256, 3.0
"""The same for starts of that user's own containers. What is beyond it becomes a gap."""


class Lifecycle:
    """Turns kernel observations about containers into starts, ends and describe requests."""

    def __init__(
        self,
        clock: Clock,
        table: ContainerTable,
        places: Places,
        *,
        claims: Claims,
        runtimes: RuntimeLog,
        past: RecentPast,
        starts: StartReporter,
        ends: EndReporter,
        emit: Callable[[Output], None],
    ) -> None:
        self._clock = clock
        self._table = table
        self._places = places
        self._claims = claims
        self._runtimes = runtimes
        self._past = past
        self._starts = starts
        self._ends = ends
        self._emit = emit
        self._waiting: dict[tuple[int, int], ContainerState] = {}
        """By the init, the first deadline first: all wait equally long."""
        self._ended: deque[ProcessKey] = deque(maxlen=ENDED_MAX)
        self._told: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._freezer_seen = False
        """The kernel reports freezing, so a pause command without it did not pause."""
        self._failures = Budget(FAILURES_BURST, FAILURES_EVERY)
        self._unnamed = Budget(UNNAMED_BURST, UNNAMED_EVERY)
        self._starting = Budget(STARTS_BURST, STARTS_EVERY)
        self._limited_told: OrderedDict[str, int] = OrderedDict()
        self.ignored: Counter[str] = Counter()
        """Observations that concerned no container, by reason."""

    # ----------------------------------------------------------------- commands

    def on_command(self, exec_: CommandExec) -> None:
        """Take note that a watched program was executed."""
        if exec_.role is Role.CLIENT:
            self._past.add_client(exec_, self._places.origin(exec_.process))
            return
        origin = self._places.origin(exec_.process)
        if exec_.role is Role.ORCHESTRATOR:
            # What it asks engines for is seen at their sockets; it runs no container itself.
            return
        if supervision.begins_engine(exec_):
            self._runtimes.add_engine(exec_, origin, origin.inside)
        elif exec_.role is Role.RUNTIME:
            run = self._runtimes.add_runtime(exec_, origin)
            if run is not None and not exec_.again:
                self._on_runtime(run)
        else:
            self._runtimes.add_supervisor(exec_, origin)

    def _on_runtime(self, run: RuntimeRun) -> None:
        if run.creation is not None:
            self._begin_creation(run.creation)
            return
        command = run.command
        if command is None or command.verb not in (Verb.DELETE, Verb.START):
            return
        state = self._claims.of_command(command, run.origin)
        if state is None:
            return
        if command.verb is Verb.DELETE:
            self._on_delete(state, run.exec)
        elif state.unstarted:
            state.asked_to_start = True
            held, state.held = state.held, None
            if held is not None:
                self.on_init_exec(replace(held, time=run.exec.time))
            else:
                self._starts.prepare(state)

    def on_birth(self, birth: CgroupBirth) -> None:
        """Take note that a process that may be a runtime made a cgroup."""
        origin = self._places.origin(birth.maker)
        known = self._runtimes.creation_of(birth.maker.key)
        creation = self._runtimes.add_birth(birth, origin)
        if birth.again or creation is None:
            return
        if known is None:
            self._begin_creation(creation)
        state = self._claims.known(creation)
        if state is not None and state.creation is creation:
            state.proven = True

    def _begin_creation(self, creation: Creation) -> None:
        if builds.is_step(creation):
            return
        state = self._claims.of_creation(creation)
        if state is None:
            return
        self._flush(state)
        if state.alive:
            # A runtime refuses an id that is in use: this command is about to fail.
            self.ignored["create_of_running"] += 1
            return
        state.creation = creation
        state.phase = Phase.CREATED
        state.failed = state.proven = state.asked_to_start = False
        state.held = None
        state.description = None
        state.parents = self._table.known(self._places.chain(creation.process.cgroup))
        names = Names(state.key.id, None)
        run = self._past.clients.asked_by_command(Request.RUN, names, 0, creation.time)
        command = run.command if run is not None else None
        state.image_hint = command.image if command is not None else None
        self._ask(state, creation)
        if is_unique(state.key.id):
            # An id of its own: no other container has such a path.
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
        if self._past.end(exit_.process, exit_.time) or exit_.again:
            return
        creation = self._runtimes.creation_of(exit_.process)
        if creation is not None:
            self._on_creation_exit(creation, exit_)
            return
        run = self._runtimes.take_command(exit_.process)
        if run is None or run.command is None or exit_.status != 0:
            return
        verb = run.command.verb
        if verb not in (Verb.PAUSE, Verb.RESUME):
            return
        state = self._claims.of_command(run.command, run.origin)
        if state is None or not self._agrees(state, verb):
            return
        if state.pending is None:
            self._interrupt(state, verb, exit_)
        elif len(state.pending.later) < LATER_MAX:
            state.pending.later.append((verb, exit_))
        else:
            self.ignored["behind_waiting_start"] += 1

    def on_frozen(self, seen: CgroupFrozen) -> None:
        """Take note that a cgroup was frozen or thawed: only then is a container paused."""
        self._freezer_seen = True
        state = self._table.of_cgroup(seen.path)
        if state is not None:
            state.frozen = seen.frozen

    def _agrees(self, state: ContainerState, verb: Verb) -> bool:
        """Whether the kernel's state of the cgroup, where it is known, is what a command claims."""
        if not self._freezer_seen or state.frozen is (verb is Verb.PAUSE):
            return True
        if state.frozen is None and state.pending is not None:
            return True
        self.ignored["pause_not_seen"] += 1
        return False

    def _interrupt(self, state: ContainerState, verb: Verb, exit_: CommandExit) -> None:
        if verb is Verb.PAUSE and state.phase is Phase.RUNNING:
            self._ends.paused(state, exit_)
        elif verb is Verb.RESUME and state.phase is Phase.PAUSED:
            self._ends.unpaused(state, exit_)

    def _on_creation_exit(self, creation: Creation, exit_: CommandExit) -> None:
        state = self._claims.known(creation)
        if state is None or state.creation is not creation or not state.unstarted:
            return
        if exit_.status != 0:
            self._fail(state, exit_, exit_.status, f"{creation.command.verb} failed")
        elif creation.command.verb is Verb.RESTORE and self._counts(state):
            self._remember(creation.process.key)
            self._starts.restored(state, exit_)

    def _counts(self, state: ContainerState) -> bool:
        """Whether a command line of that author is enough, or more than it was seen."""
        owner = state.owner
        if state.proven or owner is None or owner.domain is None:
            return True
        self.ignored["unproven_creation"] += 1
        self._table.discard(state)
        return False

    def _fail(
        self,
        state: ContainerState,
        seen: InitExit | CommandExit | CommandExec,
        status: int | None,
        reason: str,
    ) -> None:
        if not self._counts(state):
            return
        domain = state.owner.domain if state.owner is not None else None
        if not self._failures.allows(domain, seen.time):
            self.ignored["failures_limited"] += 1
            self._table.discard(state)
            return
        self._ends.failed(state, seen, status, reason)

    def _on_delete(self, state: ContainerState, exec_: CommandExec) -> None:
        if not state.unstarted:
            return
        if state.asked_to_start:
            # Its init was started, and neither its execve nor its end was seen.
            if self._counts(state):
                self._ends.lost_run(state, exec_)
            return
        self._fail(state, exec_, None, "deleted before its first execve")

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
        state.depth = len(process.ns_pids)
        if state.unnamed:
            self._starts.executed(state, exec_)
            return
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
        """Find the container of an init by rule 2; None when it starts none."""
        process = exec_.process
        creation = None
        if exec_.lineage is Lineage.RUNTIME:
            creation = self._runtimes.creation_above(exec_.root, process.ancestors)
        if creation is None:
            creation = self._runtimes.birth_of(process.cgroup.v1, process.cgroup.v2)
        if creation is not None:
            return self._by_creation(exec_, creation)
        identity = self._places.identity(process.cgroup)
        if identity is None or not identity.exact:
            return self._below_runtime(exec_)
        state = self._claims.of_cgroup(process.cgroup, identity)
        if state is None:
            return self._below_runtime(exec_)
        if state.alive and not self._replaces(exec_, state):
            self.ignored["second_init"] += 1
            return None
        if state.alive:
            self._ends.ended_unseen(state)
        state.parents = self._table.known(identity.parents)
        return state

    def _by_creation(self, exec_: InitExec, creation: Creation) -> ContainerState | None:
        if builds.is_step(creation):
            self.ignored["build_step"] += 1
            return None
        state = self._claims.of_creation(creation)
        if state is None:
            return self._below_runtime(exec_)
        if state.creation is not creation:
            self._flush(state)
            if state.alive:
                # A runtime makes no container whose init runs: its end went unseen.
                self._ends.ended_unseen(state)
            state.creation = creation
            state.description = None
            state.asked = None
        elif state.alive or state.pending is not None:
            self.ignored["second_init"] += 1
            return None
        if not state.parents:
            around = self._places.around(state.key.id, exec_.process.cgroup)
            state.parents = self._table.known(around)
        if state.unstarted and not state.asked_to_start and _is_sandbox(exec_, creation):
            state.held = state.held or exec_
            self.ignored["sandbox_before_start"] += 1
            return None
        return state

    def _replaces(self, exec_: InitExec, state: ContainerState) -> bool:
        """Whether an init without a creating command is the next one of a running container.

        It descends from another runtime than the running one, and is not deeper in pid namespaces,
        as what the container itself starts would be.
        """
        creation = state.creation
        if exec_.root is None or creation is None or exec_.root.same(creation.process.key):
            return False
        run = self._runtimes.run_of(exec_.root)
        if run is not None and run.command is not None:
            return False
        return exec_.lineage is Lineage.RUNTIME and len(exec_.process.ns_pids) <= state.depth

    def _below_runtime(self, exec_: InitExec) -> ContainerState | None:
        """Make a container of unknown id of an init that nothing but its runtime explains."""
        run = None
        if exec_.lineage is Lineage.RUNTIME:
            run = self._runtimes.run_above(exec_.root, exec_.process.ancestors)
        if run is None or run.command is not None:
            self.ignored["no_container"] += 1
            return None
        if not self._unnamed.allows(run.origin.domain, exec_.time):
            self.ignored["unnamed_limited"] += 1
            self._limited(run.origin.domain or "", exec_.time)
            return None
        state = self._claims.unnamed(exec_, run, run.origin)
        state.parents = self._table.known(self._places.chain(exec_.process.cgroup))
        return state

    def _start(self, state: ContainerState, exec_: InitExec) -> None:
        if state.description is not None and state.description.build_step:
            self.ignored["build_step"] += 1
            state.phase = Phase.STOPPED
            return
        domain = state.owner.domain if state.owner is not None else None
        if not self._starting.allows(domain, exec_.time):
            self.ignored["starts_limited"] += 1
            self._limited(domain or "", exec_.time)
            state.phase = Phase.STOPPED
            return
        self._starts.executed(state, exec_)

    def _limited(self, domain: str, time: int) -> None:
        """Report, once a minute at most, that a user starts more containers than are reported."""
        if time - self._limited_told.get(domain, -LIMITED_EVERY) < LIMITED_EVERY:
            return
        self._limited_told[domain] = time
        self._limited_told.move_to_end(domain)
        if len(self._limited_told) > LIMITED_USERS:
            self._limited_told.popitem(last=False)
        self._ends.limited(domain, time)

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
        self._past.end(exit_.process, exit_.time)
        state = self._table.of_init(exit_.process)
        if state is None and not exit_.started:
            creation = self._runtimes.creation_of(exit_.root)
            if creation is not None:
                state = self._claims.known(creation)
            if state is not None and state.creation is creation and state.unstarted:
                state.proven = True
                self._fail(state, exit_, exit_.status, "its init ended before its first execve")
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
        self._runtimes.forget_supervisor(state.key.id)

    def _missed_start(self, exit_: InitExit) -> ContainerState | None:
        """Report the start that an end proves: the record of the first execve was lost."""
        identity = self._places.identity(exit_.cgroup)
        if identity is None or not self._table.all_named(identity.id):
            return None
        state = self._claims.of_cgroup(exit_.cgroup, identity)
        if (
            state is None
            or not state.unstarted
            or state.held is not None
            or _moment(exit_.process) in self._told
        ):
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
        description = orchestrators.completed(described.description)
        if state.pending is not None and self._lacks_pod(state, description):
            # Nothing was left of it but what kubelet wrote, which is found by the init's cgroup.
            state.pending.asked_again = True
            self._ask(state, state.creation)
            return
        if state.phase is not Phase.STOPPED:
            state.description = description
        if state.pending is not None:
            state.description = description
            self._flush(state)
        else:
            self._prepare(state)

    def _lacks_pod(self, state: ContainerState, description: Description) -> bool:
        """Whether a waiting start is in a pod by its cgroup, and was described without one."""
        if state.pending is None or state.pending.asked_again:
            return False
        identity = self._places.identity(state.cgroup)
        in_pod = identity is not None and identity.pod_uid is not None
        return in_pod and description.command is None and description.orchestrator is None

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


def _is_sandbox(exec_: InitExec, creation: Creation) -> bool:
    """Whether a process is a part of the runtime, which ``create`` leaves behind (gVisor)."""
    name = (exec_.process.exe or "").rpartition("/")[2]
    own = (creation.process.exe or creation.program).rpartition("/")[2]
    return creation.command.verb is Verb.CREATE and name == own


def _moment(process: ProcessKey) -> tuple[int, int]:
    """Name a process as both procfs and the kernel know it."""
    return process.pid, process.start_time // NS_PER_TICK
