"""This machine for one bench alone: no tests, no other agent, and the probes left as they were.

The agent's lock of the node says that an agent runs; a test run's lock on its directory says that
it may start one at any moment, and unloads probes without asking. Both are waited for.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bench.progress import say
from lab import engines as labs
from lab.waiting import until
from sensor.agent.config import AgentSection
from sensor.agent.lock import lock_node
from sensor.bpf import loader
from sensor.errors import ProbesBusy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.engines import Lab

PATIENCE = 600.0
"""Seconds for which another agent or a test run is waited for."""


UNLOCKED_SECONDS = 30.0
"""Seconds for which a directory without a lock is taken for one that is being made or removed."""


@contextmanager
def own_lab() -> Iterator[Lab]:
    """Wait until no test run is under way, then open a directory like theirs.

    On leaving, the probes are in the kernel when they were before, and not when not.
    """
    if _busy():
        say(f"tests are running on this machine: waiting up to {PATIENCE:.0f} s")
    until(lambda: not _busy(), "the tests on this machine end", PATIENCE)
    with labs.opened() as lab:
        with held():
            before = any(loaded.current for loaded in loader.status())
        try:
            yield lab
        finally:
            with held():
                if before:
                    loader.load()
                else:
                    loader.unload()


@contextmanager
def held() -> Iterator[None]:
    """Keep every agent away meanwhile, as an agent does."""
    descriptor = until(_try_lock, "no agent runs on this machine", PATIENCE)
    try:
        yield
    finally:
        os.close(descriptor)


def _try_lock() -> int | None:
    try:
        return lock_node(AgentSection().run_dir)
    except ProbesBusy:
        return None


def _busy() -> bool:
    """Whether a test run holds the lock of its directory, or is just making or removing it."""
    if not labs.BASE.is_dir():
        return False
    for directory in labs.BASE.iterdir():
        with suppress(FileNotFoundError, NotADirectoryError):
            changed = time.time() - directory.stat().st_mtime
            try:
                with (directory / "lock").open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except FileNotFoundError:
                if directory.exists() and changed < UNLOCKED_SECONDS:
                    return True
    return False
