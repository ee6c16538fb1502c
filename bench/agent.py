"""The agent under measurement: the command of this checkout, each of its lines with its arrival."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from bench.node import PATIENCE, held
from bench.progress import say
from lab.daemon import tail
from lab.engines import unique
from lab.waiting import until
from sensor.api.client import AgentClient
from sensor.errors import AgentUnreachable, ProbesBusy

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from lab.engines import Lab
    from lab.runc import Runc
    from sensor.api.status import AgentStatus

CHECKOUT = Path(__file__).resolve().parents[1]
COMMAND = CHECKOUT / "bin" / "castoff"
READY_SECONDS = 300.0
"""An upgrade compiles its probes first: minutes on a node without a free core."""
EVENT_SECONDS = 30.0

LAST = 4
"""Events shown when one does not come."""

FRAME = struct.Struct("=QQ")
NS_PER_SECOND = 1_000_000_000
FRACTION = "."


@dataclass(frozen=True, slots=True)
class Line:
    """One event as it was written, and when (ns since the epoch) its end was read."""

    raw: bytes
    event: dict[str, Any]
    read: int

    @property
    def container(self) -> dict[str, Any]:
        """The event's container, empty where it has none."""
        return self.event["container"] or {}

    def is_a(self, kind: str) -> bool:
        """Whether its type is ``container.<kind>``."""
        return bool(self.event["type"] == f"container.{kind}")


def wall(text: str) -> int:
    """Return the ns since the epoch of an event's time, which has nine digits of a second."""
    whole, _, fraction = text.removesuffix("Z").partition(FRACTION)
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * NS_PER_SECOND + int(fraction)


class Agent:
    """``castoff run`` or another verb, whose standard output ``stamp`` reads; a context manager."""

    def __init__(self, lab: Lab, stamp: Path, *verb: str | Path, state: Path | None = None) -> None:
        home = lab.sub("agents", unique("bench"))
        self.lines: list[Line] = []
        self.unheard: list[str] = []
        """Containers of :meth:`settle` whose stop was not reported in time."""
        self.log = home / "stderr.log"
        self.state = state or home / "state"
        self.socket = lab.directory / f"{unique('agent')}.sock"
        self.command: list[str | Path] = [
            *(COMMAND, *(verb or ("run",)), "--output", "-"),
            *("--state-dir", self.state, "--socket", self.socket),
        ]
        self.directory: Path | None = None
        """Where the command runs; None for the current directory."""
        self._stamp = stamp
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start it and wait until it answers; again when another agent takes the node first."""
        until(self._started, "no other agent runs on this machine", PATIENCE)
        return self

    def _started(self) -> bool:
        with held():
            pass
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.directory,
                # As a unit's process has: where the kernel groups processes by session
                # (sched_autogroup_enabled), a nice value means nothing outside of the session.
                start_new_session=True,
            )
            self._reader = subprocess.Popen(
                [self._stamp], stdin=self._process.stdout, stdout=subprocess.PIPE
            )
        assert self._process.stdout is not None
        self._process.stdout.close()
        assert self._reader.stdout is not None
        self._thread = threading.Thread(target=self._read, args=(self._reader.stdout,))
        self._thread.start()
        process = self._process
        try:
            until(
                lambda: process.poll() is not None or self._answers(),
                f"the agent answers on {self.socket}",
                READY_SECONDS,
            )
        except AssertionError:
            self._end()
            say(f"the agent that did not answer wrote:\n{tail(self.log)}")
            raise
        if process.poll() is None:
            return True
        self._end()
        if process.returncode != ProbesBusy.exit_code:
            raise RuntimeError(f"the agent ended with {process.returncode}\n{tail(self.log)}")
        return False

    def _answers(self) -> bool:
        with suppress(AgentUnreachable):
            return self.status().pid == self.pid
        return False

    def __exit__(self, *_: object) -> None:
        """End it as systemd does, by force when that takes too long."""
        self._end()

    def kill(self) -> None:
        """End it as a crash does; entering it once more starts the next one in its place."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self._process is not None
        assert self._reader is not None
        assert self._thread is not None
        self._process.send_signal(number)
        try:
            self._process.wait(EVENT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        self._reader.wait()

    def _read(self, stream: BinaryIO) -> None:
        rest = b""
        while head := stream.read(FRAME.size):
            read, length = FRAME.unpack(head)
            *whole, rest = (rest + stream.read(length)).split(b"\n")
            self.lines += [Line(raw + b"\n", json.loads(raw), read) for raw in whole]
        stream.close()

    @property
    def pid(self) -> int:
        """The agent's own pid."""
        assert self._process is not None
        return self._process.pid

    def status(self) -> AgentStatus:
        """Ask it how it is doing."""
        return AgentClient(self.socket).status()

    # ------------------------------------------------------------------ what it costs

    def processes(self) -> list[psutil.Process]:
        """The agent and its children."""
        own = psutil.Process(self.pid)
        return [own, *own.children(recursive=True)]

    def cpu_ns(self) -> int:
        """CPU time that its processes have used, threads that have ended included.

        From the processes' CPU clocks (clock_getcpuclockid(3), whose ids are made of the pid): the
        clock ticks of /proc/PID/stat are too coarse for an agent that is idle.
        """
        return sum(time.clock_gettime_ns((~one.pid << 3) | 2) for one in self.processes())

    # ------------------------------------------------------------------ its events

    def of(self, kind: str) -> list[Line]:
        """Return the events of type ``container.<kind>`` up to now."""
        return [line for line in tuple(self.lines) if line.is_a(kind)]

    def wait_for(self, condition: Callable[[], object], what: str) -> bool:
        """Wait until ``condition`` holds; a bench goes on without it and shows what is missing."""
        try:
            return until(lambda: bool(condition()), what, EVENT_SECONDS)
        except AssertionError:
            say(f"within {EVENT_SECONDS:.0f} s it did not come true that {what}")
            say(f"the agent says: {self.status()}")
            for line in self.lines[-LAST:]:
                say(f"one of the last events: {line.raw.decode().strip()}")
            return False

    def settle(self, runc: Runc) -> None:
        """Wait until all that happened up to now is written: until a container started now is."""
        name = unique("sentinel")
        runc.run(name, "true")
        runc.delete(name)
        heard = self.wait_for(
            lambda: any(line.container.get("id") == name for line in self.of("stop")),
            f"{name} has stopped",
        )
        if not heard:
            self.unheard.append(name)
