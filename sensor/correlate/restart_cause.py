"""Why a container had to be started again, and who ended its earlier run.

The cause of a restart is the first of these that was seen:

    engine_boot               the engine began between the end and the start, and starts it again
    oom                       the kernel killed the earlier run for want of memory
    engine_boot               the node booted between the end and the start, or the engine began and
                              the pod has another sandbox; the earlier run did not end by itself
    sandbox_died              the container was made for another sandbox of the same pod
    killed_by_orchestrator    kubelet asked the runtime to end the earlier run
    crash                     it ended by itself, with an error or by a signal of its own making
    unknown                   none of these

A kill from outside without a request (``kill -9`` on the node) is `unknown`: the kernel reports the
signal and not who sent it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from sensor.model.vocabulary import EndedBy, StartCause, StartKind, Trigger

if TYPE_CHECKING:
    from sensor.correlate.containers import Run

_OWN_SIGNALS = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGSYS,
        signal.SIGPIPE,
        signal.SIGXCPU,
        signal.SIGXFSZ,
    }
)
"""Signals that a process brings about itself (signal(7))."""

_EXITS = 128
"""Exit codes above it say by convention that a signal was the reason, from wherever it came."""


def ended_by(run: Run | None, *, asked: EndedBy | None) -> EndedBy | None:
    """Return who ended a run. ``asked`` is who was seen to ask the engine for its end."""
    if run is None or (run.exit_code is None and run.signal is None):
        return None
    if run.oom_killed:
        return EndedBy.KERNEL
    if asked is not None:
        return asked
    if run.signal in _OWN_SIGNALS or (run.exit_code is not None and run.exit_code <= _EXITS):
        return EndedBy.ITSELF
    return None


def cause_of(
    kind: StartKind,
    trigger: Trigger,
    run: Run | None,
    by: EndedBy | None,
    *,
    sandbox_changed: bool,
    began: bool = False,
) -> StartCause | None:
    """Return why there is this restart; None if the start is not a restart."""
    if kind is not StartKind.RESTART:
        return None
    crashed = by is EndedBy.ITSELF and run is not None and run.exit_code != 0
    seen = (
        (trigger is Trigger.ENGINE_BOOT, StartCause.ENGINE_BOOT),
        (run is not None and run.oom_killed, StartCause.OOM),
        (began and by is not EndedBy.ITSELF, StartCause.ENGINE_BOOT),
        (sandbox_changed, StartCause.SANDBOX_DIED),
        (by is EndedBy.ORCHESTRATOR, StartCause.KILLED_BY_ORCHESTRATOR),
        (crashed, StartCause.CRASH),
    )
    return next((cause for holds, cause in seen if holds), StartCause.UNKNOWN)
