"""``castoff run --output -`` in the background of a guest, and the events that it prints."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.vm.engines import WORK, bundle, run
from tests.vm.story import STOP, Event, container, summary

TREE = Path(__file__).resolve().parents[2]

EVENT_PATIENCE = 90.0
"""Seconds that an expected event may take: everything is some thirty times slower here."""

FENCE = "castoff-fence"
"""Prefix of containers that are started to see that everything before them has been reported."""


class Agent:
    """``castoff run --output -`` in the background, and the events that it has printed."""

    def __init__(self) -> None:
        self.log = (WORK / "agent.err").open("w+b")
        self.process = subprocess.Popen(
            [TREE / "bin" / "castoff", "run", "--output", "-"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        self._arrived: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self._fences = 0

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                self._arrived.put(json.loads(line))
            except ValueError:
                self._arrived.put({"type": "noise", "text": line.decode(errors="replace")})
        self._arrived.put(None)

    def until(self, done: Callable[[Event], bool], patience: float = EVENT_PATIENCE) -> list[Event]:
        """Events up to the first for which ``done``, that one included.

        Raises TimeoutError with those that came instead, or RuntimeError when the agent ended.
        """
        events: list[Event] = []
        end = time.monotonic() + patience
        while True:
            try:
                event = self._arrived.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"waited {patience:.0f} s; came: {summary(events)}") from None
            if event is None:
                raise RuntimeError(f"the agent ended: {self.errors()}")
            events.append(event)
            if done(event):
                return events

    def errors(self) -> str:
        """What it wrote on standard error."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-3000:]

    def fence(self) -> list[Event]:
        """Events until now: starts a container of its own and waits until its end is reported."""
        self._fences += 1
        name = f"{FENCE}-{self._fences}"
        with bundle(["/bin/busybox", "true"]) as directory:
            run("runc", "run", "--bundle", str(directory), name)
        events = self.until(lambda event: container(event) == name and event["type"] == STOP)
        return [event for event in events if container(event) != name]

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=EVENT_PATIENCE)
