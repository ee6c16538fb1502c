"""The lifecycle of containers: which observation means a start, a failed start, a stop, a pause.

Rules:

1. A start is the first execve of a container's init, once per init process, however often it is
   reported. A container has one init at a time: a second process that looks like one starts
   nothing.
2. ``init_owners`` decides which container an init belongs to.
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

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate import builds, supervision
from sensor.correlate.client_command import ClientRequest
from sensor.correlate.container_descriptions import ContainerDescriptions
from sensor.correlate.containers import ContainerState, ContainerStep, Creation, Pending, is_unique
from sensor.correlate.init_owners import InitOwners
from sensor.correlate.known_inits import KnownInits
from sensor.correlate.naming import Names
from sensor.correlate.pauses import Pauses
from sensor.correlate.runtime_command import Verb
from sensor.correlate.start_limits import StartLimits
from sensor.model.kernel_records import CgroupBirth, CommandExec, CommandExit, InitExec, InitExit
from sensor.model.vocabulary import Role
from sensor.shares import account_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.claims import Claims
    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.containers import ContainerKey
    from sensor.correlate.ends import EndReporter
    from sensor.correlate.events import Clock, Output
    from sensor.correlate.past import RecentPast
    from sensor.correlate.places import Places
    from sensor.correlate.runtimes import RuntimeLog, RuntimeRun
    from sensor.correlate.starts import StartReporter
    from sensor.model.inventory import ContainerDescribed, FoundContainer

DESCRIPTION_WAIT = 1_000_000_000
"""Nanoseconds that a start waits for a description. Reading one takes about a millisecond; a node
under great pressure, or a hung disk, takes longer."""


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
        self._descriptions = ContainerDescriptions(clock, table, places, emit)
        self._waiting: dict[tuple[int, int], ContainerState] = {}
        """By the init, the first deadline first: all wait equally long."""
        self._to_prepare: dict[ContainerKey, ContainerState] = {}
        """Whose cause is to be looked for after the batch: a start in it does not wait for that."""
        self.ignored: Counter[str] = Counter()
        """Observations that concerned no container, by reason."""
        self.inits = KnownInits()
        self.pauses = Pauses(table, claims, ends, self.ignored)
        self._limits = StartLimits(ends.limited)
        self._owners = InitOwners(
            table,
            places,
            claims,
            runtimes,
            ends,
            limits=self._limits,
            ignored=self.ignored,
            flush=self._flush,
        )

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
            state.starter = run.exec
            held, state.held = state.held, None
            if held is not None:
                self.on_init_exec(replace(held, time=run.exec.time))
            else:
                self._to_prepare[state.key] = state

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
        if self.inits.is_restore(creation.process.key):
            # A record that came twice.
            self.ignored["init_known"] += 1
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
        state.move(ContainerStep.CREATE)
        state.failed = state.proven = state.asked_to_start = False
        state.held = state.starter = None
        state.description = None
        maker = creation.process.cgroup
        state.parents = self._table.known(self._places.chain(maker), maker)
        names = Names(state.key.id, None)
        run = self._past.clients.asked_by_command(ClientRequest.RUN, names, 0, creation.time)
        command = run.command if run is not None else None
        state.image_hint = command.image if command is not None else None
        self._descriptions.ask(state, creation)
        if is_unique(state.key.id):
            # An id of its own: no other container has such a path.
            self._places.expect(state.key.id)

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
        self.pauses.on_exit(run, exit_)

    def _on_creation_exit(self, creation: Creation, exit_: CommandExit) -> None:
        state = self._claims.known(creation)
        if state is None or state.creation is not creation or not state.unstarted:
            return
        if exit_.status != 0:
            self._fail(state, exit_, exit_.status, f"{creation.command.verb} failed")
        elif creation.command.verb is Verb.RESTORE and self._counts(state):
            self.inits.take_restore(creation.process.key, creation.origin.share)
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
        if not self._limits.failures.allows(_share_of(state), seen.time):
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
        if self._table.of_init(process.key) is not None or self.inits.is_taken(process.key):
            self.ignored["init_known"] += 1
            return
        state = self._owners.of(exec_)
        if state is None:
            return
        self.inits.take(process.key, _share_of(state))
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
            self._descriptions.ask(state, state.creation)
        state.pending = Pending(exec_, self._clock.now + DESCRIPTION_WAIT)
        self._waiting[process.key.tick] = state

    def _start(self, state: ContainerState, exec_: InitExec) -> None:
        if state.description is not None and state.description.build_step:
            self.ignored["build_step"] += 1
            state.move(ContainerStep.REST)
            return
        share = _share_of(state)
        if not self._limits.starts.allows(share, exec_.time):
            self.ignored["starts_limited"] += 1
            self._limits.exceeded(account_of(share or ""), exec_.time)
            state.move(ContainerStep.REST)
            return
        self._starts.executed(state, exec_)

    def start_late(self, state: ContainerState, found: FoundContainer) -> None:
        """Report a start that the probes did not see: its init was found running."""
        self.inits.take(found.init, _share_of(state))
        self._starts.found(state, found)

    def on_init_exit(self, exit_: InitExit) -> None:
        """Take note that an init ended, before or after its first execve."""
        waiting = self._waiting.get(exit_.process.tick)
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
            self.inits.end(exit_.process, self._places.share_of_init(exit_.cgroup))
            self.ignored["exit_unknown"] += 1
            return
        creation = state.creation
        self._ends.stopped(state, exit_)
        self._runtimes.forget_run(state.key.id, state.owner, creation, state.cgroup)

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
            or self.inits.is_taken(exit_.process)
        ):
            return None
        state.cgroup = exit_.cgroup
        self.inits.take(exit_.process, _share_of(state))
        self._starts.missed(state, exit_)
        return state

    # ----------------------------------------------------------------- descriptions and time

    def on_described(self, described: ContainerDescribed) -> None:
        """Take the identity worker's answer."""
        state = self._descriptions.take(described)
        if state is None:
            return
        if state.pending is not None:
            self._flush(state)
        else:
            self._to_prepare[state.key] = state

    def take_to_prepare(self) -> tuple[ContainerState, ...]:
        """Take the containers whose start is to come and of which something was learnt."""
        taken = tuple(self._to_prepare.values())
        self._to_prepare.clear()
        return taken

    def prepare(self, state: ContainerState) -> None:
        """Find the cause of a start that is to come, once for all that a batch holds of it."""
        if state.unstarted:
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
        self._waiting.pop(pending.exec.process.key.tick, None)
        self._start(state, pending.exec)
        for behind in pending.later:
            if isinstance(behind, InitExit):
                self.on_init_exit(behind)
            else:
                self.pauses.interrupt(state, *behind)


def _share_of(state: ContainerState) -> str | None:
    """Return whose tables a container's entries take, None for root's."""
    return state.owner.share if state.owner is not None else None
