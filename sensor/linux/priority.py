"""Ask the scheduler to run the agent soon after it is woken.

An agent that reads container starts is woken exactly when the node is busiest: engines, shims and
runtimes compete for the same processors. Its work is short, so it does not need a share of the
processor but a short wait. These requests do that without the power to starve other tasks:

- a low nice value, which weighs its wake-up against theirs;
- where sessions are scheduled as groups (sched_autogroup_enabled, sched(7)), the same for the
  agent's group, when it leads one as a service does: its own nice value counts inside only;
- on EEVDF kernels (6.12 and newer) a short slice, given as ``sched_runtime`` to sched_setattr(2):
  a task that asks for short slices gets an earlier virtual deadline (kernel/sched/fair.c).

These requests stay in force under the real-time policy of ``realtime.py``, which has a budget. They
are what remains when that is used up, not allowed, or switched off.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from pathlib import Path

NICE = -15
"""Nice value asked for, as the systemd unit does."""

SLICE = 100_000
"""Nanoseconds: the shortest slice that EEVDF accepts."""

_SYS_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274, "ppc64le": 355, "s390x": 345}
_SCHED_ATTR = struct.Struct("<IIQiIQQQ")
_SCHED_OTHER = 0


def raise_own() -> bool:
    """Lower the nice value and shorten the slice; return whether both worked."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    except PermissionError:
        return False
    _raise_group()
    number = _SYS_SCHED_SETATTR.get(os.uname().machine)
    if number is None:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, _SCHED_OTHER, 0, nice, 0, SLICE, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.syscall(number, 0, attributes, 0) == 0)


def _raise_group() -> None:
    """Lower the nice value of the agent's autogroup, unless it shares it with a shell."""
    if os.getsid(0) != os.getpid():
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE), encoding="ascii")
