"""Run as soon as something is there to read, for a bounded share of a processor.

A start is reported late for one reason: on a busy node the agent waits for a processor. A real-time
policy (SCHED_RR, sched(7)) ends that wait, and unbounded it would let a flood of starts take a
processor from the node. So it is bounded three times over:

- the thread of the loop alone has it, never its helpers or children (SCHED_RESET_ON_FORK), at the
  lowest real-time priority;
- what it uses is drawn from a budget that grows by SHARE of the time that passes, up to BURST; when
  it is empty the thread is an ordinary one until half of it is there again;
- one stretch of work that never waits for anything ends it after STRETCH (RLIMIT_RTTIME), by a
  signal that the kernel sends.

Where it is not allowed (no CAP_SYS_NICE, a cgroup without real-time bandwidth) all stays as it is.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import suppress

from sensor.linux import priority

SHARE = 0.1
"""Of one processor, on the average."""

BURST = 0.02
"""Seconds of processor time that may be used at once. A start takes 3 ms."""

STRETCH = 0.05
"""Seconds of processor time without any wait after which the kernel steps in."""

PENALTY = 1.0
"""Seconds in which that does not happen again."""

_MICROSECONDS = 1_000_000
_PRIORITY = os.sched_param(1)
_NO_PRIORITY = os.sched_param(0)
_EAGER = os.SCHED_RR | os.SCHED_RESET_ON_FORK


class RealTime:
    """The policy of the thread that makes it; call :meth:`account` often from there."""

    def __init__(self) -> None:
        self.active = False
        """Whether the thread runs at once just now."""
        self.allowed = True
        self.withdrawn = 0
        """How often it was given up because the budget was empty, or by the kernel."""
        self._budget = BURST
        self._accounted = self._used = 0.0
        self._handler = signal.getsignal(signal.SIGXCPU)
        self._limits = resource.getrlimit(resource.RLIMIT_RTTIME)

    def begin(self) -> bool:
        """Take the policy; returns whether that is allowed."""
        # First the handler: what the signal does otherwise is to end the process.
        signal.signal(signal.SIGXCPU, self._on_stretch)
        stretch = round(STRETCH * _MICROSECONDS)
        try:
            resource.setrlimit(resource.RLIMIT_RTTIME, (stretch, self._limits[1]))
        except (ValueError, OSError):
            # A harder limit is set: the kernel would kill rather than warn.
            self.allowed = False
            return False
        self._accounted, self._used = time.monotonic(), time.thread_time()
        self._raise()
        return self.allowed

    def account(self) -> None:
        """Draw what was used since the last time, and take the policy or give it up."""
        if not self.allowed:
            return
        now, used = time.monotonic(), time.thread_time()
        earned = (now - self._accounted) * SHARE
        spent = used - self._used
        self._accounted, self._used = now, used
        # What an ordinary thread uses costs no other task its turn.
        self._budget = min(BURST, self._budget + earned - (spent if self.active else 0.0))
        if self.active and self._budget < 0:
            self._give_up()
        elif not self.active and self._budget >= BURST / 2:
            self._raise()

    def end(self) -> None:
        """Give it up, until the agent starts again."""
        if self.active:
            self._lower()
        self.allowed = False
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_RTTIME, self._limits)
        signal.signal(signal.SIGXCPU, self._handler)

    def _raise(self) -> None:
        try:
            os.sched_setscheduler(0, _EAGER, _PRIORITY)
        except OSError:
            self.allowed = False
        else:
            self.active = True

    def _give_up(self) -> None:
        self.withdrawn += 1
        self._lower()

    def _lower(self) -> None:
        self.active = False
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, _NO_PRIORITY)
        # Its slice was lost with the policy.
        priority.raise_own()

    def _on_stretch(self, *_signal: object) -> None:
        if self.active:
            self._give_up()
            self._budget = -PENALTY * SHARE
