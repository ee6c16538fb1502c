"""The agent: builds the pipeline, owns the loop and the order of shutdown.

    rings ─▶ KernelSource ─▶ Correlator ─▶ sinks (lines on a descriptor)
                                │    ▲
              describe requests ▼    │ ContainerDescribed
                            identity worker (threads)

Start-up: take the node's lock, load the probes, tell the core what an earlier agent knew, read the
rings from then on, and compare with procfs. Shutdown: drain the rings, wait for descriptions under
way, flush the sinks, save what is known. The probes stay: the next agent drains what happens
meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sensor import __version__, inventory, memory, priority, reporting
from sensor.beat import BEAT
from sensor.control.server import ControlServer
from sensor.control.storelog import StoreLog
from sensor.correlate.core import Correlator, Parsers
from sensor.describing import Describing
from sensor.draining import Drain
from sensor.identity.describer import Describer
from sensor.identity.pattern import parser_with
from sensor.identity.redact import redact_argv
from sensor.identity.settings import IdentitySettings
from sensor.keeping import Keeper
from sensor.kernel import clock, libbpf, loader, pins, watched
from sensor.lock import lock_node
from sensor.model import (
    ClockSynced,
    Event,
    Heartbeat,
    HostFacts,
    Observation,
    OutputLoss,
    ProbesAttached,
)
from sensor.node import NodeView
from sensor.outputs import native
from sensor.realtime import RealTime
from sensor.reload import Reloader
from sensor.shipping import Shipping, ShippingSettings
from sensor.sources import accounts, procfs
from sensor.sources.kernel import KernelSource, ReadUpTo
from sensor.store.log import StoreHealth, StoreSettings
from sensor.witnesses import Witnesses, WitnessSettings, WitnessState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.control.status import DeliveryState, Status
    from sensor.reporting import OutputHealth

HOUSEKEEPING = 2.0
"""Seconds between looks at losses and clock."""

SETTLE_PACE = 2 * BEAT
"""Seconds until what was fed is noted and released, unless a look at the rings comes first: a start
makes a handful of batches, and each note is a transaction's worth of work."""

CLOCK_TOLERANCE = 1_000_000
"""Nanoseconds that the wall clock may drift before the core is told."""

SET_OVERLAP = 10.0
"""Seconds for which an old probe set stays attached beside its successor: creations that were under
way at the switch end in the set that saw them begin."""

CHECKPOINT = 60.0
"""Seconds between notes of until when the agent has seen, on a node where nothing happens."""

RECALL_SPAN = 86_400_000_000_000
"""Nanoseconds of the engines' past that an agent asks for when it finds a backlog."""

DRAIN_STEP = 0.005
"""Seconds between looks at what a stopping agent waits for."""

SHUTDOWN_WAIT = 2.0
"""Seconds that a stopping agent waits for descriptions and slow readers."""

_SECONDS_PER_DAY = 86_400.0
_STDIN = 0
_NS_PER_SECOND = 1_000_000_000
_U32_LEN = 4

log = logging.getLogger("castoff")


class Sink(Protocol):
    """Takes events while they are made."""

    def take(self, event: Event, line: bytes, *, more: bool) -> None:
        """Take an event and its JSON line; with ``more`` it may wait for the next or the push."""

    def push(self) -> None:
        """Let go of what waits: nothing follows for now."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Where the agent keeps and finds its things."""

    state_dir: Path = Path("/var/lib/castoff")
    socket: Path = Path("/run/castoff/castoff.sock")
    run_dir: Path = Path("/run/castoff")
    pin_root: Path = pins.PIN_ROOT
    socket_group: str = "castoff"
    capture: Path | None = None
    cgroup_patterns: tuple[str, ...] = ()
    host_root: Path = Path("/")
    store_sync: str = "full"
    store_max_mib: int = 512
    store_max_age_days: int = 30
    shipping: ShippingSettings = field(default_factory=ShippingSettings)
    log_level: str = "info"
    heartbeat_seconds: float = 3600
    """Between two signs of life; 0 for none."""
    requests: bool = True
    """Whether the probes read what is asked of engines; decided when they are loaded."""
    realtime: bool = True
    """Whether the loop's thread may have a real-time policy, within its budget."""
    witnesses: WitnessSettings = field(default_factory=WitnessSettings)


def parsers(cgroup_patterns: Sequence[str] = ()) -> Parsers:
    """Gather the pure functions of ``identity`` that the core uses, live and in replay.

    Raises :class:`ConfigError` for a pattern that cannot be used.
    """
    roles = watched.Roles(watched.read(loader.SOURCES / "watched.toml"))
    return Parsers(cgroup=parser_with(cgroup_patterns), redact=redact_argv, role_of=roles.of_name)


