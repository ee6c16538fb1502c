"""Observations from the probes: drain the pinned rings in causal order, watch for losses.

Commands are the causes and lifecycle records the effects, so a batch must never hold an effect
without its cause or put an effect before an earlier one of the other ring. A drain therefore takes
lifecycle, then commands, then lifecycle again, sorts by kernel time, and keeps back what is newer
than the point up to which both rings are known.

Records stay in the rings until :meth:`KernelSource.release`: what they led to is durable then.
Commands stay COMMANDS_KEPT longer, so that a successor of a killed agent finds the commands behind
the starts that it reads again.
"""

from __future__ import annotations

import select
from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor import clock
from sensor.bpf.counters import Counters, KindCount, Progress, RingSpace
from sensor.bpf.record import KernelObservation, decode
from sensor.bpf.ring import BATCH_MAX, Ring
from sensor.dataclass import dataclass
from sensor.errors import RecordMalformed
from sensor.frozen import quick
from sensor.model.kernel_records import CgroupBirth, CommandExec, CommandExit, KernelLoss

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sensor.bpf.pins import PinSet


COMMANDS_KEPT = 10_000_000_000
"""Nanoseconds for which commands stay in their ring; less when it is half full, and for the newest
of them when three quarters are."""

COMMANDS_STEP = 100_000_000
"""Nanoseconds between two positions that are remembered for that, by the records' own time: some
100 in all. They are taken at each drain, since under load a release may be seconds away."""

STEPS_MAX = 512
"""Positions that are remembered while nothing is durable; beyond them the oldest go."""


@dataclass(slots=True)
class _Reader:
    """One probe set being read."""

    pins: PinSet
    fingerprint: str
    lifecycle: Ring
    commands: Ring
    counters: Counters
    progress: Progress
    space: RingSpace | None
    """None for a set of layout 2."""
    commands_known: int = 0
    """Time of the newest command that was read, in ns since boot."""

    def release(self, lifecycle: int | None = None, commands: int | None = None) -> None:
        """Give space back, up to a position in either ring."""
        if lifecycle is not None:
            self.lifecycle.release(lifecycle)
        if commands is not None:
            self.commands.release(commands)
        if self.space is not None:
            self.space.note(lifecycle, commands)


@quick
@dataclass(frozen=True, slots=True)
class ReadUpTo:
    """Positions in the rings of every set: what was read when a batch was handed over."""

    time: int
    handled: int
    """Time of the newest record handed over."""
    positions: tuple[tuple[str, int, int], ...]
    """Fingerprint, position in lifecycle, position in commands."""


