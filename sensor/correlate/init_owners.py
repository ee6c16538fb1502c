"""Which container an init belongs to.

Decided, in this order, by: the creating command of the runtime that it descends from; the command
line of the process that made its cgroup; its cgroup's own name. A process below a runtime is a
container of unknown id if the runtime's command line was held back or is not understood, or names a
container of another user. A process below a systemd-nspawn of root is the machine that its command
line names. Everything else starts no container: a sandbox, a service with a private pid namespace,
a hook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate import builds, supervision
from sensor.correlate.containers import container_key
from sensor.correlate.runtime_command import Verb
from sensor.model.vocabulary import ContainerId, Lineage

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from sensor.correlate.authority import Origin
    from sensor.correlate.claims import Claims
    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.containers import ContainerState, Creation
    from sensor.correlate.ends import EndReporter
    from sensor.correlate.places import Places
    from sensor.correlate.runtimes import RuntimeLog
    from sensor.correlate.start_limits import StartLimits
    from sensor.model.kernel_records import InitExec


class InitOwners:
    """Finds the container of an init. ``flush`` lets a start go that waits.

    Inits that start none are counted in ``ignored``.
    """

    def __init__(
        self,
        table: ContainerTable,
        places: Places,
        claims: Claims,
        runtimes: RuntimeLog,
        ends: EndReporter,
        *,
        limits: StartLimits,
        ignored: Counter[str],
        flush: Callable[[ContainerState], None],
    ) -> None:
        self._table = table
        self._places = places
        self._claims = claims
        self._runtimes = runtimes
        self._ends = ends
        self._limits = limits
        self._ignored = ignored
        self._flush = flush

    def of(self, exec_: InitExec) -> ContainerState | None:
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
            self._ignored["second_init"] += 1
            return None
        if state.alive:
            self._ends.ended_unseen(state)
        state.parents = self._table.known(identity.parents, process.cgroup)
        return state

    def _by_creation(self, exec_: InitExec, creation: Creation) -> ContainerState | None:
        if builds.is_step(creation):
            self._ignored["build_step"] += 1
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
            self._ignored["second_init"] += 1
            return None
        if not state.parents:
            around = self._places.around(state.key.id, exec_.process.cgroup)
            state.parents = self._table.known(around, exec_.process.cgroup)
        if state.unstarted and not state.asked_to_start and _is_sandbox(exec_, creation):
            state.held = state.held or exec_
            self._ignored["sandbox_before_start"] += 1
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
        origin = run.origin if run is not None else self._places.origin(exec_.process)
        if run is None and not _is_command_lost(exec_, origin):
            return self._below_launcher(exec_)
        if run is not None and run.command is not None:
            self._ignored["no_container"] += 1
            return None
        if not self._limits.unnamed.allows(origin.share, exec_.time):
            self._ignored["unnamed_limited"] += 1
            self._limits.exceeded(origin.account or "", exec_.time)
            return None
        state = self._claims.unnamed(exec_, run, origin)
        around = self._places.chain(exec_.process.cgroup)
        state.parents = self._table.known(around, exec_.process.cgroup)
        return state

    def _below_launcher(self, exec_: InitExec) -> ContainerState | None:
        """Find the machine of a systemd-nspawn of root that put it into no cgroup of its own."""
        launch = self._runtimes.launch_of(exec_.root)
        name = supervision.machine_of(launch) if launch is not None else None
        origin = self._places.origin(launch.process) if launch is not None else None
        if name is None or origin is None or not origin.privileged:
            self._ignored["no_container"] += 1
            return None
        state = self._table.obtain(container_key(ContainerId(name), None, origin.domain), origin)
        if state.alive:
            self._ignored["second_init"] += 1
            return None
        return state


def _is_command_lost(exec_: InitExec, origin: Origin) -> bool:
    """Whether an init is below a runtime whose command the probes may have held back.

    They note no loss of a plain user, whose commands cause no start of root's.
    """
    return exec_.lineage is Lineage.RUNTIME and (exec_.causes_lost or not origin.privileged)


def _is_sandbox(exec_: InitExec, creation: Creation) -> bool:
    """Whether a process is a part of the runtime, which ``create`` leaves behind (gVisor)."""
    name = (exec_.process.exe or "").rpartition("/")[2]
    own = (creation.process.exe or creation.program).rpartition("/")[2]
    return creation.command.verb is Verb.CREATE and name == own
