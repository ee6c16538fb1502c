"""All ways to start a container on this node."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sensor.access import (
    accounts,
    engines,
    jobs,
    kubelet,
    last_use,
    listeners,
    mounts,
    sockets,
    sudo,
)
from sensor.access.node import Node
from sensor.model.access import Access, Way

if TYPE_CHECKING:
    from pathlib import Path

WAYS_MAX = 2000


def survey(log: Path | None, now: int, node: Node | None = None) -> Access:
    """Look at this node, and at its log for the last use of each way. ``now`` is wall ns."""
    node = node or Node()
    users = accounts.read(node)
    running = engines.read(node)
    found: list[Way] = [
        *accounts.ways(node, users),
        *sockets.ways(node, users, running),
        *listeners.ways(node, users, running),
        *mounts.ways(node),
        *kubelet.ways(node, users),
        *sudo.ways(node, users),
        *jobs.ways(node, users),
    ]
    uses = last_use.read(log) if log is not None else last_use.Uses(problem="there is no log")
    if uses.problem is not None:
        node.note("last use", uses.problem)
    if os.geteuid() != 0:
        node.note("this user", "not root: sockets, sudo rules and containers may be missing")
    if len(found) > WAYS_MAX:
        node.note("the list", f"{len(found) - WAYS_MAX} more ways are left out")
    return Access(
        host=(node.text("/proc/sys/kernel/hostname") or os.uname().nodename).strip(),
        now=now,
        ways=tuple(uses.of(way) for way in found[:WAYS_MAX]),
        unread=tuple(node.unread),
        covers=uses.covers,
    )
