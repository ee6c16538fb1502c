"""Watches that the probes are there and that the agent runs: the sensor's own absence.

    every tick ──▶ is everything attached and pinned? ── no ──▶ ProbesLost ──▶ attach again
               │                                                     └──▶ ProbesRestored
               └─▶ how long ago was the last tick? ── too long ──▶ AgentStalled

What was wrong stays a problem of the agent's health for REPORTED_FOR after it was mended, so that
a monitor that asks now and then notices it, too.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sensor import clock
from sensor.bpf.presence import Absence, Presence
from sensor.model.agent_records import AgentStalled, ProbesLost, ProbesRestored

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.bpf.pins import PinSet
    from sensor.model.observations import Observation

STALLED = 10_000_000_000
"""Nanoseconds between two ticks after which the agent says that it stalled. Two or four seconds are
as it should be."""

REPORTED_FOR = 30_000_000_000
"""Nanoseconds for which a problem that was mended stays in the agent's health."""

log = logging.getLogger("castoff")


class ProbeWatch:
    """Holds the set that the agent loaded. All times are ns since boot."""

    def __init__(
        self,
        pin_set: PinSet,
        now: Callable[[], int] = clock.boottime,
        running: Callable[[], int] = clock.monotonic,
    ) -> None:
        """``running`` does not advance while the machine sleeps."""
        self._presence = Presence(pin_set)
        self._now = now
        self._running = running
        self._seen = now()
        self._ticked = running()
        self._lost: Absence | None = None
        self._lost_since = 0
        self._problem: str | None = None
        self._problem_until = 0
        self.losses = 0
        """How often something was taken away."""
        self.stalls = 0

    def began(self, incomplete: tuple[str, ...], last_agent: int) -> list[Observation]:
        """Report that the set of an earlier agent was not complete when this one began.

        ``incomplete``: what it lacked; ``last_agent``: when one ran last, 0 if unknown.
        """
        if not incomplete:
            return []
        now = self._now()
        reason = "the probes of an earlier agent were not complete"
        log.error("%s: %s; loaded anew", reason, ", ".join(incomplete))
        self.losses += 1
        self._report(now, f"{reason}: {', '.join(incomplete)}")
        since = last_agent or now
        return [
            ProbesLost(now, since, incomplete, reason),
            ProbesRestored(now, since, incomplete),
        ]

    def tick(self) -> list[Observation]:
        """Look whether everything is there, and mend what is not."""
        now, running = self._now(), self._running()
        found: list[Observation] = []
        stalled = running - self._ticked
        if stalled > STALLED:
            self.stalls += 1
            log.error("the agent did not run for %.0f s", stalled / 1e9)
            found.append(AgentStalled(now, now - stalled))
            self._report(now, f"the agent did not run for {stalled / 1e9:.0f} s")
        self._ticked = running
        absence = self._presence.check()
        if absence:
            found += self._on_absence(now, absence)
        else:
            self._lost = None
            self._seen = now
        return found

    def _on_absence(self, now: int, absence: Absence) -> list[Observation]:
        found: list[Observation] = []
        names = ", ".join(absence.names)
        if absence != self._lost:
            if self._lost is None:
                self._lost_since = self._seen
            self._lost = absence
            self.losses += 1
            reason = "probes are detached" if absence.detached else "pins of the probes are gone"
            log.error("%s: %s", reason, names)
            blind = bool(absence.detached)
            found.append(ProbesLost(now, self._lost_since, absence.names, reason, blind=blind))
            self._report(now, f"{reason}: {names}")
        try:
            self._presence.restore(absence)
        except OSError as error:
            if found:
                fix = "Run: systemctl restart castoff-probes castoff"
                log.error("the probes cannot be attached again: %s; %s", error, fix)
            self._problem_until = now + REPORTED_FOR
            return found
        if not self._presence.check():
            log.warning("attached again: %s", names)
            found.append(ProbesRestored(self._now(), self._lost_since, absence.names))
            self._lost = None
            self._seen = self._now()
        return found

    def _report(self, now: int, problem: str) -> None:
        self._problem = problem
        self._problem_until = now + REPORTED_FOR

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong now, or was a moment ago."""
        if self._problem is None or (self._lost is None and self._now() >= self._problem_until):
            return ()
        mended = "" if self._lost is not None else "; mended"
        return (f"{self._problem}{mended}",)

    def attached(self) -> tuple[str, ...]:
        """Names of the programs that the kernel says are attached."""
        return self._presence.attached

    def close(self) -> None:
        """Let the pins keep the probes."""
        self._presence.close()
