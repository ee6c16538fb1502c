"""Decide how a start relates to the container's earlier runs.

    restored from a checkpoint                                   → restore
    never ran before, in this pod under this name neither        → first
    ran before, and stop and start belong to one operation       → restart
    ran before otherwise                                         → reactivation

"One operation" is shown, in this order, by: kubelet's own count of attempts; the engine's record
that it is restarting the container by its policy; a restart command or request that names it; the
engine having booted, with no client asking; and, with no client asking for either, a start that
follows the stop at once, as a supervisor's or a crash loop's does. A request decides and not the
gap: a stop and a start that were asked for are a reactivation, however close. So is a restart that
was asked for when the container had ended already: there was nothing to stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.containers import ContainerState, Run
from sensor.dataclass import dataclass
from sensor.model.container import KUBERNETES
from sensor.model.events import Initiator, PreviousRun, Start
from sensor.model.vocabulary import PodSource, StartKind, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.model.container import Description, EngineRecord

AT_ONCE = 2_000_000_000
"""Nanoseconds between stop and start below which no request is assumed in between.

Docker's restart takes 150-400 ms from the exit to the next init; its first policy back-off 100 ms.
"""

ENGINE_BOOT_WINDOW = 300_000_000_000
"""Nanoseconds after an engine's own start in which it is taken to be still starting containers."""

ORPHANS_WINDOW = 60_000_000_000
"""Nanoseconds after an engine's own start in which it ends what a killed one left running."""

RECORD_EARLY = 20_000_000
"""Nanoseconds by which an engine's own time of a start may be before the kernel's."""

_OF_SOMEONE = frozenset(
    {Trigger.USER_COMMAND, Trigger.DIRECT_RUNTIME, Trigger.API_CLIENT, Trigger.CONTAINER}
)
"""Triggers of starts that a process asked for, each for itself."""

_FROM_MANIFEST = frozenset({PodSource.FILE, PodSource.HTTP})

BOOT_POLICIES = frozenset({"always", "unless-stopped", "on-failure"})
"""Docker's restart policies for which it starts containers when it begins."""

NS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What surrounded the start of a container that ran before."""

    asked_to_start: bool
    """A client or a request asked to start or restart this container since it stopped."""
    asked_to_stop: bool
    """A client or a request asked to stop it during its last run: its end was wanted."""
    asked_to_restart: bool
    """A client or a request asked to restart this container, and did so while it ran."""
    engine_boot_wall: int | None
    """When the container's engine last began, in wall-clock ns, if the probes saw it."""


def earlier_run(
    state: ContainerState,
    description: Description | None,
    predecessor: ContainerState | None,
    started_wall: int,
) -> Run | None:
    """Return the run before this one: as seen, else as the engine's state on disk has it."""
    if state.last_run is not None:
        return state.last_run
    if predecessor is not None and predecessor is not state:
        if predecessor.last_run is not None:
            return predecessor.last_run
        return Run(predecessor.key.id, None, None, None, None)
    record = description.record if description is not None else None
    if record is not None and record.has_run and not _is_of(record, started_wall):
        code = record.exit_code
        return Run(state.key.id, record.started_wall, record.finished_wall, code, None)
    return None


def _is_of(record: EngineRecord, started_wall: int) -> bool:
    """Whether the engine wrote the record during or after this run: it describes this one.

    Docker stamps a start some milliseconds after the init's first execve.
    """
    return record.started_wall is not None and record.started_wall >= started_wall - RECORD_EARLY


def may_start_at_boot(description: Description | None) -> bool:
    """Whether an engine may start the container when it begins: by its policy, where known."""
    record = description.record if description is not None else None
    return record is None or record.restart_policy in (None, *BOOT_POLICIES)


def started_at_boot(
    run: Run, description: Description | None, started_wall: int, boot_wall: int | None
) -> bool:
    """Whether an engine that began at ``boot_wall`` starts the container anew by itself.

    The run before ended before the engine began. An engine that was killed leaves its containers
    running, and ends them itself when it begins again.
    """
    if boot_wall is None or not may_start_at_boot(description):
        return False
    if not 0 <= started_wall - boot_wall <= ENGINE_BOOT_WINDOW:
        return False
    if run.stopped_wall is None or run.stopped_wall <= boot_wall:
        return True
    orphan = run.started_wall is not None and run.started_wall < boot_wall
    return orphan and run.stopped_wall - boot_wall <= ORPHANS_WINDOW


def _one_operation(
    run: Run, description: Description | None, started_wall: int, seen: Circumstances
) -> bool:
    record = description.record if description is not None else None
    if record is not None and record.restarting:
        return True
    if seen.asked_to_restart:
        return True
    if seen.asked_to_start:
        return False
    stopped = run.stopped_wall
    if seen.asked_to_stop and stopped is not None:
        return False
    if started_at_boot(run, description, started_wall, seen.engine_boot_wall):
        return True
    return stopped is not None and 0 <= started_wall - stopped <= AT_ONCE


def decide(
    state: ContainerState,
    description: Description | None,
    predecessor: ContainerState | None,
    started_wall: int,
    circumstances: Callable[[Run], Circumstances],
    *,
    restoring: bool = False,
) -> Start:
    """Classify one start of ``state``; ``predecessor`` is the last of its name in its pod.

    ``circumstances`` is asked for nothing of most starts: they are the first.
    """
    pod = description.orchestrator if description is not None else None
    if pod is not None and pod.source in _FROM_MANIFEST and pod.attempt == 0:
        # The uid of a static pod is its manifest's hash: the same one again is another pod.
        predecessor = None
    run = earlier_run(state, description, predecessor, started_wall)
    pods = pod is not None and pod.type == KUBERNETES
    attempt = pod.attempt if pod is not None else None
    record = description.record if description is not None else None
    if attempt is None and record is not None:
        attempt = record.restart_count
    followed = predecessor is not None and (predecessor is not state or pods)
    if restoring:
        kind = StartKind.RESTORE
    elif pod is not None and (attempt or (run is not None and followed)):
        # A pod's container is never started twice: a new attempt is a new container.
        kind = StartKind.RESTART
    elif run is None:
        kind = StartKind.FIRST
    elif _one_operation(run, description, started_wall, circumstances(run)):
        kind = StartKind.RESTART
    else:
        kind = StartKind.REACTIVATION
    return Start(
        kind=kind,
        attempt=attempt,
        dormant_seconds=_dormant(run, started_wall),
        previous=_previous(run),
    )


def is_separate(start: Start, initiator: Initiator | None, stopped: int | None) -> bool:
    """Whether a restart is a reactivation in truth: its cause began after the run had ended.

    ``stopped`` is the end of the run in ns since boot. A service manager that restarts its unit
    began nothing anew: stop and start belong to it.
    """
    process = initiator.process if initiator is not None else None
    if start.kind is not StartKind.RESTART or stopped is None or process is None:
        return False
    began = process.start_time
    return start.trigger in _OF_SOMEONE and began is not None and began > stopped


def _dormant(run: Run | None, started_wall: int) -> float | None:
    if run is None or run.stopped_wall is None or run.stopped_wall > started_wall:
        return None
    return round((started_wall - run.stopped_wall) / NS_PER_SECOND, 6)


def _previous(run: Run | None) -> PreviousRun | None:
    if run is None:
        return None
    return PreviousRun(
        run.id, run.started_wall, run.stopped_wall, run.exit_code, run.signal, run.oom_killed
    )
