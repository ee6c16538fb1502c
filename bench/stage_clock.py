"""A clock between the stages of the agent; :mod:`bench.staged` runs it.

Runs the command of this checkout with its functions wrapped, and writes FILE when it ends: for each
start how long each stage took, and what each thread used of the processor. The product itself has
no clock in it. A wrapped call costs about 0.2 us more.
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.agent.agent import Agent
from sensor.agent.judging import Judging
from sensor.agent.persistence import Persistence
from sensor.agent.pipeline import Pipeline
from sensor.agent.ring_reader import RingReader
from sensor.bpf.ring import Ring
from sensor.cli.line_stream import LineStream
from sensor.correlate.core import Correlator
from sensor.model.kernel_records import InitExec
from sensor.model.vocabulary import EventType
from sensor.schema.line import LineEncoder
from sensor.sources.kernel import KernelSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sensor.agent.parts import Parts
    from sensor.bpf.record import KernelObservation
    from sensor.correlate.core import Outcome
    from sensor.model.events import Event
    from sensor.model.observations import Observation

BOOT = time.CLOCK_BOOTTIME
STAGES = ("wake", "read", "decode", "core", "judge", "encode", "ship", "conclude", "append")
"""From the init's execve to its line (``ship``), and what follows."""


@dataclass(slots=True)
class Clock:
    """What was measured, in ns. One entry for each start that was the first of its batch."""

    taken: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in STAGES})
    total: list[int] = field(default_factory=list)
    before: dict[str, int] = field(default_factory=dict)
    """Processor time of each thread until the first start."""
    threads: dict[str, int] = field(default_factory=dict)
    """The same since then."""
    wakes: int = 0
    records: int = 0
    began: int = 0
    """When the loop was woken, in ns since boot."""
    executed: int = 0
    """When the first init of the batch was executed, in ns since boot; 0 for none."""
    now: dict[str, int] = field(default_factory=dict)
    """Moments and sums of the batch at work."""

    def install(self) -> None:
        """Wrap the stages."""
        self._sum(Ring, "drain", "read")
        self._sum(KernelSource, "_decode", "decode")
        self._list(Judging, "conclude", "conclude")
        self._list(Persistence, "keep", "append")
        self._around(RingReader, "poll", self._poll)
        self._around(KernelSource, "drain", self._drain)
        self._around(Correlator, "feed", self._feed)
        self._around(Pipeline, "_publish", self._publish)
        self._around(LineEncoder, "encode", self._encode)
        self._around(LineStream, "write", self._write)
        # The last moment at which all threads are there.
        self._around(Agent, "_finish", self._finish)

    @staticmethod
    def _around(owner: object, name: str, wrapper: Callable[..., object]) -> None:
        inner = getattr(owner, name)
        setattr(owner, name, lambda *given, **named: wrapper(inner, *given, **named))

    def _timed(self, owner: object, name: str, take: Callable[[int], None]) -> None:
        def wrapper(inner: Callable[..., object], *given: object, **named: object) -> object:
            began = time.perf_counter_ns()
            result = inner(*given, **named)
            take(time.perf_counter_ns() - began)
            return result

        self._around(owner, name, wrapper)

    def _sum(self, owner: type, name: str, stage: str) -> None:
        def add(taken: int) -> None:
            self.now[stage] = self.now.get(stage, 0) + taken

        self._timed(owner, name, add)

    def _list(self, owner: type, name: str, stage: str) -> None:
        self._timed(owner, name, self.taken[stage].append)

    async def _finish(
        self, inner: Callable[[Agent, Parts], Awaitable[None]], agent: Agent, parts: Parts
    ) -> None:
        self.count_threads()
        await inner(agent, parts)

    # ------------------------------------------------------------------ the way of a start

    def _poll(self, inner: Callable[[RingReader], None], reader: RingReader) -> None:
        self.began = time.clock_gettime_ns(BOOT)
        self.now.clear()
        inner(reader)
        self.executed = 0

    def _drain(
        self, inner: Callable[[KernelSource], list[KernelObservation]], source: KernelSource
    ) -> list[KernelObservation]:
        found = inner(source)
        self.wakes += 1
        self.records += len(found)
        self.executed = next((one.time for one in found if isinstance(one, InitExec)), 0)
        if self.executed and not self.before:
            self.before = _threads()
            self.wakes = self.records = 0
        return found

    def _feed(
        self,
        inner: Callable[[Correlator, int, Sequence[Observation]], Outcome],
        core: Correlator,
        now: int,
        observations: Sequence[Observation],
    ) -> Outcome:
        self.now["fed"] = time.perf_counter_ns()
        return inner(core, now, observations)

    def _publish(
        self, inner: Callable[[Pipeline, Event], None], pipeline: Pipeline, event: Event
    ) -> None:
        self.now["made"] = time.perf_counter_ns()
        inner(pipeline, event)

    def _encode(
        self, inner: Callable[[LineEncoder, Event], bytes], encoder: LineEncoder, event: Event
    ) -> bytes:
        began = time.perf_counter_ns()
        line = inner(encoder, event)
        if event.type is EventType.START and self.executed:
            taken, now = self.taken, self.now
            taken["wake"].append(self.began - self.executed)
            taken["read"].append(now["read"])
            taken["decode"].append(now["decode"])
            taken["core"].append(now["made"] - now["fed"])
            taken["judge"].append(began - now["made"])
            taken["encode"].append(time.perf_counter_ns() - began)
            now["encoded"] = 1
        return line

    def _write(self, inner: Callable[..., bool], *given: object, **named: object) -> bool:
        began = time.perf_counter_ns()
        written = inner(*given, **named)
        if self.now.pop("encoded", 0):
            self.taken["ship"].append(time.perf_counter_ns() - began)
            self.total.append(time.clock_gettime_ns(BOOT) - self.executed)
            self.executed = 0
        return written

    # ------------------------------------------------------------------ at the end

    def count_threads(self) -> None:
        """Note what each thread used of the processor since the first start."""
        for name, used in _threads().items():
            self.threads[name] = used - self.before.get(name, 0)

    def write(self, file: Path) -> None:
        """Write all of it for ``bench.stages``."""
        found = {
            "stages": self.taken,
            "total": self.total,
            "wakes": self.wakes,
            "records": self.records,
            "threads": self.threads,
        }
        file.write_text(json.dumps(found), encoding="utf-8")


def _threads() -> dict[str, int]:
    """Return the processor time of each thread in ns, by its name."""
    found: dict[str, int] = {}
    for thread in threading.enumerate():
        with suppress(OSError):
            place = Path(f"/proc/self/task/{thread.native_id}/schedstat")
            used = int(place.read_text(encoding="ascii").split()[0])
            found[thread.name] = found.get(thread.name, 0) + used
    return found


def main() -> None:
    """Run the command that follows FILE."""
    file, clock = Path(sys.argv.pop(1)), Clock()
    clock.install()
    try:
        runpy.run_module("sensor", run_name="__main__", alter_sys=True)
    finally:
        clock.write(file)
