"""Rings and counters that say what a test gives them, in the place of a probe set's."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import pytest

from sensor.bpf.counters import Counters, KindCount, RingLoss
from sensor.bpf.layout import RecordKind
from sensor.bpf.pins import PinSet
from sensor.sources import kernel
from sensor.sources.kernel import KernelSource


class ScriptedRing:
    """Each drain takes the next batch; an empty script is an empty ring."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0)
        self.size = 1 << 20
        self.position = 0
        self.released = 0
        self.batches: deque[list[bytes]] = deque()
        self.closed = False
        self.held_up = False

    def drain(self, limit: int = 1 << 30) -> list[bytes]:
        batch = self.batches.popleft() if self.batches else []
        if len(batch) > limit:
            self.batches.appendleft(batch[limit:])
        self.position += sum(map(len, batch[:limit]))
        return batch[:limit]

    def backlog(self) -> int:
        return sum(len(data) for batch in self.batches for data in batch)

    def unreleased(self) -> int:
        return self.position - self.released

    def release(self, position: int) -> None:
        assert position <= self.position, "what was not read is not given back"
        self.released = max(self.released, position)

    def close(self) -> None:
        os.close(self.descriptor)
        self.closed = True


class ScriptedCounters:
    """Reports each loss that it is given once."""

    def __init__(self) -> None:
        self.lost: list[RingLoss] = []
        self.closed = False

    def losses(self, _now: int) -> tuple[RingLoss, ...]:
        given, self.lost = tuple(self.lost), []
        return given

    def lose(self, kind: RecordKind, *, dropped: int = 0, limited: int = 0) -> None:
        self.lost.append(RingLoss(KindCount(kind, 0, dropped, limited), 100))

    def close(self) -> None:
        self.closed = True


class ScriptedProgress:
    """How far the agent before this one came."""

    def __init__(self) -> None:
        self.time = 0
        self.closed = False

    def handled(self) -> int:
        return self.time

    def note(self, time: int) -> None:
        self.time = max(self.time, time)

    def close(self) -> None:
        self.closed = True


class ScriptedSet:
    """One probe set: its two rings and its counters."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lifecycle = ScriptedRing()
        self.commands = ScriptedRing()
        self.counters = ScriptedCounters()
        self.settings = ScriptedProgress()
        path.mkdir()
        for name in ("lifecycle", "commands", "counters", "settings", "link-on_exec"):
            (path / name).touch()

    def put(self, lifecycle: list[bytes], commands: list[bytes], *late: list[bytes]) -> None:
        """What the next drain finds: lifecycle, then commands, then lifecycle again."""
        self.lifecycle.batches += [lifecycle, *late]
        self.commands.batches.append(commands)


class Stage:
    """A source that reads scripted sets."""

    def __init__(
        self, directory: Path, patch: pytest.MonkeyPatch, sets: int, handled: int = 0
    ) -> None:
        self.sets = [ScriptedSet(directory / f"set{number}") for number in range(sets)]
        places = {
            one.path / name: getattr(one, name)
            for one in self.sets
            for name in ("lifecycle", "commands", "counters", "settings")
        }
        for one in self.sets:
            one.settings.time = handled
        patch.setattr(kernel, "Ring", lambda path: places[path])
        patch.setattr(Counters, "of", lambda pins: places[pins.map("counters")])
        patch.setattr(kernel, "Progress", lambda path: places[path])
        self.source = KernelSource(tuple(PinSet(one.path) for one in self.sets))

    @property
    def only(self) -> ScriptedSet:
        (one,) = self.sets
        return one
