"""Look at processes through /proc, and run commands in a way that a failure explains itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


class CommandFailedError(AssertionError):
    """A command of a test ended with an exit code that the test did not want."""


def run(
    argv: Sequence[str | Path],
    *,
    env: dict[str, str] | None = None,
    check: bool = True,
    timeout: float = 60.0,
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``argv`` to its end with ``env`` added to the environment.

    Raises :class:`CommandFailedError` with the output when ``check`` and the exit code is not 0.
    """
    command = [str(word) for word in argv]
    done = subprocess.run(
        command,
        env={**os.environ, **(env or {})},
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    if check and done.returncode != 0:
        raise CommandFailedError(
            f"exit code {done.returncode}: {' '.join(command)}\n{done.stdout}{done.stderr}"
        )
    return done


def as_login(uid: int, argv: Sequence[str | Path]) -> list[str]:
    """Return a command that runs ``argv`` as if the person ``uid`` had logged in to type it.

    The shell writes its own audit login uid and becomes the command: what the kernel keeps of a
    login is this number, whatever uid the process has afterwards.
    """
    become = 'echo "$1" >/proc/self/loginuid && shift && exec "$@"'
    return ["/bin/sh", "-c", become, "sh", str(uid), *map(str, argv)]


def pids() -> Iterator[int]:
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            yield int(entry.name)


def parent_of(pid: int) -> int | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])


def runs(pid: int) -> bool:
    """Return whether the process is there and no zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def lineage(pid: int) -> set[int]:
    """Return ``pid`` and everything above it."""
    found: set[int] = set()
    current: int | None = pid
    while current and current not in found:
        found.add(current)
        current = parent_of(current)
    return found


def descendants(roots: Iterable[int]) -> set[int]:
    """Return ``roots`` and everything below them."""
    children: dict[int, list[int]] = {}
    for pid in pids():
        parent = parent_of(pid)
        if parent is not None:
            children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, ()))
    return found


def mentioning(text: str) -> set[int]:
    """Return the processes whose command line or environment contains ``text``."""
    wanted = text.encode()
    found: set[int] = set()
    for pid in pids():
        for part in ("cmdline", "environ"):
            with suppress(OSError):
                if wanted in (PROC / str(pid) / part).read_bytes():
                    found.add(pid)
    return found


def kill(victims: Iterable[int]) -> None:
    """Kill each pid that is still there; nothing else in its process group is touched."""
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
