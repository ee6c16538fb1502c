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
import fcntl
import logging
import os
import signal
import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import __version__, memory, priority, reporting
from sensor.control.server import ControlServer
from sensor.control.storelog import StoreLog
from sensor.correlate.core import Correlator, Parsers
from sensor.correlate.supervision import begins_engine
from sensor.errors import PermissionMissing, ProbesBusy
from sensor.identity.describer import Describer
from sensor.identity.discovery import running_roots
from sensor.identity.pattern import parser_with
from sensor.identity.redact import redact_argv
from sensor.identity.settings import IdentitySettings
from sensor.identity.worker import Worker
from sensor.kernel import clock, libbpf, loader, pins, seed, watched
from sensor.model import (
    CgroupIdentity,
    CgroupPaths,
    ClockSynced,
    CommandExec,
    ContainerDescribed,
    ContainerId,
    DescribeRequest,
    Description,
    Event,
    FoundContainer,
    Heartbeat,
    HostFacts,
    InventoryTaken,
    Observation,
    OutputLoss,
    ProbesAttached,
    ProcessKey,
)
from sensor.shipping import Shipping, ShippingSettings
from sensor.sources import accounts, procfs
from sensor.sources.kernel import KernelSource, ReadUpTo
from sensor.store.log import StoreHealth, StoreSettings
from sensor.witnesses import Witnesses, WitnessSettings, WitnessState

if TYPE_CHECKING:
    from sensor.control.status import DeliveryState, Status
    from sensor.reporting import OutputHealth
from sensor.keeping import Keeper
from sensor.node import NodeView
from sensor.outputs import native
from sensor.reload import Reloader

HOUSEKEEPING = 1.0
"""Seconds between looks at losses and clock."""

LOOK_FIRST = 0.1
LOOK_LAST = 0.8
"""Seconds until the rings are looked at again after they held something, doubled while nothing is:
most commands, and the ends of all, do not wake the agent."""

SETTLE_PACE = 0.2
"""Seconds until what led to no event is noted and released: a start makes a dozen such batches."""

CLOCK_TOLERANCE = 1_000_000
"""Nanoseconds that the wall clock may drift before the core is told."""

SET_OVERLAP = 10.0
"""Seconds for which an old probe set stays attached beside its successor: creations that were under
way at the switch end in the set that saw them begin."""

CHECKPOINT = 60.0
"""Seconds between notes of until when the agent has seen, on a node where nothing happens."""

RECALL_SPAN = 86_400_000_000_000
"""Nanoseconds of the engines' past that an agent asks for when it finds a backlog."""

SWITCH_SECONDS = 0.0005
"""After how long a thread that waits for the interpreter gets it (5 ms otherwise): a describer
waits anew after each of some twenty system calls."""

DESCRIBING_MANY = 64
"""Descriptions under way from which on their answers are taken together: the loop and the threads
that describe take turns, and each turn costs."""

DESCRIBING_MAX = 512
"""Descriptions under way beyond which no more is read: all of a backlog would wait for them at
once, most in vain, and go out together."""

DRAIN_STEP = 0.005
"""Seconds between looks at what a stopping agent waits for, and at a disk that is behind."""

SHUTDOWN_WAIT = 2.0
"""Seconds that a stopping agent waits for descriptions and slow readers."""

INVENTORY_WAIT = 10.0
"""Seconds that the start-up inventory may take."""

_SECONDS_PER_DAY = 86_400.0
_STDIN = 0
_NS_PER_SECOND = 1_000_000_000
_U32_LEN = 4

log = logging.getLogger("castoff")

Sink = Callable[[Event, bytes], None]
"""Takes an event and its JSON line."""


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
    witnesses: WitnessSettings = field(default_factory=WitnessSettings)


def parsers(cgroup_patterns: Sequence[str] = ()) -> Parsers:
    """Gather the pure functions of ``identity`` that the core uses, live and in replay.

    Raises :class:`ConfigError` for a pattern that cannot be used.
    """
    roles = watched.Roles(watched.read(loader.SOURCES / "watched.toml"))
    return Parsers(cgroup=parser_with(cgroup_patterns), redact=redact_argv, role_of=roles.of_name)