class KernelSource:
    """Reads one probe set, or several while one replaces another."""

    def __init__(self, sets: tuple[PinSet, ...]) -> None:
        self._epoll = select.epoll()
        self._handled = 0
        """Up to when an earlier agent handled the records, in ns since boot."""
        self._readers = [self._open(pins) for pins in sets]
        self._held: list[KernelObservation] = []
        self._owed: list[KernelLoss] = []
        """Losses of sets that are gone."""
        self._kept: deque[ReadUpTo] = deque(maxlen=STEPS_MAX)
        self.malformed: Counter[str] = Counter()
        self._malformed_since = clock.boottime()
        self._malformed_reported = 0
        self.observations = 0
        self.last_seen: int | None = None
        self._here = self._safe = self._positions()
        """Up to where everything was read, and up to where everything was handed over."""

    def _open(self, pins: PinSet) -> _Reader:
        reader = _Reader(
            pins=pins,
            fingerprint=pins.fingerprint,
            lifecycle=Ring(pins.map("lifecycle")),
            commands=Ring(pins.map("commands")),
            counters=Counters.of(pins),
            progress=Progress(pins.map("settings")),
            space=RingSpace.of(pins),
        )
        self._handled = max(self._handled, reader.progress.handled())
        for ring in (reader.lifecycle, reader.commands):
            self._epoll.register(ring.descriptor, select.EPOLLIN | select.EPOLLET)
        return reader

    @property
    def descriptor(self) -> int:
        """Readable whenever there are new records."""
        return self._epoll.fileno()

    def backlog(self) -> int:
        """Bytes that wait in all rings."""
        return sum(r.lifecycle.backlog() + r.commands.backlog() for r in self._readers)

    def counts(self) -> tuple[KindCount, ...]:
        """Counters of the newest set."""
        return self._readers[-1].counters.read()

    def seen_at(self) -> int:
        """When an agent ran last, in ns since boot; 0 if unknown."""
        return max(reader.progress.seen_at() for reader in self._readers)

    def see(self, time: int) -> None:
        """Note in the newest set that an agent runs."""
        self._readers[-1].progress.see(time)

    def failures(self) -> tuple[tuple[str, int], ...]:
        """Return what failed in the kernel, by place, of the newest set."""
        return self._readers[-1].counters.failures()

    def drain(self) -> list[KernelObservation]:
        """Take what is there, in the order in which it happened; bounded by BATCH_MAX a ring."""
        batch, held_before = self._held, bool(self._held)
        late: list[KernelObservation] = []
        known = [time for reader in self._readers for time in self._read(reader, batch, late)]
        if late:
            known.append(max((observation.time for observation in batch), default=0))
            batch = batch + late
        self._held = []
        if known:
            horizon = min(known)
            self._held = [o for o in batch if o.time > horizon]
            batch = [o for o in batch if o.time <= horizon]
        batch.sort(key=_time)
        self.observations += len(batch)
        if batch:
            self.last_seen = batch[-1].time
        before, self._here = self._here, self._positions()
        if not self._held:
            self._safe = self._here
        elif not batch and not held_before:
            self._safe = before
        self._remember(self._safe)
        if batch and batch[0].time <= self._handled:
            batch = [self._as_background(observation) for observation in batch]
        return batch

    def _remember(self, read: ReadUpTo) -> None:
        """Remember where commands may be given back later, a step from the position before it."""
        if not self._kept or read.handled - self._kept[-1].handled >= COMMANDS_STEP:
            self._kept.append(read)

    def _read(
        self, reader: _Reader, batch: list[KernelObservation], late: list[KernelObservation]
    ) -> Iterator[int]:
        """Read both rings; yield up to when one is known that was not read to its end."""
        for ring, into in (
            (reader.lifecycle, batch),
            (reader.commands, batch),
            (reader.lifecycle, late),
        ):
            taken = ring.drain(BATCH_MAX)
            self._decode(taken, into)
            if len(taken) >= BATCH_MAX and into:
                yield into[-1].time
            if ring is reader.commands:
                if taken and into:
                    reader.commands_known = max(reader.commands_known, into[-1].time)
                if ring.held_up:
                    # The cause of a start that was read may lie behind that record.
                    yield reader.commands_known

    def _as_background(self, observation: KernelObservation) -> KernelObservation:
        """Mark a command that an earlier agent has handled; its lifecycle records were released."""
        if observation.time > self._handled:
            return observation
        if isinstance(observation, CommandExec | CommandExit | CgroupBirth):
            return replace(observation, again=True)
        return observation

    def rearm(self) -> None:
        """Have the next wake-up come through :attr:`descriptor`; ask :attr:`has_more` after it.

        What a wake-up before it was about is in the rings by then. Not part of :meth:`drain`: a
        start in the batch would wait for the call, and for a thread that takes the interpreter.
        """
        self._epoll.poll(0)

    def is_pressing(self) -> bool:
        """Whether starts and ends that wait take half of their ring: they cannot wait for long."""
        return any(r.lifecycle.backlog() > r.lifecycle.size // 2 for r in self._readers)

    @property
    def has_more(self) -> bool:
        """Whether another drain is due at once."""
        return bool(self._held) or self.backlog() > 0

    # ----------------------------------------------------------------- releasing

    def _positions(self) -> ReadUpTo:
        return ReadUpTo(
            clock.boottime(),
            self.last_seen or 0,
            tuple(
                [
                    (reader.fingerprint, reader.lifecycle.position, reader.commands.position)
                    for reader in self._readers
                ]
            ),
        )

    def read_up_to(self) -> ReadUpTo:
        """What may be released once everything handed over so far is durable."""
        return self._safe

    def is_filling(self) -> bool:
        """Whether records that are read but not released take half of a lifecycle ring."""
        return any(r.lifecycle.unreleased() > r.lifecycle.size // 2 for r in self._readers)

    def release(self, read: ReadUpTo) -> None:
        """Give records back to the kernel: lifecycle at once, commands after COMMANDS_KEPT."""
        for fingerprint, lifecycle, _ in read.positions:
            for reader in self._readers:
                if reader.fingerprint == fingerprint:
                    reader.release(lifecycle=lifecycle)
                    reader.progress.note(read.handled)
        self._remember(read)
        if self._kept[-1].time < read.time:
            # What came within the step: it goes with the position before it.
            self._kept[-1] = replace(read, handled=self._kept[-1].handled)
        oldest = clock.boottime() - COMMANDS_KEPT
        while (
            self._kept
            and self._kept[0].time <= read.time
            and (self._kept[0].handled < oldest or self._commands_fill())
        ):
            self._release_commands(self._kept.popleft())

    def _commands_fill(self) -> bool:
        """Whether the oldest position goes early; the only one is the newest, and goes last.

        A successor needs the commands that came just before the starts that it reads.
        """
        share = 0.5 if len(self._kept) > 1 else 0.75
        return any(r.commands.unreleased() > share * r.commands.size for r in self._readers)

    def _release_commands(self, read: ReadUpTo) -> None:
        for fingerprint, _, commands in read.positions:
            for reader in self._readers:
                if reader.fingerprint == fingerprint:
                    reader.release(commands=commands)

    # ----------------------------------------------------------------- losses and sets

    def _decode(self, raw: list[bytes], into: list[KernelObservation]) -> None:
        for data in raw:
            try:
                into.append(decode(data))
            except RecordMalformed as error:
                self.malformed[error.problem[:80]] += 1

    def losses(self) -> tuple[KernelLoss, ...]:
        """Return what the kernel could not hand over since the last report, of whichever agent."""
        found = self._owed + self._malformed()
        self._owed = []
        for reader in self._readers:
            found += self._losses_of(reader)
        return tuple(found)

    def _malformed(self) -> list[KernelLoss]:
        """Return how many records were not understood since the last report."""
        total, now = self.malformed.total(), clock.boottime()
        since, count = self._malformed_since, total - self._malformed_reported
        self._malformed_since, self._malformed_reported = now, total
        if not count:
            return []
        return [KernelLoss(now, since, "lifecycle", "any", 0, 0, count)]

    def reported(self) -> dict[str, int]:
        """Return up to where losses were reported, for :meth:`take_back` of a later agent."""
        return {
            f"{reader.pins.fingerprint}.{name}": value
            for reader in self._readers
            for name, value in reader.counters.checkpoint().items()
        }

    def take_back(self, kept: Mapping[str, int]) -> None:
        """Report again what an earlier agent reported and was killed before it was kept."""
        for reader in self._readers:
            prefix = f"{reader.pins.fingerprint}."
            reader.counters.take_back(
                {k.removeprefix(prefix): v for k, v in kept.items() if k.startswith(prefix)}
            )

    @staticmethod
    def _losses_of(reader: _Reader) -> list[KernelLoss]:
        now = clock.boottime()
        return [
            KernelLoss(
                now,
                loss.since,
                loss.count.ring,
                loss.count.kind.name.lower(),
                loss.count.dropped,
                loss.count.limited,
            )
            for loss in reader.counters.losses(now)
        ]

    def sets(self) -> tuple[PinSet, ...]:
        """Return the probe sets that are read, the newest last."""
        return tuple(reader.pins for reader in self._readers)

    def retire_old(self) -> tuple[KernelObservation, ...]:
        """Drain all sets but the newest to the end, then detach them and remove their pins.

        Nothing is read while a set is being detached: its programs go one by one, and what a part
        of them records of a start is wrong. The newest set has it whole. The next :meth:`losses`
        reports what they lost.
        """
        rest: list[KernelObservation] = []
        while len(self._readers) > 1:
            reader = self._readers[0]
            while raw := reader.commands.drain() + reader.lifecycle.drain():
                self._decode(raw, rest)
            self._owed += self._losses_of(reader)
            for ring in (reader.lifecycle, reader.commands):
                self._epoll.unregister(ring.descriptor)
            self._close_reader(reader)
            reader.pins.remove()
            del self._readers[0]
        rest.sort(key=_time)
        return tuple(rest)

    @staticmethod
    def _close_reader(reader: _Reader) -> None:
        reader.lifecycle.close()
        reader.commands.close()
        reader.counters.close()
        reader.progress.close()
        if reader.space is not None:
            reader.space.close()

    def close(self) -> None:
        """Stop reading; the probes go on."""
        for reader in self._readers:
            self._close_reader(reader)
        self._readers.clear()
        self._epoll.close()


def _time(observation: KernelObservation) -> int:
    return observation.time
