"""Pauses and resumes: what a runtime's command claims and the kernel's freezer confirms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.containers import Phase
from sensor.correlate.runtime_command import Verb

if TYPE_CHECKING:
    from collections import Counter

    from sensor.correlate.claims import Claims
    from sensor.correlate.container_table import ContainerTable
    from sensor.correlate.containers import ContainerState
    from sensor.correlate.ends import EndReporter
    from sensor.correlate.runtimes import RuntimeRun
    from sensor.model.kernel_records import CgroupFrozen, CommandExit

LATER_MAX = 64
"""Pauses and resumes that wait behind one start; more are counted. Its end always finds room."""


class Pauses:
    """Reports pauses. What it leaves out is counted in ``ignored``."""

    def __init__(
        self, table: ContainerTable, claims: Claims, ends: EndReporter, ignored: Counter[str]
    ) -> None:
        self._table = table
        self._claims = claims
        self._ends = ends
        self._ignored = ignored
        self._freezer_seen = False
        """The kernel reports freezing, so a pause command without it did not pause."""

    def on_frozen(self, seen: CgroupFrozen) -> None:
        """Take note that a cgroup was frozen or thawed: only then is a container paused."""
        self._freezer_seen = True
        state = self._table.of_cgroup(seen.path)
        if state is not None:
            state.frozen = seen.frozen

    def on_exit(self, run: RuntimeRun, exit_: CommandExit) -> None:
        """Take note that a runtime's command succeeded."""
        if run.command is None:
            return
        verb = run.command.verb
        if verb not in (Verb.PAUSE, Verb.RESUME):
            return
        state = self._claims.of_command(run.command, run.origin)
        if state is None or not self._agrees(state, verb):
            return
        if state.pending is None:
            self.interrupt(state, verb, exit_)
        elif len(state.pending.later) < LATER_MAX:
            state.pending.later.append((verb, exit_))
        else:
            self._ignored["behind_waiting_start"] += 1

    def _agrees(self, state: ContainerState, verb: Verb) -> bool:
        """Whether the kernel's state of the cgroup, where it is known, is what a command claims."""
        if not self._freezer_seen or state.frozen is (verb is Verb.PAUSE):
            return True
        if state.frozen is None and state.pending is not None:
            return True
        self._ignored["pause_not_seen"] += 1
        return False

    def interrupt(self, state: ContainerState, verb: Verb, exit_: CommandExit) -> None:
        """Report a pause or a resume, if the container is in the state before it."""
        if verb is Verb.PAUSE and state.phase is Phase.RUNNING:
            self._ends.paused(state, exit_)
        elif verb is Verb.RESUME and state.phase is Phase.PAUSED:
            self._ends.unpaused(state, exit_)
