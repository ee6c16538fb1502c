"""What runs already, against what was known: the agent's start-up comparison.

Containers that ran before the sensor came are inventory and no starts. One becomes a late start,
once, when its init began after the last thing that an earlier agent saw and before the probes that
are attached now: it is unreported until then. A container that was known to run and is gone has
stopped at an unknown time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate import orchestrators
from sensor.correlate.authority import owner_by_cgroup, owner_of_scope
from sensor.correlate.claims import UNKNOWN_SCOPE
from sensor.correlate.containers import (
    ContainerKey,
    ContainerState,
    ContainerStep,
    Run,
    container_key,
)
from sensor.model.events import Gap, SensorNote
from sensor.model.inventory import KnownContainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.authority import Origin
    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.ends import EndReporter
    from sensor.correlate.events import Clock, EventFactory, Output
    from sensor.correlate.lifecycle import Lifecycle
    from sensor.correlate.pods import Pods
    from sensor.model.agent_records import Heartbeat, ProbesAttached
    from sensor.model.inventory import (
        FoundContainer,
        InventoryTaken,
        KnowledgeRestored,
    )
    from sensor.model.vocabulary import ContainerId, LastEnd

NS_PER_SECOND = 1_000_000_000


class Inventory:
    """Compares the running containers with the table."""

    def __init__(
        self,
        clock: Clock,
        factory: EventFactory,
        table: ContainerTable,
        lifecycle: Lifecycle,
        ends: EndReporter,
        pods: Pods,
        emit: Callable[[Output], None],
    ) -> None:
        self._pods = pods
        self._clock = clock
        self._factory = factory
        self._table = table
        self._lifecycle = lifecycle
        self._ends = ends
        self._emit = emit
        self._seen: int | None = None
        self._attached: int | None = None
        self._down: tuple[float | None, LastEnd | None] = None, None

    def on_knowledge(self, knowledge: KnowledgeRestored) -> None:
        """Take over what an earlier agent knew; of another boot, nothing runs any more."""
        same_boot = knowledge.boot_id == self._clock.host.boot_id
        self._seen = knowledge.seen if same_boot else 0
        self._down = self._down_seconds(knowledge, same_boot=same_boot), knowledge.ended
        for known in knowledge.containers:
            self._restore(known)
        self._table.dirty.clear()

    def changes(
        self,
    ) -> tuple[tuple[KnownContainer, ...], tuple[tuple[ContainerId, str | None], ...]]:
        """Containers that changed since the last call, and those that were forgotten."""
        changed: list[KnownContainer] = []
        gone: list[tuple[ContainerId, str | None]] = []
        for key in self._table.dirty:
            state = self._table.get(key)
            if key.scope == UNKNOWN_SCOPE:
                continue
            if state is None:
                gone.append((key.id, key.scope))
            else:
                changed.append(known_of(state, self._clock))
        self._table.dirty.clear()
        return tuple(changed), tuple(gone)

    def _down_seconds(self, knowledge: KnowledgeRestored, *, same_boot: bool) -> float | None:
        """How long no agent ran, in seconds; None where the clocks do not agree."""
        now = self._clock.now
        if same_boot:
            gone = now - knowledge.seen
        elif knowledge.seen_wall is not None:
            gone = self._clock.wall(now) - knowledge.seen_wall
        else:
            return None
        return round(gone / NS_PER_SECOND, 3) if gone >= 0 else None

    def _restore(self, known: KnownContainer) -> None:
        owner = owner_of_scope(known.scope)
        state = self._table.obtain(ContainerKey(known.id, known.scope), owner)
        # What nothing changed since an earlier boot is still noted as that boot left it.
        earlier_boot = known.boot_id != self._clock.host.boot_id
        if known.running and not earlier_boot and known.init is not None:
            self._table.begin_run(state, known.init, known.init.start_time)
            state.started = self._started(known, known.init.start_time)
        elif not state.alive:
            state.move(ContainerStep.REST)
        state.starts = known.starts
        state.last_run = (
            Run(
                known.id,
                known.started_wall,
                known.stopped_wall,
                known.exit_code,
                known.signal,
                oom_killed=known.oom_killed,
                sandbox=known.sandbox,
                earlier_boot=earlier_boot,
            )
            if known.starts
            else None
        )
        if known.pod_uid is not None:
            self._table.join_pod(state, known.pod_uid, known.pod_container)

    def _started(self, known: KnownContainer, made: int) -> int:
        """Return when a run began as its start's event had it; ``made`` is when its init was.

        Both in ns since boot. A wall clock that was set since shows by a time outside of the run.
        """
        if known.started_wall is None:
            return made
        started = known.started_wall - self._clock.realtime_offset
        return started if made <= started <= self._clock.now else made

    def on_attached(self, attached: ProbesAttached) -> None:
        """Note that the probes report from that time on."""
        self._attached = attached.time
        (down, ended), self._down = self._down, (None, None)
        note = SensorNote(
            "probes_attached",
            probes_surviving=attached.surviving,
            down_seconds=down,
            last_end=ended,
        )
        self._emit(self._factory.sensor(self._clock.now, note))
        if self._seen is not None and self._seen < attached.time:
            reason = "no probes were attached: what started and ended meanwhile is unknown"
            gap = Gap("kernel", reason, self._seen, attached.time)
            self._emit(self._factory.gap(gap))

    def on_inventory(self, inventory: InventoryTaken) -> None:
        """Compare what runs with what is known to run."""
        found = {
            container_key(container.id, container.scope, _owner(container).domain): container
            for container in inventory.containers
        }
        # A name may be known under its runtime's root and be found without one.
        # A container that is around others has to be known when those are looked at.
        outside_in = sorted(found.items(), key=lambda one: len(one[1].parents))
        present = {self._compare(key, container) for key, container in outside_in}
        for state in self._table.all():
            gone = state.alive and not state.unnamed and state.key not in present
            if gone and not self._began_since(state, inventory):
                self._ends.vanished(state, inventory.time)
        note = SensorNote("inventory_taken", containers=len(found))
        self._emit(self._factory.sensor(inventory.time, note))

    def on_heartbeat(self, beat: Heartbeat) -> None:
        """Say that the sensor is alive, so that a node that says nothing has a problem."""
        note = SensorNote("alive", containers=self._table.running, log=beat.log)
        self._emit(self._factory.sensor(beat.time, note))

    @staticmethod
    def _began_since(state: ContainerState, inventory: InventoryTaken) -> bool:
        return state.started is not None and state.started >= inventory.time

    def _compare(self, key: ContainerKey, container: FoundContainer) -> ContainerKey:
        """Bring the table up to one found container; returns the key that it has there."""
        owner = _owner(container)
        state = self._table.get(key) or self._known(container.id, owner)
        if state is None:
            state = self._table.obtain(key, owner)
        if state.alive and state.init is not None and state.init.same(container.init):
            self._describe(state, container)
            return state.key
        if container.init in self._lifecycle.inits or self._newer(state, container):
            return state.key
        if state.alive:
            self._ends.vanished(state, container.init.start_time)
        self._describe(state, container)
        if self._unreported(container):
            self._lifecycle.start_late(state, container)
        else:
            self._table.begin_run(state, container.init, container.init.start_time)
        return state.key

    def _known(self, id_: ContainerId, owner: Origin) -> ContainerState | None:
        """Return a container of that id which is the same owner's."""
        states = reversed(self._table.all_named(id_))
        return next((s for s in states if s.owner is None or s.owner.domain == owner.domain), None)

    @staticmethod
    def _newer(state: ContainerState, container: FoundContainer) -> bool:
        """Whether the table knows of a run that began after the one that was found."""
        return (
            state.started is not None and state.started > container.init.start_time + 1_000_000_000
        ) or (state.init is not None and state.init.same(container.init))

    def _describe(self, state: ContainerState, container: FoundContainer) -> None:
        state.cgroup = container.cgroup
        state.parents = self._table.known(container.parents, container.cgroup)
        if container.description is not None:
            state.description = orchestrators.completed(container.description)
            place = orchestrators.place_of(state.description)
            if place is not None and place.owner:
                self._table.join_pod(state, *place.key)
            self._pods.learn(state)

    def _unreported(self, container: FoundContainer) -> bool:
        if self._seen is None or self._attached is None:
            return False
        return self._seen < container.init.start_time < self._attached


def _owner(container: FoundContainer) -> Origin:
    """Return who can have made a container that was found running."""
    return owner_by_cgroup(container.cgroup, container.parents, container.supervisor_uid)


def known_of(state: ContainerState, clock: Clock) -> KnownContainer:
    """Return what a later agent is to know of a container."""
    run = state.last_run
    if state.alive and state.started is not None:
        # What a later boot of the node will know of it: that it ran.
        description = state.description
        sandbox = description.sandbox_id if description is not None else None
        run = Run(state.key.id, clock.wall(state.started), None, None, None, sandbox=sandbox)
    return KnownContainer(
        id=state.key.id,
        scope=state.key.scope,
        boot_id=clock.host.boot_id,
        init=state.init if state.alive else None,
        running=state.alive,
        starts=state.starts,
        started_wall=run.started_wall if run is not None else None,
        stopped_wall=run.stopped_wall if run is not None else None,
        exit_code=run.exit_code if run is not None else None,
        signal=run.signal if run is not None else None,
        pod_uid=state.pod_uid,
        pod_container=state.pod_container,
        oom_killed=run.oom_killed if run is not None else None,
        sandbox=run.sandbox if run is not None else None,
    )
