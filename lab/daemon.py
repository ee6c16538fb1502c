"""A long-running process of a test run: started, waited for by condition, stopped by its pid."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.engines import Lab
from lab.waiting import NeverHappenedError, until

TAIL_LINES = 25


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log."""
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        return f"({error})"
    return "\n".join(text.splitlines()[-lines:])


class Daemon:
    """One daemon and its log file, which a restart continues."""

    def __init__(self, lab: Lab, name: str, argv: Sequence[str | Path]) -> None:
        self.lab = lab
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log = lab.sub("logs") / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        lab.logs[name] = self.log

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def start(self, ready: Callable[[], bool], timeout: float = 40.0) -> None:
        """Start it and wait until ``ready`` says so."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.lab.mark},
                start_new_session=True,
            )
        try:
            until(lambda: self._ended() or ready(), f"{self.name} is ready", timeout)
        except NeverHappenedError as error:
            raise NeverHappenedError(f"{error}\n{tail(self.log)}") from error
        if self._ended():
            raise NeverHappenedError(
                f"{self.name} ended with {self._process.returncode}\n{tail(self.log)}"
            )

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def stop(self, number: signal.Signals = signal.SIGTERM, patience: float = 30.0) -> int | None:
        """Send ``number``, wait for the end, kill when that takes too long; give the exit code."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process = None
        return code
