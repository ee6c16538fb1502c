"""Whether the path that a process connected to leads to an engine's socket.

The kernel probes report the first connect of each (mount namespace, path) and then get the
verdict, so a verdict must hold for every process of that namespace. It does not where

- the path is relative, since it depends on a working directory;
- the process has a root of its own (chroot): an engine's path may be anything in there, and a
  harmless answer for one process would hide the others' requests.

In these cases an engine's socket is named, and anything else is :class:`Unresolvable`. A verdict
also ends with what it was made of: see :attr:`SocketResolver.generation`.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import clock as clocks
from sensor.bounded import Bounded
from sensor.dataclass import dataclass
from sensor.linux import inode, path_walk
from sensor.linux.inode import Inode, Miss
from sensor.sources.engines.known import MOSTLY_MISSING, Api
from sensor.sources.engines.listeners import EngineSocket, engine_sockets, sockets_of_engines
from sensor.sources.engines.ports import EnginePort, ports_of_engines
from sensor.sources.engines.processes import EngineProcesses
from sensor.sources.scan_allowance import ScanAllowance

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.sources.engines.processes import Engine

__all__ = ["Api", "EngineSocket", "SocketResolver", "Unresolvable", "engine_sockets"]

VERDICTS_MAX = 4096
"""Verdicts remembered; the one least recently asked for goes first."""

ENGINE_FOR = 60.0
OTHER_FOR = 10.0
"""Seconds for which a verdict holds: what lies at a path may change. The second is for all other
sockets: for so long a user who swaps an engine's socket in can hide."""

NS_PER_SECOND = 1_000_000_000

NAMESPACES_MAX = 1024
"""Mount namespaces of which the oldest process is remembered."""

NAMESPACE_FOR = 60.0
"""Seconds for which it is."""


@dataclass(frozen=True, slots=True)
class Unresolvable:
    """No verdict for the namespace and path; ask again at the next connect."""

    reason: str
    """A :class:`Miss`, ``relative``, ``own_root``, ``other_namespace`` or ``not_scanned``."""


NOT_SCANNED = Unresolvable("not_scanned")
"""The user has caused too many scans. In a second the same question may have an answer."""

Verdict = EngineSocket | None | Unresolvable


@dataclass(frozen=True, slots=True)
class _View:
    """What one process sees of a path, and whether all of its namespace see the same."""

    at: Inode | Miss
    shared: bool