def lock_node(run_dir: Path) -> int:
    """Hold the node: one agent reads the rings. Returns the lock's descriptor.

    Raises :class:`ProbesBusy` naming the holder.
    """
    try:
        run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(
            run_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644
        )
    except PermissionError as error:
        problem = f"may not write {run_dir}"
        raise PermissionMissing(problem, "Run as root, or give --run-dir.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        problem = f"another agent (pid {holder}) reads the probes of this node"
        raise ProbesBusy(
            problem, "Stop it first: systemctl stop castoff, or its DaemonSet."
        ) from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


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
        self.core = Correlator(self._parsers)
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
        self._worker: Worker | None = None
        self._witnesses: Witnesses | None = None
        self._record: Callable[[int, tuple[Observation, ...]], object] | None = None
        self._shipping = Shipping(settings.shipping, self.host)
        self._describer = Describer(IdentitySettings(host_root=str(settings.host_root)))
        self._keeper: Keeper | None = None
        self._marked: ReadUpTo | None = None
        self._discovery: asyncio.Task[None] | None = None
        self._describing = 0
        self._answers: deque[tuple[DescribeRequest, Description]] = deque()
        self._answers_due = False
        self._awaited = False
        """A start waits for an answer."""
        self._losses_until = self.started
        self._timer: asyncio.TimerHandle | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
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
        sys.setswitchinterval(SWITCH_SECONDS)
        async with AsyncExitStack() as stack:
            stack.callback(os.close, lock_node(self.settings.run_dir))
            # One that comes before everything is there waits for that.
            self._loop.add_signal_handler(signal.SIGHUP, lambda: setattr(self, "_hung_up", True))
            stack.callback(signal.signal, signal.SIGHUP, signal.SIG_IGN)
            pin_set = loader.load(self.settings.pin_root)
            # Before the threads: they inherit it, and share one lock with the loop.
            priority.raise_own()
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
                self._release,
            )
            stack.callback(self._keeper.close)
            self._shipping.open(self._keeper)
            stack.push_async_callback(self._shipping.close)
            if self.settings.capture is not None:
                self._record = _recorder(self.settings.capture, stack)
            self._worker = Worker(self._describer.describe, self._described)
            stack.callback(self._worker.close)
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
            await self._discover()
            self._introduce(pin_set, self._keeper)
            self._witnesses = Witnesses(self.settings.witnesses, pin_set, self._feed)
            stack.push_async_callback(self._witnesses.close)
            self._reload_on_hangup(self._keeper, control, self._witnesses)
            if self._source.backlog():
                now = clock.boottime() + self.realtime_offset
                since = max(_loaded_at(pin_set) + self.realtime_offset, now - RECALL_SPAN)
                await self._witnesses.recall(since, now)
            self._loop.add_reader(self._source.descriptor, self._on_readable)
            started()
            await self._witnesses.start(self.realtime_offset)
            tasks = [
                asyncio.create_task(self._take_inventory()),
                asyncio.create_task(self._keep_house(self._keeper)),
                asyncio.create_task(self._retire_old_sets()),
            ]
            await self._stopping.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._finish(self._keeper)

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
        outcome = self.core.feed(now, observations)
        lines: list[bytes] = []
        for event in outcome.events:
            lines.append(line := native.encode_line(event))
            self.events[event.type] += 1
            for sink in self.sinks:
                sink(event, line)
        if self._worker is not None:
            for request in outcome.requests:
                self._describing += 1
                self._worker.submit(request)
        self._awaited = self.core.waiting()
        if self._awaited and self._answers and not self._answers_due:
            # It came while nobody waited, and nobody was woken.
            self._answers_due = True
            self._loop.call_soon(self._take_answers)
        self._arm_timer(now)
        self._keep(outcome.events, lines)

    def _keep(self, events: tuple[Event, ...], lines: Sequence[bytes]) -> None:
        """Store what came of a batch; what led to no event is noted a little later."""
        if self._keeper is None:
            return
        if events:
            self._keeper.keep(events, lines)
            self._settle(self._keeper)
        elif self._settling is None:
            self._settling = self._loop.call_later(SETTLE_PACE, self._settle, self._keeper)
        if self._source is not None and self._source.is_filling():
            # The disk does not keep up: rather lose the insurance than new records.
            self._release(self._source.read_up_to())

    def _settle(self, keeper: Keeper) -> None:
        """Note what changed, and have the kernel's records go when that is durable.

        Not while a start that they tell of waits: a successor would have to read them again.
        """
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        keeper.note(self.core)
        if self._source is not None and not self.core.waiting():
            read = self._source.read_up_to()
            if read != self._marked:
                self._marked = read
                keeper.mark(read)

    def _release(self, read: ReadUpTo) -> None:
        if self._source is not None:
            self._source.release(read)

    def _arm_timer(self, now: int) -> None:
        deadline = self.core.deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            delay = max(0, deadline - now) / _NS_PER_SECOND
            self._timer = self._loop.call_later(delay, self._feed, ())

    def _on_readable(self) -> None:
        source = self._source
        if source is None:
            return
        if self._is_behind() and not source.is_pressing():
            self._take_answers()
            # A backlog: what waits in the rings is safe there.
            if self._resting is None:
                self._resting = self._loop.call_later(DRAIN_STEP, self._on_rested)
            return
        observations: list[Observation] = list(source.drain())
        if self._witnesses is not None:
            # Causes before effects: what audit and the connects tell goes in front.
            observations = self._witnesses.drain_audit() + self._witnesses.sift(observations)
        answers = self._described_by_now()
        if observations or answers:
            self._feed(answers + observations)
            if any(_begins_engine(observation) for observation in observations):
                self._look_for_engines()
        if source.has_more:
            self._loop.call_soon(self._on_readable)
        elif observations and self._looking is None:
            self._looking = self._loop.call_later(LOOK_FIRST, self._look_again, LOOK_FIRST)

    def _look_again(self, waited: float) -> None:
        self._looking = None
        if self._source is None:
            return
        before = self._source.observations
        self._on_readable()
        if self._source.observations == before and waited < LOOK_LAST:
            self._looking = self._loop.call_later(2 * waited, self._look_again, 2 * waited)

    def _is_behind(self) -> bool:
        """Whether what was read already keeps the disk or the describers busy."""
        if self._describing > DESCRIBING_MAX:
            return True
        return self._keeper is not None and self._keeper.is_behind()

    def _on_rested(self) -> None:
        self._resting = None
        self._on_readable()

    def _look_for_engines(self) -> None:
        if self._witnesses is not None:
            self._witnesses.engine_began()
        self._discovery = self._loop.create_task(self._discover())

    async def _discover(self) -> None:
        """Learn where the engines that run keep their containers."""
        self._describer.learn(await asyncio.to_thread(running_roots))

    def _described(self, request: DescribeRequest, description: Description) -> None:
        """From a thread of the worker. Of many under way, those of some moments go together.

        Most come while no start waits for them: those are taken with the next records.
        """
        self._answers.append((request, description))
        if self._awaited and not self._answers_due:
            self._answers_due = True
            if self._describing < DESCRIBING_MANY:
                self._loop.call_soon_threadsafe(self._take_answers)
            else:
                self._loop.call_soon_threadsafe(
                    self._loop.call_later, DRAIN_STEP, self._take_answers
                )

    def _take_answers(self) -> None:
        # First: who finds it set put its answer in before, and has it taken now.
        self._answers_due = False
        answers = self._described_by_now()
        if answers:
            self._feed(answers)

    def _described_by_now(self) -> list[Observation]:
        now = clock.boottime()
        answers: list[Observation] = []
        while self._answers:
            request, description = self._answers.popleft()
            answers.append(ContainerDescribed(now, request.id, description, request.scope))
        self._describing -= len(answers)
        return answers

    # ----------------------------------------------------------------- tasks

    async def _take_inventory(self) -> None:
        time = clock.boottime()
        try:
            found = await asyncio.wait_for(
                asyncio.to_thread(
                    procfs.running_containers, self._parsers.cgroup, self._describe_found
                ),
                INVENTORY_WAIT,
            )
        except TimeoutError:
            log.warning("the inventory took more than %.0f s and is incomplete", INVENTORY_WAIT)
            return
        self._on_readable()
        while self._source is not None and self._source.has_more:
            # What began before the inventory may wait in the rings still: it is no inventory.
            self._on_readable()
            await asyncio.sleep(DRAIN_STEP if self._resting is not None else 0)
        found += self._still_running({container.id for container in found})
        self._watch_inits(found)
        self._feed([InventoryTaken(time, found)])
        memory.settle()

    def _still_running(self, found: set[ContainerId]) -> tuple[FoundContainer, ...]:
        """Find known containers whose cgroups do not tell their ids: by their inits."""
        again = (
            procfs.found_again(state.key.id, state.key.scope, state.init, state.parents)
            for state in self.core.table.all()
            if state.alive and state.init is not None and state.key.id not in found
        )
        return tuple(container for container in again if container is not None)

    def _describe_found(
        self,
        identity: CgroupIdentity,
        init: ProcessKey,  # noqa: ARG002 - procfs hands it to every describer
        paths: CgroupPaths,
    ) -> Description | None:
        """From the inventory's thread."""
        return self._describer.describe(
            DescribeRequest(
                id=identity.id,
                engine=identity.engine,
                bundle=None,
                runtime_root=None,
                containerd_namespace=None,
                reader=None,
                reader_mnt_ns=None,
                reader_uid=None,
                cgroup=paths.v1 or paths.v2,
            )
        )

    def _watch_inits(self, found: tuple[FoundContainer, ...]) -> None:
        """Have the probes report the end of inits that they did not see begin."""
        inits = libbpf.BpfMap.pinned(pins.loaded_sets(self.settings.pin_root)[-1].map("inits"))
        try:
            for container in found:
                key = container.init.pid.to_bytes(_U32_LEN, "little")
                if inits.lookup(key) is None:
                    inits.update(key, bytes(inits.shape.value_size))
                    # Its end may have come just before: then nobody else removes the entry.
                    if not seed.is_alive(container.init.pid):
                        inits.delete(key)
        finally:
            inits.close()

    async def _keep_house(self, keeper: Keeper) -> None:
        noted = beaten = self._loop.time()
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            self._on_readable()
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

    async def _finish(self, keeper: Keeper) -> None:
        """Drain, answer what waits, and keep what is known."""
        if self._source is not None:
            self._loop.remove_reader(self._source.descriptor)
            if self._looking is not None:
                self._looking.cancel()
            while observations := self._source.drain():
                self._feed(observations)
                if keeper.is_behind():
                    await asyncio.to_thread(keeper.store.flush, SHUTDOWN_WAIT)
            self._feed(self._source.losses())
            keeper.count(self._source.reported())
        end = self._loop.time() + SHUTDOWN_WAIT
        while (self._describing or self.core.waiting()) and self._loop.time() < end:
            self._take_answers()
            await asyncio.sleep(DRAIN_STEP)
        for timer in (self._timer, self._resting):
            if timer is not None:
                timer.cancel()
        self._settle(keeper)
        keeper.checkpoint()
        await asyncio.to_thread(keeper.store.flush, SHUTDOWN_WAIT)
        # Let the releases that the flush led to arrive.
        await asyncio.sleep(0)


def _recorder(
    path: Path, stack: AsyncExitStack
) -> Callable[[int, tuple[Observation, ...]], object]:
    """Open a capture and return what writes a batch to it; ``stack`` closes it."""
    # 1.6 MiB that an agent need not have otherwise.
    from sensor.sources.capture import Arrival, CaptureWriter  # noqa: PLC0415

    capture = CaptureWriter(path, sensor=__version__)
    stack.callback(capture.close)
    return lambda now, observations: capture.write(Arrival(now, observations))


def _begins_engine(observation: Observation) -> bool:
    return isinstance(observation, CommandExec) and begins_engine(observation)


def _loaded_at(pin_set: pins.PinSet) -> int:
    """When the probes of a set were attached, in ns since boot; the loader wrote it."""
    settings = libbpf.BpfMap.pinned(pin_set.map("settings"))
    try:
        value = settings.lookup(bytes(_U32_LEN))
    finally:
        settings.close()
    return int.from_bytes(value or b"", "little")
