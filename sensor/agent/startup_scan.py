"""What runs already when an agent begins: found in procfs, described, and watched from then on."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor import clock
from sensor.bpf import libbpf, pins, seed
from sensor.identity.discovery import supervisor_uid
from sensor.model.container import CgroupIdentity
from sensor.model.inventory import InventoryTaken
from sensor.sources import procfs

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.agent.descriptions import DescriptionService
    from sensor.agent.ring_reader import RingReader
    from sensor.correlate.container_table import ContainerTable
    from sensor.model.container import CgroupParser
    from sensor.model.inventory import FoundContainer
    from sensor.model.vocabulary import ContainerId

INVENTORY_WAIT = 10.0
"""Seconds that it may take."""

EXECVE_SECONDS = 0.1
"""What an execve that was under way when its process was read takes at most until its record comes:
the kernel notes the execve first, and then loads the program."""

YOUNG = 1_000_000_000
"""Age of an init in ns below which its first execve may have been under way."""

_U32_LEN = 4

log = logging.getLogger("castoff")


async def take(
    parse_cgroup: CgroupParser,
    describing: DescriptionService,
    drain: RingReader,
    table: ContainerTable,
    pin_root: Path,
) -> InventoryTaken | None:
    """Find every container of the node; None when procfs does not answer in INVENTORY_WAIT.

    The rings are read first: a start that still waits there, or whose record is about to come, is
    a start and not inventory.
    """
    time = clock.boottime()
    try:
        found = await asyncio.wait_for(
            asyncio.to_thread(procfs.running_containers, parse_cgroup, describing.describe_found),
            INVENTORY_WAIT,
        )
    except TimeoutError:
        log.warning("the inventory took more than %.0f s and is incomplete", INVENTORY_WAIT)
        return None
    if any(container.init.start_time > time - YOUNG for container in found):
        await asyncio.sleep(EXECVE_SECONDS)
    await drain.drain_all()
    again = _still_running(table, {container.id for container in found})
    found += await asyncio.to_thread(_described, again, describing)
    _watch_inits(found, pin_root)
    return InventoryTaken(time, found)


def _still_running(table: ContainerTable, found: set[ContainerId]) -> tuple[FoundContainer, ...]:
    """Find known containers by their inits, where the cgroup does not name the id."""
    again = (
        procfs.found_again(state.key.id, state.key.scope, state.init, state.parents)
        for state in table.all()
        if state.alive and state.init is not None and state.key.id not in found
    )
    return tuple(container for container in again if container is not None)


def _described(
    found: tuple[FoundContainer, ...], describing: DescriptionService
) -> tuple[FoundContainer, ...]:
    """Read names and images anew: an earlier agent keeps ids only."""
    return tuple(
        replace(
            container,
            description=describing.describe_found(
                CgroupIdentity(container.id, None), container.init, container.cgroup
            ),
            supervisor_uid=supervisor_uid(container.init),
        )
        for container in found
    )


def _watch_inits(found: tuple[FoundContainer, ...], pin_root: Path) -> None:
    """Have the probes report the end of inits that they did not see begin."""
    inits = libbpf.BpfMap.pinned(pins.loaded_sets(pin_root)[-1].map("inits"))
    try:
        for container in found:
            key = container.init.pid.to_bytes(_U32_LEN, "little")
            known = inits.lookup(key)
            init = bytes(inits.shape.value_size) if known is None else seed.as_init(known)
            if init != known:
                inits.update(key, init)
                # Its end may have come just before: then no exit record removes the entry.
                if not seed.is_alive(container.init.pid):
                    inits.delete(key)
    finally:
        inits.close()
