"""The agent: builds the pipeline, owns the loop and the order of shutdown.

    rings ─▶ KernelSource ─▶ Correlator ─▶ sinks (lines on a descriptor)
                                │    ▲
              describe requests ▼    │ ContainerDescribed
                            identity worker (threads)

Start-up: take the node's lock, load the probes, give the core what an earlier agent knew, read the
rings from then on, and compare with procfs. Shutdown: drain the rings, wait for descriptions under
way, flush the sinks, save what is known. The probes stay: the next agent drains what happens
meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import __version__, clock
from sensor.agent import policy_files, startup_scan, status
from sensor.agent.delivery import Delivery, DeliverySettings
from sensor.agent.descriptions import DescriptionService
from sensor.agent.explaining import Explaining
from sensor.agent.judging import Judging
from sensor.agent.lock import hold_node
from sensor.agent.node_view import NodeView
from sensor.agent.persistence import Persistence
from sensor.agent.pipeline import Pipeline
from sensor.agent.probe_watch import ProbeWatch
from sensor.agent.reload import Reloader
from sensor.agent.ring_reader import RingReader
from sensor.agent.sources import OptionalSources, OptionalSourceSettings, OptionalSourceState
from sensor.api.server import ControlServer
from sensor.api.storelog import StoreLog
from sensor.bpf import libbpf, loader, pins, watched
from sensor.correlate.core import Parsers
from sensor.identity.describer import Describer
from sensor.identity.pattern import parser_with
from sensor.identity.redact import redact_argv
from sensor.identity.settings import IdentitySettings
from sensor.linux import malloc, priority
from sensor.linux.realtime import RealTime
from sensor.linux.systemd import Notifier
from sensor.model.observations import (
    ClockStepped,
    ClockSynced,
    Heartbeat,
    HostFacts,
    Observation,
    OutputLoss,
    ProbesAttached,
)
from sensor.sources import accounts, procfs
from sensor.sources.kernel import KernelSource
from sensor.store.log import StoreHealth, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.agent.status import OutputHealth
    from sensor.api.status import DeliveryState, Status

HOUSEKEEPING = 2.0
"""Seconds between looks at losses and clock."""

RESUMED_SECONDS = 5.0
"""Seconds after the rings were read to their end until no event of an earlier agent can come."""

CLOCK_TOLERANCE = 1_000_000
"""Nanoseconds that the wall clock may drift before the core gets a new offset."""

SET_OVERLAP = 10.0
"""Seconds for which an old probe set stays attached beside its successor: creations that were under
way at the switch end in the set that saw them begin."""

CLOCK_STEP = 1_000_000_000
"""Nanoseconds by which the wall clock is set that are an event."""

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
_U32_LEN = 4

log = logging.getLogger("castoff")


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
    shipping: DeliverySettings = field(default_factory=DeliverySettings)
    log_level: str = "info"
    node_name: str | None = None
    """The node's name in Kubernetes; None to look for it."""
    heartbeat_seconds: float = 3600
    """Between two signs of life; 0 for none."""
    requests: bool = True
    """Whether the probes read what is asked of engines; decided when they are loaded."""
    realtime: bool = True
    """Whether the loop's thread may have a real-time policy, within its budget."""
    witnesses: OptionalSourceSettings = field(default_factory=OptionalSourceSettings)
    kubernetes_audit: Path | None = None
    """The API server's audit log, where this node has it."""
    policy_dir: Path = policy_files.DIRECTORY
    """Where policy and changes are."""


def parsers(cgroup_patterns: Sequence[str] = ()) -> Parsers:
    """Gather the pure functions of ``identity`` that the core uses, live and in replay.

    Raises :class:`ConfigError` for a pattern that cannot be used.
    """
    roles = watched.Roles(watched.read(loader.SOURCES / "watched.toml"))
    return Parsers(cgroup=parser_with(cgroup_patterns), redact=redact_argv, role_of=roles.of_name)