class SocketResolver:
    """Knows the engines' sockets and what paths lead to them.

    ``resolve`` is for one thread, off the loop and with a deadline: it waits for procfs alone, save
    for what ``steps`` says of overlays. ``refresh`` may be called from any thread.
    """

    def __init__(
        self,
        programs: frozenset[str],
        proc: Path = Path("/proc"),
        clock: Callable[[], float] = lambda: clocks.boottime() / NS_PER_SECOND,
        changed: Callable[[tuple[EngineSocket, ...], frozenset[EnginePort]], None] | None = None,
    ) -> None:
        """``clock`` gives seconds since boot, as connects have them in ns."""
        self.generation = 0
        """Grows with every change of the engines' sockets: earlier verdicts are void then."""
        self._processes = EngineProcesses(programs, proc, clock)
        self._proc = proc
        self._clock = clock
        self._changed = changed
        self._ports: frozenset[EnginePort] = frozenset()
        self._sockets: dict[tuple[int, int], EngineSocket] = {}
        self._own: dict[str, EngineSocket] = {}
        self._scanned = -math.inf
        self._allowance = ScanAllowance()
        self._namespaces = ScanAllowance()
        """Of scans for the oldest process of a mount namespace."""
        self._verdicts: Bounded[tuple[int, str], tuple[float, EngineSocket | None]] = Bounded(
            VERDICTS_MAX
        )
        self._oldest: Bounded[int, tuple[float, int | None]] = Bounded(NAMESPACES_MAX)

    @property
    def refused(self) -> int:
        """How many scans were not made, since a user had caused too many."""
        return self._allowance.refused + self._namespaces.refused

    def refresh(self) -> tuple[EngineSocket, ...]:
        """Look for engines among all processes and return their sockets.

        ``changed`` is called, in the same thread, where they or the engines' ports are others.
        """
        return self._refresh(self._processes.all)

    def update(self) -> tuple[EngineSocket, ...]:
        """Do the same with the engines that are known and with processes that are new."""
        return self._refresh(self._processes.latest)

    def _refresh(self, engines: Callable[[], tuple[Engine, ...]]) -> tuple[EngineSocket, ...]:
        began = self._clock()
        processes = engines()
        found = sockets_of_engines(processes, self._proc)
        ports = ports_of_engines(processes, self._proc)
        self._scanned = began
        sockets = {socket.key: socket for socket in found}
        others = sockets != self._sockets
        if (others or ports != self._ports) and self._changed is not None:
            self._ports = ports
            self._changed(found, ports)
        if others:
            # Replaced, not changed: a resolve in another thread goes on with what it has.
            self._sockets = sockets
            self._own = {socket.path: socket for socket in found if not socket.nested}
            self._verdicts = Bounded(VERDICTS_MAX)
            self.generation += 1
        return found

    def known(self, mnt_ns: int, path: str) -> EngineSocket | None:
        """Return the engine's socket at ``path`` while a verdict on it holds; from any thread."""
        kept = self._verdicts.get((mnt_ns, path))
        return kept[1] if kept is not None and self._clock() < kept[0] else None

    def listening(self, path: str) -> EngineSocket | None:
        """Return the socket of the host's own engine at ``path``, as that one sees it."""
        return self._own.get(path)

    def resolve(
        self,
        pid: int,
        mnt_ns: int,
        path: str,
        *,
        share: str | None = None,
        connected: int | None = None,
    ) -> Verdict:
        """Return the engine's socket at ``path`` as process ``pid`` of ``mnt_ns`` sees it.

        None where something else lies there. ``connected`` is when the process, whose ``share`` is
        None for root, connected, in ns since boot (None: just now): a scan that began later knows
        whose socket it was. Without such a scan there is one, unless the user has caused too many
        (NOT_SCANNED). When the process is gone, the oldest other one of its namespace answers for
        it. About 50 microseconds; a first question about a namespace scans
        the node's processes, 5 microseconds each.
        """
        verdicts = self._verdicts
        key = (mnt_ns, path)
        kept = verdicts.get(key)
        if kept is not None and self._clock() < kept[0]:
            verdicts.put(key, kept)
            return kept[1]
        view = self._look(pid, mnt_ns, path, share)
        if isinstance(view, Unresolvable):
            return view
        if isinstance(view.at, Miss):
            if view.at is not Miss.MISSING or path not in MOSTLY_MISSING:
                return Unresolvable(view.at.value)
            socket = None
        else:
            known = self._engine_at(view.at, share, connected)
            if isinstance(known, Unresolvable):
                return known
            socket = known
        if view.shared:
            held = OTHER_FOR if socket is None else ENGINE_FOR
            verdicts.put(key, (self._clock() + held, socket))
        elif socket is None:
            return Unresolvable("own_root" if path.startswith("/") else "relative")
        return socket

    def _engine_at(self, at: Inode, share: str | None, connected: int | None) -> Verdict:
        if not at.is_socket:
            return None
        key = (at.device, at.number)
        since = self._clock() if connected is None else connected / NS_PER_SECOND
        if key not in self._sockets and self._scanned <= since:
            if not self._allowance.take(share, self._clock()):
                # An engine may have begun since the last scan: no verdict rather than a wrong one.
                return NOT_SCANNED
            self.update()
        return self._sockets.get(key)

    def _look(self, pid: int, mnt_ns: int, path: str, share: str | None) -> _View | Unresolvable:
        if not self._may_ask_about(mnt_ns, share):
            return NOT_SCANNED
        view = self._look_as(pid, mnt_ns, path)
        if isinstance(view, Unresolvable) and path.startswith("/"):
            oldest = self._oldest_of(mnt_ns)
            if oldest is not None and oldest != pid:
                return self._look_as(oldest, mnt_ns, path)
        return view

    def _may_ask_about(self, mnt_ns: int, share: str | None) -> bool:
        """Whether the oldest process of a namespace is known, or its user may cause a scan.

        Root of the host may: a node's services have namespaces of their own.
        """
        kept = self._oldest.get(mnt_ns)
        if kept is not None and self._clock() < kept[0]:
            return True
        return share is None or self._namespaces.take(share, self._clock())

    def _look_as(self, pid: int, mnt_ns: int, path: str) -> _View | Unresolvable:
        """Look with one process's eyes; Unresolvable when it is not of the namespace."""
        try:
            process = inode.open_process(pid, self._proc)
        except OSError:
            return Unresolvable(Miss.PROCESS_GONE.value)
        try:
            namespace = inode.namespace(process, "mnt")
            if namespace != mnt_ns:
                reason = namespace.value if isinstance(namespace, Miss) else "other_namespace"
                return Unresolvable(reason)
            absolute = path.startswith("/")
            directory = inode.open_directory(process, "root" if absolute else "cwd")
            if isinstance(directory, Miss):
                return Unresolvable(directory.value)
            try:
                at = path_walk.look_up(process, directory, path)
                return _View(at, absolute and self._is_shared(directory, pid, mnt_ns))
            finally:
                os.close(directory)
        finally:
            os.close(process)

    def _is_shared(self, root: int, pid: int, mnt_ns: int) -> bool:
        """Whether a root directory is that of the namespace's oldest process, and a mount's."""
        own = inode.inode_of(root)
        if isinstance(own, Miss) or not own.mount_root:
            return False
        oldest = self._oldest_of(mnt_ns)
        if oldest is None or oldest == pid:
            return oldest == pid
        try:
            process = inode.open_process(oldest, self._proc)
        except OSError:
            return False
        try:
            first = inode.open_directory(process, "root")
            if isinstance(first, Miss):
                return False
            try:
                return own == inode.inode_of(first)
            finally:
                os.close(first)
        finally:
            os.close(process)

    def _oldest_of(self, mnt_ns: int) -> int | None:
        """Find the process of a mount namespace with the lowest pid that can be looked at."""
        kept = self._oldest.get(mnt_ns)
        if kept is not None and self._clock() < kept[0] and self._is_in(kept[1], mnt_ns):
            self._oldest.put(mnt_ns, kept)
            return kept[1]
        pids = sorted(int(entry.name) for entry in self._proc.iterdir() if entry.name.isdigit())
        found = next((pid for pid in pids if self._is_in(pid, mnt_ns)), None)
        self._oldest.put(mnt_ns, (self._clock() + NAMESPACE_FOR, found))
        return found

    def _is_in(self, pid: int | None, mnt_ns: int) -> bool:
        if pid is None:
            return False
        try:
            return (self._proc / str(pid) / "ns/mnt").stat().st_ino == mnt_ns
        except OSError:
            return False
