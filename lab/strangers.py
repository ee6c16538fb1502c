"""Plain users of this machine for the attacks: made for one test run, removed after it.

A stranger has an account, a home directory below ``/tmp``, and no right to anything else. What it
starts runs in sessions of its own, and is killed by pid when the test ends.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import processes
from lab.waiting import until


@dataclass
class Stranger:
    """A plain user. ``groups`` are supplementary groups by number."""

    name: str
    uid: int
    gid: int
    home: Path
    groups: tuple[int, ...] = ()
    _running: list[subprocess.Popen[str]] = field(default_factory=list)

    def file(self, name: str, text: str, mode: int = 0o755) -> Path:
        """Write a file of the stranger's, below its home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        self._own(path)
        return path

    def copy(self, program: str, name: str) -> Path:
        """Copy a program into the stranger's home under another name."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(shutil.which(program) or program, path)
        self._own(path)
        return path

    def begin(self, argv: Sequence[str | Path], cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start a program as this user; it is killed after the test."""
        process = subprocess.Popen(
            [str(word) for word in argv],
            cwd=cwd or self.home,
            user=self.uid,
            group=self.gid,
            extra_groups=list(self.groups),
            env={"PATH": os.environ["PATH"], "HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running.append(process)
        return process

    def run(self, *argv: str | Path, cwd: Path | None = None, timeout: float = 60.0) -> str:
        """Run a program as this user to its end, whatever its exit code; return what it wrote."""
        process = self.begin(argv, cwd)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._end(process)
            raise
        return output

    def shell(self, script: str, cwd: Path | None = None, timeout: float = 60.0) -> str:
        """Run a script of /bin/sh as this user."""
        return self.run("/bin/sh", "-c", script, cwd=cwd, timeout=timeout)

    def end_all(self) -> None:
        """Kill what is still there of what was begun."""
        for process in self._running:
            self._end(process)
        self._running.clear()

    def _end(self, process: subprocess.Popen[str]) -> None:
        victims = processes.descendants([process.pid])
        processes.kill(victims)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()

    def _own(self, path: Path) -> None:
        while path != self.home:
            os.chown(path, self.uid, self.gid)
            path = path.parent


@contextlib.contextmanager
def stranger(label: str, *groups: int) -> Iterator[Stranger]:
    """Make a user for as long as the block lasts."""
    name = f"castoff-{label[:6]}-{secrets.token_hex(3)}"
    processes.run(["useradd", "--no-create-home", "--shell", "/bin/sh", name])
    home = Path("/tmp") / name
    try:
        account = pwd.getpwnam(name)
        home.mkdir(mode=0o755)
        os.chown(home, account.pw_uid, account.pw_gid)
        made = Stranger(name, account.pw_uid, account.pw_gid, home, groups)
        try:
            yield made
        finally:
            made.end_all()
            until(lambda: _all_ended(account.pw_uid), f"processes of {name} end")
    finally:
        shutil.rmtree(home, ignore_errors=True)
        processes.run(["userdel", name], check=False)


def _all_ended(uid: int) -> bool:
    processes.kill(_of(uid))
    return not _of(uid)


def _of(uid: int) -> set[int]:
    """Return the processes of a user that this module made."""
    found = set()
    for pid in processes.pids():
        with contextlib.suppress(OSError):
            if (processes.PROC / str(pid)).stat().st_uid == uid:
                found.add(pid)
    return found
