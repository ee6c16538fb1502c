"""Engines that run on this node: whose they are, and by which command line.

A process is an engine by its file's name or by its comm. A plain user can give a process either, so
root's engines in the host's pid namespace come first, and every other origin has a share.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.sources.engines import known

if TYPE_CHECKING:
    from sensor.access.node import Node

PROGRAMS = frozenset(known.PROGRAMS) | known.SERVICE_PROGRAMS

OF_ONE_UID = 16
"""Engines of one uid, or within a container, that are looked at. Root's on the host have no limit
of their own."""

ENGINES_MAX = 256

_UID = re.compile(r"^Uid:\s+(\d+)\s", re.MULTILINE)
_PIDS = re.compile(r"^NSpid:((?:\s+\d+)+)$", re.MULTILINE)
_COMM_MAX = 15


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """An engine's process. ``uid`` is None where its status could not be read."""

    pid: int
    program: str
    uid: int | None
    nested: bool
    """It runs within a pid namespace of its own, as in a container."""
    arguments: tuple[str, ...] = ()

    @property
    def is_hosts(self) -> bool:
        """Whether it is root's, on the host: who may use it is root."""
        return self.uid == 0 and not self.nested


def read(node: Node) -> tuple[EngineProcess, ...]:
    """Return the engines that run, root's on the host first; notes how many were left out."""
    found: list[EngineProcess] = []
    shares: Counter[tuple[int | None, bool]] = Counter()
    left_out = 0
    for pid in sorted(int(name) for name in node.names("/proc") if name.isdecimal()):
        program = _program(node, pid)
        if program is None:
            continue
        engine = _engine(node, pid, program)
        origin = engine.uid, engine.nested
        shares[origin] += not engine.is_hosts
        if shares[origin] > OF_ONE_UID or len(found) >= ENGINES_MAX:
            left_out += 1
            continue
        found.append(engine)
    if left_out:
        node.note("/proc", f"{left_out} processes with an engine's name were left out")
    return tuple(sorted(found, key=lambda one: not one.is_hosts))


def _program(node: Node, pid: int) -> str | None:
    try:
        exe = str(node.at(f"/proc/{pid}/exe").readlink())
    except OSError:
        exe = ""
    name = exe.removesuffix(" (deleted)").rpartition("/")[2]
    if name in PROGRAMS:
        return name
    comm = (node.text(f"/proc/{pid}/comm") or "").rstrip("\n")
    return next((one for one in PROGRAMS if comm and one[:_COMM_MAX] == comm), None)


def _engine(node: Node, pid: int, program: str) -> EngineProcess:
    status = node.text(f"/proc/{pid}/status") or ""
    uid, pids = _UID.search(status), _PIDS.search(status)
    raw = node.text(f"/proc/{pid}/cmdline") or ""
    return EngineProcess(
        pid=pid,
        program=program,
        uid=int(uid[1]) if uid is not None else None,
        nested=pids is not None and len(pids[1].split()) > 1,
        arguments=tuple(raw.rstrip("\0").split("\0")),
    )
