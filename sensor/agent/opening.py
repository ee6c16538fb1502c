"""Opens the parts of an agent, in the order in which each needs what is there already.

The parts refer to each other in a circle: what is read goes into the pipeline, and the pipeline
asks for what is read next. So each gets the function ``feed``, which is not called before
:func:`open_parts` has returned.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

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
    from sensor.model.observations import Observation

SECONDS_PER_DAY = 86_400.0
COMMIT_SECONDS = TICK
"""Longest time that an event waits for its commit, which costs as much as a start: what is noted on
the next tick stands in the same one."""
_U32_LEN = 4


def open_parts(
    config: Config,
    stack: AsyncExitStack,
    loop: asyncio.AbstractEventLoop,
    open_console: Callable[[Feed], Console] | None = None,
) -> Parts:
    """Load the probes and open every part. ``stack`` closes them, the last one first.

    Nothing is read, and nothing answers yet. Raises a :class:`CastoffError`.
    """

    def feed(observations: Sequence[Observation]) -> None:
        parts.pipeline.feed(observations)

    started = clock.boottime()
    host = procfs.host_facts(node=config.agent.node_name or None)
    functions = parsers(config.identity.cgroup_patterns)
    delivery = Delivery(DeliverySettings.of(config), host)
    console = () if open_console is None else (open_console(feed),)
    for one in console:
        stack.push_async_callback(one.close)
    lacking = loader.incomplete(config.pin_root, requests=config.sources.requests)
    pin_set = loader.load(config.pin_root, requests=config.sources.requests)
    probes = ProbeWatch(pin_set)
    stack.callback(probes.close)
    _raise_priority(loop)
    persistence = Persistence(
        config.agent.state_dir,
        _store_settings(config),
        host.boot_id,
        feed,
        publish=lambda sequence, line: parts.control.publish(sequence, lambda: line),
    )
    stack.callback(persistence.close)
    judging = Judging(config.directory, config.agent.state_dir, persistence.store.keep_judged, feed)
    delivery.open(persistence)
    stack.push_async_callback(delivery.close)
    record = None if config.capture is None else _recorder(config.capture, stack)
    describer = Describer(IdentitySettings(host_root=str(config.identity.host_root)))
    descriptions = DescriptionService(describer, feed)
    stack.callback(descriptions.close)
    source = KernelSource(pins.loaded_sets(config.pin_root))
    stack.callback(source.close)
    source.take_back(persistence.counters())
    pipeline = Pipeline(
        functions,
        persistence=persistence,
        source=source,
        descriptions=descriptions,
        judging=judging,
        sinks=console,
        record=record,
    )
    optional = OptionalSources(config.sources, pin_set, feed)
    wall, real_time = WallClock(), RealTime()
    control = ControlServer(
        config.socket.path,
        lambda: status.status(parts),
        view=NodeView(pipeline.core, pipeline.events, functions.cgroup, lambda: wall.offset),
        log=StoreLog(persistence.store, persistence.reader),
        deliveries=delivery,
        judgement=JudgeCommands(judging),
        group=config.socket.group,
        resources={
            "/v1/coverage": lambda query: status.coverage(parts, query),
            "/healthz": lambda query: status.health(parts, query),
        },
    )
    stack.push_async_callback(control.close)
    stack.push_async_callback(optional.close)
    # One list, from top to bottom, since its order is what it says: a part is opened when all that
    # it needs is there, and closed before that.
    parts = Parts(
        config=config,
        host=host,
        started=started,
        pin_set=pin_set,
        loaded_at=_loaded_at(pin_set),
        lacking=lacking,
        wall=wall,
        probes=probes,
        source=source,
        persistence=persistence,
        delivery=delivery,
        judging=judging,
        describer=describer,
        descriptions=descriptions,
        pipeline=pipeline,
        optional=optional,
        ring_reader=RingReader(
            source,
            optional,
            descriptions,
            persistence,
            feed,
            real_time.account,
            pipeline.on_tick,
        ),
        real_time=real_time,
        control=control,
        parsers=functions,
        console=console,
    )
    return parts


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
