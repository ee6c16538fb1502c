"""What ``castoff doctor`` asks of the host around the probes: engines, the socket, the clock."""

from __future__ import annotations

import ctypes
import grp
import os
import stat
import time
from typing import TYPE_CHECKING

from sensor.agent.lock import LOCK_NAME, holder_of
from sensor.agent.policy_files import load_policy
from sensor.bpf import loader, watched
from sensor.cli.finding import Health, HostCheck
from sensor.errors import ConfigError
from sensor.linux.own_directory import stranger_in, trusted_users
from sensor.model.vocabulary import Role
from sensor.sources.engines.listeners import engine_sockets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GROUP = "castoff"
RELEASED = 1_735_689_600
"""Seconds since the epoch before which no clock of a node with Castoff can be right: 2025."""

_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_TIMEX_BYTES = 208
"""``struct timex`` of 64-bit machines (include/uapi/linux/timex.h); ``modes`` 0 only reads."""


def engines() -> HostCheck:
    """Return which engines' sockets are listened on."""
    programs = watched.read(loader.SOURCES / "watched.toml")
    names = frozenset(program.name for program in programs if program.role is Role.ENGINE)
    found = engine_sockets(names)
    running = [one for one in found if one.pid is not None]
    held = len(found) - len(running)
    if not running:
        text = "no engine listens here" + (f"; {held} sockets wait for theirs" if held else "")
        return HostCheck("engines", Health.OK, text)
    details = tuple(
        f"{one.engine} at {one.path}, pid {one.pid}"
        + (" (inside a container or of another user: not listened to)" if one.nested else "")
        for one in running
    )
    return HostCheck(
        "engines", Health.OK, f"{len(running)} sockets with an engine", details=details
    )


def policy(directory: Path) -> HostCheck:
    """Return whether the policy that is installed can be read."""
    try:
        found = load_policy(directory, time.time_ns()).policy
    except ConfigError as error:
        return HostCheck("policy", Health.FAIL, error.problem, error.fix)
    if not found.files:
        return HostCheck("policy", Health.OK, f"no policy in {directory}")
    text = f"{len(found.rules)} rules in {len(found.files)} files, each setting in its range"
    return HostCheck("policy", Health.OK, text)


def node_lock(run_dir: Path) -> HostCheck:
    """Report which process holds the node's lock, and whether others could."""
    try:
        stranger = stranger_in(run_dir)
        if stranger is not None:
            text = f"{run_dir} is not safe: {stranger.path} {stranger.reason}"
            return HostCheck("lock", Health.FAIL, text, "Have root own it, and chmod go-w it.")
        status = (run_dir / LOCK_NAME).stat()
        holder = holder_of(run_dir / LOCK_NAME)
    except FileNotFoundError:
        return HostCheck("lock", Health.OK, f"{run_dir / LOCK_NAME} is free")
    except OSError as error:
        return HostCheck("lock", Health.NOTE, f"{run_dir}: {error.strerror}", "Run as root.")
    users = trusted_users()
    if holder is not None and holder.uid is not None and holder.uid not in users:
        fix = f"Stop that process, or start the agent: it replaces {run_dir / LOCK_NAME}."
        return HostCheck("lock", Health.FAIL, f"held by {holder}, which is not an agent", fix)
    text = f"held by {holder}" if holder is not None else f"{run_dir / LOCK_NAME} is free"
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid not in users:
        fix = "Nothing to do: the next agent replaces it."
        return HostCheck("lock", Health.NOTE, f"{text}; another user could hold it", fix)
    return HostCheck("lock", Health.OK, text)


def state_directory(directory: Path) -> HostCheck | None:
    """Report a state directory that other users could change; None if none could."""
    try:
        stranger = stranger_in(directory)
    except OSError:
        return None
    if stranger is None:
        return None
    text = f"{directory} is not safe: {stranger.path} {stranger.reason}"
    return HostCheck("disk", Health.FAIL, text, "Have root own it, and chmod go-w it.")


def agent_socket(path: Path) -> HostCheck:
    """Report who may ask the agent."""
    try:
        status = path.stat()
    except FileNotFoundError:
        fix = "Start it: systemctl start castoff, or castoff run"
        return HostCheck("socket", Health.NOTE, f"{path} is not there: no agent runs", fix)
    except OSError as error:
        return HostCheck("socket", Health.NOTE, f"{path}: {error.strerror}", "Look at the path.")
    if not stat.S_ISSOCK(status.st_mode):
        return HostCheck("socket", Health.FAIL, f"{path} is not a socket", "Remove it.")
    others = "root"
    if status.st_gid and status.st_mode & stat.S_IWGRP:
        others += f" and group {_group(status.st_gid)}"
    if status.st_mode & stat.S_IWOTH:
        fix = f"Run: chmod o= {path}. The agent refuses others in any case."
        return HostCheck("socket", Health.NOTE, f"{path} is open to every user", fix)
    if others == "root":
        fix = f"To let people ask: groupadd --system {GROUP}, then systemctl reload castoff"
        return HostCheck("socket", Health.OK, f"{path}, for {others}", fix)
    return HostCheck("socket", Health.OK, f"{path}, for {others}")


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def scheduling(take: Callable[[], object] | None = None) -> HostCheck:
    """Return whether an agent with the same rights would run at once when it is woken."""
    try:
        (take or _take_real_time)()
    except OSError as error:
        text = f"no real-time policy ({error.strerror}): starts are reported later on a busy node"
        fix = "Give CAP_SYS_NICE; in a cgroup v1 with CONFIG_RT_GROUP_SCHED, cpu.rt_runtime_us too."
        return HostCheck("scheduling", Health.NOTE, text, fix)
    return HostCheck("scheduling", Health.OK, "a real-time policy is allowed (agent.realtime)")


def _take_real_time() -> None:
    """Take the policy that the agent takes, and give it back."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def clock(
    now: Callable[[], float] = time.time, synchronised: Callable[[], bool | None] | None = None
) -> HostCheck:
    """Return whether wall times can be trusted; order never depends on them."""
    seconds = now()
    if seconds < RELEASED:
        year = time.gmtime(seconds).tm_year
        fix = "Set the clock: systemctl start systemd-timesyncd, or chrony."
        return HostCheck("clock", Health.NOTE, f"the year is {year}: wall times are wrong", fix)
    state = (synchronised or _synchronised)()
    if state is None:
        return HostCheck(
            "clock", Health.OK, "the kernel does not report whether it is synchronised"
        )
    if not state:
        fix = "Run chrony or systemd-timesyncd, to compare times with other hosts."
        return HostCheck(
            "clock", Health.NOTE, "not synchronised; the order of events is still right", fix
        )
    return HostCheck("clock", Health.OK, "synchronised")


def _synchronised() -> bool | None:
    """Ask adjtimex(2); None where it does not answer."""
    libc = ctypes.CDLL(None, use_errno=True)
    state = int(libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return None if state < 0 else state != _TIME_ERROR