class Agent:
    """One run of the agent on this node."""

    def __init__(
        self, settings: AgentSettings, reread: Callable[[], AgentSettings] | None = None
    ) -> None:
        """``reread`` gives the settings anew on SIGHUP; without it they stay as they are."""
        self.settings = settings
        self._reread = reread or (lambda: settings)
        self.host: HostFacts = procfs.host_facts()
        self._parsers = parsers(settings.cgroup_patterns)
        self.core = Correlator(self._parsers, self._tell)
        self._lines: list[bytes] = []
        """Of the events of the batch that is being fed."""
        self.events: Counter[str] = Counter()
        self.started = clock.boottime()
        self.sinks: list[Sink] = []
        self.outputs: Callable[[], tuple[OutputHealth, ...]] = tuple
        self.probes_surviving = False
        self.realtime_offset = clock.realtime_offset()
        self._stopping = asyncio.Event()
        self._hung_up = False
        self._interactive = os.isatty(_STDIN)
        self._source: KernelSource | None = None
        self._witnesses: Witnesses | None = None
        self._record: Callable[[int, tuple[Observation, ...]], object] | None = None
        self._shipping = Shipping(settings.shipping, self.host)
        self._describer = Describer(IdentitySettings(host_root=str(settings.host_root)))
        self._keeper: Keeper | None = None
        self._marked: ReadUpTo | None = None
        self._describing: Describing | None = None
        self.real_time = RealTime()
        self._losses_until = self.started
        self._timer: asyncio.TimerHandle | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def source(self) -> KernelSource | None:
        """The kernel source, once it is open."""
        return self._source

    @property
    def pin_root(self) -> Path:
        """Where the probe sets are pinned."""
        return self.settings.pin_root

    def output_states(self) -> tuple[OutputHealth, ...]:
        """Tell how the outputs are doing."""
        return self.outputs()

    def witness_states(self) -> tuple[WitnessState, ...]:
        """Tell how the sources beside the probes are doing."""
        return self._witnesses.states() if self._witnesses is not None else ()

    def store_health(self) -> StoreHealth | None:
        """Tell how the store is doing, once it is open."""
        return self._keeper.health() if self._keeper is not None else None

    def delivery_states(self) -> tuple[DeliveryState, ...]:
        """Tell how the outputs that ship the log are doing."""
        return self._shipping.states()

    def identity_problems(self) -> tuple[tuple[str, int], ...]:
        """Return what the identity worker could not read, counted."""
        return self._describer.problem_counts()

    def stop(self) -> None:
        """Ask the agent to drain and end."""
        self._stopping.set()

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Run until :meth:`stop`; ``started`` is called once the rings are being read."""
        memory.one_arena()
        async with AsyncExitStack() as stack:
            stack.callback(os.close, lock_node(self.settings.run_dir))
            # One that comes before everything is there waits for that.
            self._loop.add_signal_handler(signal.SIGHUP, lambda: setattr(self, "_hung_up", True))
            stack.callback(signal.signal, signal.SIGHUP, signal.SIG_IGN)
            pin_set = loader.load(self.settings.pin_root, requests=self.settings.requests)
            # Before the threads: they inherit it, and share one lock with the loop. Those of the
            # executor are made later, by a thread that hands nothing on.
            priority.raise_own()
            self._loop.set_default_executor(
                ThreadPoolExecutor(thread_name_prefix="aside", initializer=priority.raise_own)
            )
            self._keeper = Keeper(
                self.settings.state_dir,
                StoreSettings(
                    sync=self.settings.store_sync,
                    max_bytes=self.settings.store_max_mib << 20,
                    max_age=self.settings.store_max_age_days * _SECONDS_PER_DAY,
                    dead_letters=self.settings.shipping.dead_letters,
                ),
                self.host.boot_id,
                self._feed,
            )
            stack.callback(self._keeper.close)
            self._shipping.open(self._keeper)
            stack.push_async_callback(self._shipping.close)
            if self.settings.capture is not None:
                self._record = _recorder(self.settings.capture, stack)
            self._describing = Describing(self._describer, self._feed)
            stack.callback(self._describing.close)
            self._source = KernelSource(pins.loaded_sets(self.settings.pin_root))
            stack.callback(self._source.close)
            self._source.take_back(self._keeper.counters())
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self.stop)
                # Not the default again: a second Ctrl-C during the last moments changes nothing.
                stack.callback(signal.signal, number, signal.SIG_IGN)
            control = ControlServer(
                self.settings.socket,
                self._status,
                view=NodeView(
                    self.core, self.events, self._parsers.cgroup, lambda: self.realtime_offset
                ),
                log=StoreLog(self._keeper.store, self._keeper.reader),
                deliveries=self._shipping,
                group=self.settings.socket_group,
                resources={"/v1/coverage": lambda query: reporting.coverage(self, query)},
            )
            await control.start()
            stack.push_async_callback(control.close)
            self._keeper.publish = lambda sequence, line: control.publish(sequence, lambda: line)
            await self._describing.discover()
            self._introduce(pin_set, self._keeper)
            self._witnesses = Witnesses(self.settings.witnesses, pin_set, self._feed)
            stack.push_async_callback(self._witnesses.close)
            self._reload_on_hangup(self._keeper, control, self._witnesses)
            if self._source.backlog():
                now = clock.boottime() + self.realtime_offset
                since = max(_loaded_at(pin_set) + self.realtime_offset, now - RECALL_SPAN)
                await self._witnesses.recall(since, now)
            drain = Drain(
                self._source,
                self._witnesses,
                self._describing,
                self._keeper,
                self._feed,
                self.real_time.account,
                self._on_beat,
            )
            drain.start()
            if self.settings.realtime:
                stack.callback(self.real_time.end)
                if not self.real_time.begin():
                    log.info("no real-time policy is allowed here: starts are told a little later")
            started()
            await self._witnesses.start(self.realtime_offset)
            tasks = [
                asyncio.create_task(self._take_inventory(self._describing, drain)),
                asyncio.create_task(self._keep_house(self._keeper, drain)),
                asyncio.create_task(self._retire_old_sets()),
            ]
            await self._stopping.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._finish(self._keeper, self._describing, drain)

    def on_output_loss(self, lines: int) -> None:
        """Note that an output lost ``lines`` events of a reader that is too slow."""
        now = clock.boottime()
        log.warning("%d events not written: the reader is too slow", lines)
        loss = OutputLoss(time=now, since=self._losses_until, output="stdout", lost=lines)
        self._losses_until = now
        self._loop.call_soon(self._feed, (loss,))

    def _status(self) -> Status:
        return reporting.status(self)

    def _reload_on_hangup(
        self, keeper: Keeper, control: ControlServer, witnesses: Witnesses
    ) -> None:
        """Have SIGHUP apply what may change while the agent runs."""

        def limit(wanted: AgentSettings) -> None:
            keeper.store.limit(
                wanted.store_max_mib << 20, wanted.store_max_age_days * _SECONDS_PER_DAY
            )

        reloader = Reloader(
            self.settings,
            self._reread,
            {
                "heartbeat_seconds": lambda wanted: setattr(self, "settings", wanted),
                "log_level": lambda wanted: logging.getLogger().setLevel(wanted.log_level.upper()),
                "socket_group": lambda wanted: control.hand_to_group(wanted.socket_group),
                "store_max_age_days": limit,
                "store_max_mib": limit,
                "witnesses": lambda wanted: witnesses.follow(
                    wanted.witnesses, self.realtime_offset
                ),
            },
        )

        def on_hangup() -> None:
            # The terminal of who runs it in the foreground is gone: as if it had been interrupted.
            if self._interactive and not os.isatty(_STDIN):
                self.stop()
            else:
                reloader.request()

        self._loop.add_signal_handler(signal.SIGHUP, on_hangup)
        if self._hung_up:
            on_hangup()

    # ----------------------------------------------------------------- feeding

    def _introduce(self, pin_set: pins.PinSet, keeper: Keeper) -> None:
        self.realtime_offset = clock.realtime_offset()
        loaded_at = _loaded_at(pin_set)
        first: list[Observation] = [
            self.host,
            ClockSynced(clock.boottime(), self.realtime_offset),
            accounts.read(clock.boottime()),
        ]
        restored = keeper.restored()
        if restored is not None:
            first.append(restored)
        if self._source is not None:
            keeper.count(self._source.reported())
        self.probes_surviving = loaded_at < self.started
        first.append(ProbesAttached(loaded_at, surviving=self.probes_surviving))
        self._feed(first)

    def _feed(self, observations: Sequence[Observation]) -> None:
        now = clock.boottime()
        if self._record is not None:
            self._record(now, tuple(observations))
        try:
            outcome = self.core.feed(now, observations)
        finally:
            lines, self._lines = self._lines, []
        if len(lines) > 1:
            for sink in self.sinks:
                sink.push()
        if self._describing is not None:
            self._describing.submit(outcome.requests)
            self._describing.expect(awaited=self.core.waiting())
        self._arm_timer(now)
        self._keep(outcome.events, lines)

    def _tell(self, event: Event) -> None:
        """Hand an event on; the first of a batch at once, the others together at its end."""
        line = native.encode_line(event)
        for sink in self.sinks:
            sink.take(event, line, more=bool(self._lines))
        self._lines.append(line)
        self.events[event.type] += 1

    def _keep(self, events: tuple[Event, ...], lines: Sequence[bytes]) -> None:
        """Store the events of a batch; what else is known of it is noted a little later."""
        if self._keeper is None:
            return
        if events:
            self._keeper.keep(events, lines)
        if self._settling is None:
            self._settling = self._loop.call_later(SETTLE_PACE, self._settle, self._keeper)
        if self._source is not None and self._source.is_filling():
            # The disk does not keep up: rather lose the insurance than new records.
            self._release(self._source.read_up_to())

    def _on_beat(self) -> None:
        if self._settling is not None and self._keeper is not None:
            self._settle(self._keeper)

    def _settle(self, keeper: Keeper) -> None:
        """Note what changed, and have the kernel's records go when that is durable.

        Not while a start that they tell of waits: a successor would have to read them again.
        """
        self._release(keeper.released())
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        keeper.note(self.core)
        if self._source is not None and not self.core.waiting():
            read = self._source.read_up_to()
            if read != self._marked:
                self._marked = read
                keeper.mark(read)

    def _release(self, read: ReadUpTo | None) -> None:
        if self._source is not None and read is not None:
            self._source.release(read)

    def _arm_timer(self, now: int) -> None:
        deadline = self.core.deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            delay = max(0, deadline - now) / _NS_PER_SECOND
            self._timer = self._loop.call_later(delay, self._feed, ())

    # ----------------------------------------------------------------- tasks

    async def _take_inventory(self, describing: Describing, drain: Drain) -> None:
        taken = await inventory.take(
            self._parsers.cgroup, describing, drain, self.core.table, self.settings.pin_root
        )
        if taken is not None:
            self._feed([taken])
            memory.settle()

    async def _keep_house(self, keeper: Keeper, drain: Drain) -> None:
        noted = beaten = self._loop.time()
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            drain.turn()
            self._release(keeper.released())
            observations: list[Observation] = []
            lost = self._source.losses() if self._source is not None else ()
            observations += lost
            offset = clock.realtime_offset()
            if abs(offset - self.realtime_offset) > CLOCK_TOLERANCE:
                self.realtime_offset = offset
                observations.append(ClockSynced(clock.boottime(), offset))
            if self._witnesses is not None:
                observations += self._witnesses.losses(self.realtime_offset)
            if 0 < self.settings.heartbeat_seconds <= self._loop.time() - beaten:
                beaten = self._loop.time()
                observations.append(Heartbeat(clock.boottime()))
            if observations:
                self._feed(observations)
            due = self._loop.time() - noted >= CHECKPOINT
            if due:
                noted = self._loop.time()
                keeper.checkpoint()
            if (lost or due) and self._source is not None:
                keeper.count(self._source.reported())

    async def _retire_old_sets(self) -> None:
        await asyncio.sleep(SET_OVERLAP)
        if self._source is None or len(pins.loaded_sets(self.settings.pin_root)) == 1:
            return
        self._feed(self._source.retire_old())

    async def _finish(self, keeper: Keeper, describing: Describing, drain: Drain) -> None:
        """Drain, answer what waits, and keep what is known."""
        await drain.stop()
        if self._source is not None:
            self._feed(self._source.losses())
            keeper.count(self._source.reported())
        end = self._loop.time() + SHUTDOWN_WAIT
        while (describing.under_way or self.core.waiting()) and self._loop.time() < end:
            describing.take()
            await asyncio.sleep(DRAIN_STEP)
        if self._timer is not None:
            self._timer.cancel()
        self._settle(keeper)
        keeper.checkpoint()
        await asyncio.to_thread(keeper.store.flush, SHUTDOWN_WAIT)
        self._release(keeper.released())


def _recorder(
    path: Path, stack: AsyncExitStack
) -> Callable[[int, tuple[Observation, ...]], object]:
    """Open a capture and return what writes a batch to it; ``stack`` closes it."""
    # 1.6 MiB that an agent need not have otherwise.
    from sensor.sources.capture import Arrival, CaptureWriter  # noqa: PLC0415 - see above

    capture = CaptureWriter(path, sensor=__version__)
    stack.callback(capture.close)
    return lambda now, observations: capture.write(Arrival(now, observations))


def _loaded_at(pin_set: pins.PinSet) -> int:
    """When the probes of a set were attached, in ns since boot; the loader wrote it."""
    settings = libbpf.BpfMap.pinned(pin_set.map("settings"))
    try:
        value = settings.lookup(bytes(_U32_LEN))
    finally:
        settings.close()
    return int.from_bytes(value or b"", "little")
