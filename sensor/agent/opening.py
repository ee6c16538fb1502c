"""Opens the parts of an agent, in the order in which each needs what is there already.

The parts refer to each other in a circle: what is read goes into the pipeline, and the pipeline
asks for what is read next. So each gets the function ``feed``, which is not called before
:func:`open_parts` has returned.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from sensor import __version__, clock
from sensor.agent import status
from sensor.agent.delivery import Delivery, DeliverySettings
from sensor.agent.descriptions import DescriptionService
from sensor.agent.judge_commands import JudgeCommands
from sensor.agent.judging import Judging
from sensor.agent.node_view import NodeView
from sensor.agent.parsers import parsers
from sensor.agent.parts import Parts
from sensor.agent.persistence import Persistence
from sensor.agent.pipeline import Pipeline
from sensor.agent.probe_watch import ProbeWatch
from sensor.agent.ring_reader import RingReader
from sensor.agent.sources import OptionalSources
from sensor.agent.wall_clock import WallClock
from sensor.api.server import ControlServer
from sensor.api.storelog import StoreLog
from sensor.bpf import libbpf, loader, pins
from sensor.clock import TICK
from sensor.identity.describer import Describer
from sensor.identity.settings import IdentitySettings
from sensor.linux import priority
from sensor.linux.realtime import RealTime
from sensor.optional_packages import require
from sensor.sources import procfs
from sensor.sources.kernel import KernelSource
from sensor.store.log import StoreSettings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from contextlib import AsyncExitStack
    from pathlib import Path

    from sensor.agent.config import Config
    from sensor.agent.parts import Console, Feed
    from sensor.correlate.core import Parsers
    from sensor.model.agent_records import HostFacts
    from sensor.model.observations import Observation

SECONDS_PER_DAY = 86_400.0
COMMIT_SECONDS = TICK
"""Longest time that an event waits for its commit, which costs as much as a start: what is noted on
the next tick stands in the same one."""
_U32_LEN = 4


class _Ground(NamedTuple):
    """What is there before anything is opened."""

    config: Config
    stack: AsyncExitStack
    """Closes what was opened, the last one first."""
    feed: Feed
    started: int
    host: HostFacts
    parsers: Parsers
    console: tuple[Console, ...]


class _Probes(NamedTuple):
    pin_set: pins.PinSet
    lacking: tuple[str, ...]
    watch: ProbeWatch


class _Storage(NamedTuple):
    """What keeps events and what is known beyond the process, and ships from there."""

    persistence: Persistence
    judging: Judging
    delivery: Delivery


class _Intake(NamedTuple):
    """From the rings and the other sources to events."""

    source: KernelSource
    describer: Describer
    descriptions: DescriptionService
    pipeline: Pipeline
    optional: OptionalSources


def open_parts(
    config: Config,
    stack: AsyncExitStack,
    loop: asyncio.AbstractEventLoop,
    open_console: Callable[[Feed], Console] | None = None,
) -> Parts:
    """Load the probes and open every part. ``stack`` closes them, the last one first.

    A part is opened when all that it needs is there, and closed before that. Nothing is read, and
    nothing answers yet. Raises a :class:`CastoffError`.
    """

    def feed(observations: Sequence[Observation]) -> None:
        parts.pipeline.feed(observations)

    if config.sources.kubernetes_audit:
        require("sensor.agent.explaining", "sources.kubernetes_audit")
    host = procfs.host_facts(node=config.agent.node_name or None)
    ground = _Ground(
        config,
        stack,
        feed,
        started=clock.boottime(),
        host=host,
        parsers=parsers(config.identity.cgroup_patterns),
        console=() if open_console is None else (open_console(feed),),
    )
    for one in ground.console:
        stack.push_async_callback(one.close)
    delivery = Delivery(DeliverySettings.of(config), host)
    probes = _open_probes(config, stack)
    _raise_priority(loop)
    storage = _open_storage(
        ground, delivery, lambda sequence, line: parts.control.publish(sequence, lambda: line)
    )
    intake = _open_intake(ground, probes.pin_set, storage)
    parts = _open_socket(ground, probes, storage, intake)
    return parts


def _open_probes(config: Config, stack: AsyncExitStack) -> _Probes:
    lacking = loader.incomplete(config.pin_root, requests=config.sources.requests)
    pin_set = loader.load(config.pin_root, requests=config.sources.requests)
    watch = ProbeWatch(pin_set)
    stack.callback(watch.close)
    return _Probes(pin_set, lacking, watch)


def _open_storage(
    ground: _Ground, delivery: Delivery, publish: Callable[[int, bytes], None]
) -> _Storage:
    config, stack = ground.config, ground.stack
    persistence = Persistence(
        config.agent.state_dir,
        _store_settings(config),
        ground.host.boot_id,
        ground.feed,
        publish=publish,
    )
    stack.callback(persistence.close)
    judging = Judging(
        config.directory, config.agent.state_dir, persistence.store.keep_judged, ground.feed
    )
    delivery.open(persistence)
    stack.push_async_callback(delivery.close)
    return _Storage(persistence, judging, delivery)


def _open_intake(ground: _Ground, pin_set: pins.PinSet, storage: _Storage) -> _Intake:
    config, stack = ground.config, ground.stack
    record = None if config.capture is None else _recorder(config.capture, stack)
    describer = Describer(IdentitySettings(host_root=str(config.identity.host_root)))
    descriptions = DescriptionService(describer, ground.feed)
    stack.callback(descriptions.close)
    source = KernelSource(pins.loaded_sets(config.pin_root))
    stack.callback(source.close)
    source.take_back(storage.persistence.counters())
    pipeline = Pipeline(
        ground.parsers,
        persistence=storage.persistence,
        source=source,
        descriptions=descriptions,
        judging=storage.judging,
        sinks=ground.console,
        record=record,
    )
    optional = OptionalSources(config.sources, pin_set, ground.feed)
    return _Intake(source, describer, descriptions, pipeline, optional)


def _open_socket(ground: _Ground, probes: _Probes, storage: _Storage, intake: _Intake) -> Parts:
    """Open what answers of all the parts, and return them."""
    wall, stack = WallClock(), ground.stack
    control = _control(ground, storage, intake, wall, lambda: parts)
    stack.push_async_callback(control.close)
    stack.push_async_callback(intake.optional.close)
    real_time = RealTime()
    parts = Parts(
        config=ground.config,
        host=ground.host,
        started=ground.started,
        loaded_at=_loaded_at(probes.pin_set),
        lacking=probes.lacking,
        wall=wall,
        probes=probes.watch,
        source=intake.source,
        persistence=storage.persistence,
        delivery=storage.delivery,
        judging=storage.judging,
        describer=intake.describer,
        descriptions=intake.descriptions,
        pipeline=intake.pipeline,
        optional=intake.optional,
        ring_reader=RingReader(
            intake.source,
            intake.optional,
            intake.descriptions,
            storage.persistence,
            ground.feed,
            real_time.account,
            intake.pipeline.on_tick,
        ),
        real_time=real_time,
        control=control,
        parsers=ground.parsers,
        console=ground.console,
    )
    return parts


def _control(
    ground: _Ground,
    storage: _Storage,
    intake: _Intake,
    wall: WallClock,
    parts: Callable[[], Parts],
) -> ControlServer:
    """Open the socket; ``parts`` is called for each request."""
    pipeline = intake.pipeline
    return ControlServer(
        ground.config.socket.path,
        lambda: status.status(parts()),
        view=NodeView(pipeline.core, pipeline.events, ground.parsers.cgroup, lambda: wall.offset),
        log=StoreLog(storage.persistence.store, storage.persistence.reader),
        deliveries=storage.delivery,
        judgement=JudgeCommands(storage.judging),
        group=ground.config.socket.group,
        resources={
            "/v1/coverage": lambda query: status.coverage(parts(), query),
            "/healthz": lambda query: status.health(parts(), query),
        },
    )


def _raise_priority(loop: asyncio.AbstractEventLoop) -> None:
    """Raise the priority of the loop's thread and of those that it starts.

    Before any thread is made: they inherit it, and share one lock with the loop. Those of the
    executor are made later, by a thread that hands nothing on.
    """
    priority.raise_own()
    loop.set_default_executor(
        ThreadPoolExecutor(thread_name_prefix="aside", initializer=priority.raise_own)
    )


def _store_settings(config: Config) -> StoreSettings:
    return StoreSettings(
        sync=config.store.sync,
        max_bytes=config.store.max_mib << 20,
        max_age=config.store.max_age_days * SECONDS_PER_DAY,
        dead_letters=config.delivery.dead_letters,
        group_seconds=COMMIT_SECONDS,
    )


def _recorder(
    path: Path, stack: AsyncExitStack
) -> Callable[[int, tuple[Observation, ...]], object]:
    """Open a capture and return what writes a batch to it; ``stack`` closes it."""
    from sensor.sources.capture import (  # 1.6 MiB that few agents need
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