class Agent:
    """One run of the agent on this node."""

    def __init__(
        self,
        settings: AgentSettings,
        reread: Callable[[], AgentSettings] | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        """``reread`` gives the settings anew on SIGHUP; without it they stay as they are.

        ``notifier`` reports to systemd.
        """
        self.settings = settings
        self._notifier = notifier or Notifier({})
        self._reread = reread or (lambda: settings)
        self.host: HostFacts = procfs.host_facts(node=settings.node_name)
        self._parsers = parsers(settings.cgroup_patterns)
        self.pipeline = Pipeline(self._parsers)
        self.core, self.events = self.pipeline.core, self.pipeline.events
        self.started = clock.boottime()
        self.outputs: Callable[[], tuple[OutputHealth, ...]] = tuple
        self.probes_surviving = False
        self.realtime_offset = clock.realtime_offset()
        self._stopping = asyncio.Event()
        self._hung_up = False
        self._interactive = os.isatty(_STDIN)
        self._source: KernelSource | None = None
        self._watch: ProbeWatch | None = None
        self._incomplete: tuple[str, ...] = ()
        """What the probe set of an earlier agent lacked."""
        self._witnesses: OptionalSources | None = None
        self._shipping = Delivery(settings.shipping, self.host)
        self._describer = Describer(IdentitySettings(host_root=str(settings.host_root)))
        self._keeper: Persistence | None = None
        self._describing: DescriptionService | None = None
        self._judging: Judging | None = None
        self.real_time = RealTime()
        self._losses_until = self.started
        self._loop = asyncio.get_running_loop()

    @property
    def source(self) -> KernelSource | None:
        """The kernel source, once it is open."""
        return self._source

    @property
    def pin_root(self) -> Path:
        """Where the probe sets are pinned."""
        return self.settings.pin_root

    @property
    def watch(self) -> ProbeWatch | None:
        """What watches the probes, once they are loaded."""
        return self._watch

    def output_states(self) -> tuple[OutputHealth, ...]:
        """Return how the outputs are doing."""
        return self.outputs()

    def witness_states(self) -> tuple[OptionalSourceState, ...]:
        """Return how the sources beside the probes are doing."""
        return self._witnesses.states() if self._witnesses is not None else ()

    def store_health(self) -> StoreHealth | None:
        """Return how the store is doing, once it is open."""
        return self._keeper.health() if self._keeper is not None else None

    def delivery_states(self) -> tuple[DeliveryState, ...]:
        """Return how the outputs that ship the log are doing."""
        return self._shipping.states()

    def judge_counters(self) -> tuple[tuple[str, int], ...]:
        """Return what the judge counts, once it is there."""
        return self._judging.counters() if self._judging is not None else ()

    def identity_problems(self) -> tuple[tuple[str, int], ...]:
        """Return what the identity worker could not read, counted."""
        return self._describer.problem_counts()

    def stop(self) -> None:
        """Ask the agent to drain and end."""
        self._stopping.set()

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Run until :meth:`stop`; ``started`` is called once the rings are being read."""
        malloc.one_arena()
        async with AsyncExitStack() as stack:
            stack.callback(os.close, hold_node(self.settings.run_dir, self.settings.state_dir))
            # One that comes before everything is there waits for that.
            self._loop.add_signal_handler(signal.SIGHUP, lambda: setattr(self, "_hung_up", True))
            stack.callback(signal.signal, signal.SIGHUP, signal.SIG_IGN)
            pin_set = self._load_probes(stack)
            # Before the threads: they inherit it, and share one lock with the loop. Those of the
            # executor are made later, by a thread that hands nothing on.
            priority.raise_own()
            self._loop.set_default_executor(
                ThreadPoolExecutor(thread_name_prefix="aside", initializer=priority.raise_own)
            )
            self._keeper = self._open_store()
            stack.callback(self._keeper.close)
            self._shipping.open(self._keeper)
            stack.push_async_callback(self._shipping.close)
            if self.settings.capture is not None:
                self.pipeline.record = _recorder(self.settings.capture, stack)
            self._describing = self.pipeline.describing = DescriptionService(
                self._describer, self.pipeline.feed
            )
            stack.callback(self._describing.close)
            self._source = self.pipeline.source = KernelSource(
                pins.loaded_sets(self.settings.pin_root)
            )
            stack.callback(self._source.close)
            self._source.take_back(self._keeper.counters())
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self.stop)
                # Not the default again: a second Ctrl-C during the last moments changes nothing.
                stack.callback(signal.signal, number, signal.SIG_IGN)
            control = self._control_server(self._keeper)
            await control.start()
            stack.push_async_callback(control.close)
            self._keeper.publish = lambda sequence, line: control.publish(sequence, lambda: line)
            await self._describing.discover()
            self._introduce(pin_set, self._keeper, self._source)
            self._witnesses = OptionalSources(self.settings.witnesses, pin_set, self.pipeline.feed)
            stack.push_async_callback(self._witnesses.close)
            self._reload_on_hangup(self._keeper, control, self._witnesses)
            if self._source.backlog():
                now = clock.boottime() + self.realtime_offset
                since = max(_loaded_at(pin_set) + self.realtime_offset, now - RECALL_SPAN)
                await self._witnesses.recall(since, now)
            ring_reader = RingReader(
                self._source,
                self._witnesses,
                self._describing,
                self._keeper,
                self.pipeline.feed,
                self.real_time.account,
                self.pipeline.on_tick,
            )
            ring_reader.start()
            if self.settings.realtime:
                stack.callback(self.real_time.end)
                if not self.real_time.begin():
                    log.info(
                        "no real-time policy is allowed here: starts are reported a little later"
                    )
            started()
            self._notifier.ready(status.line(self))
            await self._witnesses.start(self.realtime_offset)
            tasks = [
                asyncio.create_task(self._take_inventory(self._describing, ring_reader)),
                asyncio.create_task(self._keep_house(self._keeper, ring_reader)),
                asyncio.create_task(self._retire_old_sets()),
                *self._explain(),
            ]
            await self._stopping.wait()
            self._notifier.stopping("draining the probes' rings")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._finish(self._keeper, self._describing, ring_reader)

    def _explain(self) -> list[asyncio.Task[None]]:
        """Read the API server's audit log, where this node has it."""
        if self.settings.kubernetes_audit is None:
            return []
        explaining = Explaining(
            self.settings.kubernetes_audit, self.pipeline.publish, lambda: self.realtime_offset
        )
        self.pipeline.sinks.append(explaining)
        return [asyncio.create_task(explaining.run())]

    def _open_store(self) -> Persistence:
        """Open the store and the judge, who keeps in it what it remembers."""
        keeper = self.pipeline.keeper = Persistence(
            self.settings.state_dir,
            StoreSettings(
                sync=self.settings.store_sync,
                max_bytes=self.settings.store_max_mib << 20,
                max_age=self.settings.store_max_age_days * _SECONDS_PER_DAY,
                dead_letters=self.settings.shipping.dead_letters,
            ),
            self.host.boot_id,
            self.pipeline.feed,
        )
        self._judging = self.pipeline.judging = Judging(
            self.settings.policy_dir,
            self.settings.state_dir,
            keeper.store.keep_judged,
            self.pipeline.feed,
        )
        return keeper

    def on_output_loss(self, lines: int) -> None:
        """Note that an output lost ``lines`` events of a reader that is too slow."""
        now = clock.boottime()
        log.warning("%d events not written: the reader is too slow", lines)
        loss = OutputLoss(time=now, since=self._losses_until, output="stdout", lost=lines)
        self._losses_until = now
        self._loop.call_soon(self.pipeline.feed, (loss,))

    def _control_server(self, keeper: Persistence) -> ControlServer:
        return ControlServer(
            self.settings.socket,
            self._status,
            view=NodeView(
                self.core, self.events, self._parsers.cgroup, lambda: self.realtime_offset
            ),
            log=StoreLog(keeper.store, keeper.reader),
            deliveries=self._shipping,
            judgement=self._judging,
            group=self.settings.socket_group,
            resources={
                "/v1/coverage": lambda query: status.coverage(self, query),
                "/healthz": lambda query: status.health(self, query),
            },
        )

    def _status(self) -> Status:
        return status.status(self)

    def _reload_on_hangup(
        self, keeper: Persistence, control: ControlServer, witnesses: OptionalSources
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
                if self._judging is not None:
                    self._judging.reload()

        self._loop.add_signal_handler(signal.SIGHUP, on_hangup)
        if self._hung_up:
            on_hangup()

    # ----------------------------------------------------------------- pipeline

    def _load_probes(self, stack: AsyncExitStack) -> pins.PinSet:
        """Load the probes if they are not, and hold them."""
        root, requests = self.settings.pin_root, self.settings.requests
        self._incomplete = loader.incomplete(root, requests=requests)
        pin_set = loader.load(root, requests=requests)
        self._watch = ProbeWatch(pin_set)
        stack.callback(self._watch.close)
        return pin_set

    def _introduce(self, pin_set: pins.PinSet, keeper: Persistence, source: KernelSource) -> None:
        seen_at = source.seen_at()
        self._resume(keeper, source)
        loaded_at = _loaded_at(pin_set)
        first: list[Observation] = [
            self.host,
            ClockSynced(clock.boottime(), self.realtime_offset),
            accounts.read(clock.boottime()),
        ]
        restored = keeper.restored()
        if restored is not None:
            if restored.boot_id == self.host.boot_id and seen_at > restored.seen:
                restored = replace(restored, seen=seen_at)
            first.append(restored)
        keeper.count(source.reported())
        self.probes_surviving = loaded_at < self.started
        first.append(ProbesAttached(loaded_at, surviving=self.probes_surviving))
        first += keeper.opened()
        if self._watch is not None:
            first += self._watch.began(self._incomplete, seen_at)
        self.pipeline.feed(first)
        if self._judging is not None:
            self._judging.start(keeper.store.take_judged())

    def _resume(self, keeper: Persistence, source: KernelSource) -> None:
        """Go on where the log ends: with the clock's offset of its events, and none of them again.

        What was reported and not yet kept has the same time then, too.
        """
        resumed = keeper.resume()
        self.realtime_offset = clock.realtime_offset()
        kept = resumed.realtime_offset
        if kept is not None and abs(kept - self.realtime_offset) <= CLOCK_TOLERANCE:
            self.realtime_offset = kept
        if source.backlog():
            self.pipeline.reported = resumed.ids

    # ----------------------------------------------------------------- tasks

    async def _take_inventory(
        self, describing: DescriptionService, ring_reader: RingReader
    ) -> None:
        taken = await startup_scan.take(
            self._parsers.cgroup, describing, ring_reader, self.core.table, self.settings.pin_root
        )
        # The rings have been read to their end. Starts of before may still wait for a description.
        self._loop.call_later(RESUMED_SECONDS, setattr, self.pipeline, "reported", frozenset())
        if taken is not None:
            self.pipeline.feed([taken])
            malloc.settle()

    async def _keep_house(self, keeper: Persistence, ring_reader: RingReader) -> None:
        noted = beaten = self._loop.time()
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            ring_reader.poll()
            self.pipeline.release()
            observations: list[Observation] = []
            lost = self._source.losses() if self._source is not None else ()
            observations += lost
            offset = clock.realtime_offset()
            step = offset - self.realtime_offset
            if abs(step) > CLOCK_TOLERANCE:
                self.realtime_offset = offset
                observations.append(ClockSynced(clock.boottime(), offset))
            if abs(step) > CLOCK_STEP:
                log.warning("the wall clock was set by %+.3f s", step / 1e9)
                observations.append(ClockStepped(clock.boottime(), step))
            observations += self._watch_probes()
            if self._witnesses is not None:
                observations += self._witnesses.losses(self.realtime_offset)
            if 0 < self.settings.heartbeat_seconds <= self._loop.time() - beaten:
                beaten = self._loop.time()
                observations.append(Heartbeat(clock.boottime(), keeper.health().head))
            if observations:
                self.pipeline.feed(observations)
            if self._judging is not None:
                self._judging.tick()
            due = self._loop.time() - noted >= CHECKPOINT
            if due:
                noted = self._loop.time()
                keeper.checkpoint()
            if (lost or due) and self._source is not None:
                keeper.count(self._source.reported())
            # Here, since the loop has turned and the rings were polled.
            self._notifier.beat(status.line(self))

    def _watch_probes(self) -> list[Observation]:
        """Look whether the probes are there, and note that an agent is."""
        if self._source is not None:
            self._source.see(clock.boottime())
        return self._watch.tick() if self._watch is not None else []

    async def _retire_old_sets(self) -> None:
        await asyncio.sleep(SET_OVERLAP)
        if self._source is None or len(pins.loaded_sets(self.settings.pin_root)) == 1:
            return
        self.pipeline.feed(self._source.retire_old())

    async def _finish(
        self, keeper: Persistence, describing: DescriptionService, ring_reader: RingReader
    ) -> None:
        """RingReader, answer what waits, and keep what is known."""
        await ring_reader.stop()
        if self._source is not None:
            self.pipeline.feed(self._source.losses())
            keeper.count(self._source.reported())
        end = self._loop.time() + SHUTDOWN_WAIT
        while (describing.under_way or self.core.waiting()) and self._loop.time() < end:
            describing.take()
            await asyncio.sleep(DRAIN_STEP)
        self.pipeline.feed(await asyncio.to_thread(keeper.stopped))
        self.pipeline.stop()
        keeper.checkpoint()
        keeper.note_clean_end()
        await asyncio.to_thread(keeper.store.flush, SHUTDOWN_WAIT)
        self.pipeline.release()


def _recorder(
    path: Path, stack: AsyncExitStack
) -> Callable[[int, tuple[Observation, ...]], object]:
    """Open a capture and return what writes a batch to it; ``stack`` closes it."""
    from sensor.sources.capture import (  # noqa: PLC0415 - 1.6 MiB that few agents need
        Arrival,
        CaptureWriter,
    )

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
