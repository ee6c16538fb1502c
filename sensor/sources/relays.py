"""Who stands behind a relay: socat, haproxy or a proxy in front of an engine's socket.

A process that asks an engine for something and listens itself is a relay. Its listening sockets and
ports are made known to the probes, which report who connects there from then on. Who is connected
already is found by the other ends of its sockets.

    ApiRequest by R ──▶ does R listen? ──▶ ports and files to the probes
                                      └──▶ other ends of R's accepted sockets ──▶ ApiHop
    ApiConnect to a port or file of R ──▶ ApiHop

A name never makes a relay; it only says that a client or an engine's part need not be looked at.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.dataclass import dataclass
from sensor.linux.process import login_session, login_uid, stat_of, status_of
from sensor.model.api_calls import ApiConnect, ApiHop, ApiRequest, Caller
from sensor.model.process import Ancestor, ProcessKey
from sensor.model.vocabulary import Witness
from sensor.shares import SharedTable, account_of
from sensor.sources import connections
from sensor.sources.procfs import cgroup_paths
from sensor.sources.waiting import WaitingJobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.bpf.socket_filter import EngineSockets, ListeningPorts

QUEUE_MAX = 64
"""Requests whose callers wait to be looked at; more are dropped and counted."""

RELAYS_MAX = 64
"""Relays of root's known at a time, and of all others together; the one least recently used by the
same user is forgotten."""

PORTS_MAX = 256
"""Ports of root's relays whose connects are reported at a time, and of all others'; likewise for
the files of their sockets."""

CALLERS_MAX = 1024
"""Limit of root's callers that are remembered as not being relays, and of all others'."""

LOOK_AGAIN = 0.05
"""Seconds between two looks at a user's relays that are known: each walks through procfs."""

USERS_MAX = 256
"""Users of whom it is remembered when a relay was looked at."""

HOPS_MAX = 16
"""Processes reported behind one request."""

CHAIN_MAX = 4
"""Relays one behind the other that are looked at for one request."""

ABOVE_MAX = 3
"""Processes of the same file above a caller that are looked at: socat forks for each connection."""

ANCESTORS_MAX = 8
BYTES_MAX = 16_384
ROOT = "root"
TCP_PREFIX = "tcp:127.0.0.1:"


@dataclass(frozen=True, slots=True)
class Relay:
    """A process that passes on what it accepts."""

    process: ProcessKey
    ports: frozenset[int]
    paths: frozenset[str]
    uid: int | None = None
    """Its effective user; None where it had ended."""
    share: str | None = None
    """Whose it is (``Origin.share``), None for root's."""

    def listens(self, connect: ApiConnect) -> bool:
        """Whether it may listen where a process connected, which says the path of a socket.

        Any process can bind that path in a mount namespace of its own. The relay listens itself, or
        root does for it, as systemd may.
        """
        if connect.port is not None:
            return any(connect.socket == f"{TCP_PREFIX}{port}" for port in self.ports)
        if connect.mnt_ns is not None or connect.socket not in self.paths:
            return False
        listener = connect.listener
        return listener is None or listener.privileged is True or listener.uid == self.uid


class RelayFinder:
    """Looks in a thread of its own. ``emit`` is called from that thread."""

    def __init__(
        self,
        files: EngineSockets,
        ports: ListeningPorts,
        emit: Callable[[ApiHop], None],
        share_of: Callable[[Caller], str | None],
        proc: Path = Path("/proc"),
    ) -> None:
        """``share_of`` names whose a caller is, None for root of the host's."""
        self._share_of = share_of
        self._files = files
        self._ports = ports
        self._emit = emit
        self._proc = proc
        self._queue: WaitingJobs[ApiRequest | ApiConnect] = WaitingJobs(QUEUE_MAX)
        self._lock = threading.Lock()
        self._relays: SharedTable[ProcessKey, Relay] = SharedTable(RELAYS_MAX)
        self._others: SharedTable[ProcessKey, None] = SharedTable(CALLERS_MAX)
        self._looked_at: SharedTable[int, None] = SharedTable(CALLERS_MAX)
        self._watched: SharedTable[tuple[int, int], ProcessKey] = SharedTable(PORTS_MAX)
        """Relays by port and network namespace, the ports that the probes watch."""
        self._looked: Bounded[str, float] = Bounded(USERS_MAX)
        """When a relay of an account was last looked at again, on the monotonic clock."""
        self._thread = threading.Thread(target=self._work, name="relays", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Requests whose callers were not looked at, since too many waited."""
        return self._queue.dropped

    def see(self, request: ApiRequest | ApiConnect) -> None:
        """Have the caller of a request, or of a connect to a port, looked at.

        Once for each connection, and a relay each time: it may send what several ask over one.
        """
        key = _key(request.caller)
        if key is None:
            return
        share = self._share_of(request.caller)
        with self._lock:
            if key in self._others:
                return
            if request.connection is not None and not self._may_look_again(key, share):
                if request.connection in self._looked_at:
                    return
                self._looked_at.put(request.connection, None, share)
        self._queue.put(request, share)

    def _may_look_again(self, key: ProcessKey, share: str | None) -> bool:
        """Whether the process is a relay, and its user's were not looked at a moment ago."""
        if key not in self._relays:
            return False
        account, now = account_of(share or ROOT), time.monotonic()
        if now - (self._looked.get(account) or 0.0) < LOOK_AGAIN:
            return False
        self._looked.put(account, now)
        return True

    def hop_of(self, connect: ApiConnect) -> ApiHop | None:
        """Return the hop that a connect is, where it leads to a relay."""
        with self._lock:
            relays = self._relays.values()
        for relay in relays:
            if relay.listens(connect):
                return ApiHop(
                    time=connect.time,
                    witness=Witness.KERNEL,
                    ref=connect.ref,
                    relay=relay.process,
                    caller=connect.caller,
                    address=connect.socket,
                )
        return None

    # ----------------------------------------------------------------- the thread

    def _work(self) -> None:
        while (request := self._queue.take()) is not None:
            behind = self._look(request)
            for _ in range(CHAIN_MAX - 1):
                # A process behind a relay may be one itself.
                behind = [
                    one
                    for caller in behind
                    if not self._is_no_relay(caller)
                    for one in self._look(replace(request, caller=caller))
                ]

    def _is_no_relay(self, caller: Caller) -> bool:
        key = _key(caller)
        with self._lock:
            return key is not None and key in self._others

    def _look(self, request: ApiRequest | ApiConnect) -> list[Caller]:
        """Look at a caller; returns who is behind it, if it is a relay."""
        caller = _key(request.caller)
        if caller is None:
            return []
        family = (caller, *self._above(request.caller))
        own: dict[ProcessKey, frozenset[int]] = {
            key: connections.sockets_of(key.pid, self._proc) for key in family
        }
        together = frozenset().union(*own.values())
        tcp = connections.listeners(caller.pid, self._proc)
        ports = frozenset(tcp[inode].port for inode in together if inode in tcp)
        sockets = [
            one for one in connections.unix_sockets(caller.pid, self._proc) if one.inode in together
        ]
        listeners = [one for one in sockets if one.listens]
        if not ports and not listeners:
            if own[caller]:
                with self._lock:
                    self._others.put(caller, None, self._share_of(request.caller))
            return []
        listening = next(
            key
            for key in reversed(family)
            if not own[key].isdisjoint(tcp) or any(one.inode in own[key] for one in listeners)
        )
        paths = frozenset(one.path for one in listeners)
        status = status_of(listening.pid, self._proc)
        uid = status.effective_uid if status is not None else None
        self._enter(Relay(listening, ports, paths, uid, self._share_of(request.caller)))
        # All connections of the node are looked at for those that have ports.
        table = connections.tcp_sockets(caller.pid, self._proc) if ports else ()
        ends = frozenset(connections.other_ends(own[caller], ports, table))
        if listeners:
            # Only of what it accepted: at the other end of its own connection is the engine.
            accepted = {one.inode for one in sockets if not one.listens and one.path in paths}
            ends |= connections.unix_other_ends(own[caller] & accepted)
        alone = not connections.serves_others(own[caller], ports, table)
        pids = frozenset(key.pid for key in family)
        return self._report(request, caller, pids, ends, ports, paths, alone=alone)

    def _above(self, caller: Caller) -> tuple[ProcessKey, ...]:
        """Return the processes above a caller that run the same file, without a gap."""
        found: list[ProcessKey] = []
        for ancestor in caller.ancestors[:ABOVE_MAX]:
            if caller.exe is None or ancestor.exe != caller.exe:
                break
            found.append(ProcessKey(ancestor.pid, ancestor.start_time))
        return tuple(found)

    def _enter(self, relay: Relay) -> None:
        with self._lock:
            known = self._relays.get(relay.process) == relay
            self._relays.put(relay.process, relay, relay.share)
            relays = self._relays.values()
        if known:
            return
        namespace = self._network_namespace(relay.process.pid)
        if namespace is not None and relay.ports:
            for port in sorted(relay.ports):
                self._watched.put((namespace, port), relay.process, relay.share)
            self._ports.relay(place for place, _ in self._watched.items())
        self._files.relay(self._files_of(relays))

    def _files_of(self, relays: list[Relay]) -> list[tuple[int, int]]:
        """Return the files of the sockets that relays listen on, as far as each user's share goes.

        As device and inode number.
        """
        places: SharedTable[tuple[int, int], None] = SharedTable(PORTS_MAX)
        for one in relays:
            for path in sorted(one.paths)[:PORTS_MAX]:
                try:
                    status = os.lstat(f"{self._proc}/{one.process.pid}/root{path}")
                except OSError:
                    continue
                places.put((status.st_dev, status.st_ino), None, one.share)
        return [place for place, _ in places.items()]

    def _network_namespace(self, pid: int) -> int | None:
        try:
            return (self._proc / str(pid) / "ns" / "net").stat().st_ino
        except OSError:
            return None

    def _report(
        self,
        request: ApiRequest | ApiConnect,
        relay: ProcessKey,
        family: frozenset[int],
        ends: frozenset[int],
        ports: frozenset[int],
        paths: frozenset[str],
        *,
        alone: bool,
    ) -> list[Caller]:
        reported: list[Caller] = []
        if not ends:
            return reported
        address = f"{TCP_PREFIX}{min(ports)}" if ports else min(paths)
        found = connections.owners(ends, self._proc)
        for pid in sorted({*found.values()} - family)[:HOPS_MAX]:
            caller = read_caller(pid, self._proc)
            if caller is None:
                continue
            reported.append(caller)
            self._emit(
                ApiHop(
                    time=request.time,
                    witness=Witness.PROCFS,
                    ref=f"pid:{pid}",
                    relay=relay,
                    caller=caller,
                    address=address,
                    alone=alone,
                )
            )
        return reported

    def close(self) -> None:
        """End the thread after what waits; it may take a second."""
        self._queue.close()
        self._thread.join(timeout=1.0)


def _key(caller: Caller) -> ProcessKey | None:
    return ProcessKey(caller.pid, caller.start_time) if caller.start_time is not None else None


def read_caller(pid: int, proc: Path = Path("/proc")) -> Caller | None:
    """Read a living process as the probes would report it; None when it is gone."""
    base = proc / str(pid)
    stat, status = stat_of(pid, proc), status_of(pid, proc)
    if stat is None or status is None or status.real_uid is None:
        return None
    try:
        with (base / "cmdline").open("rb") as file:
            words = file.read(BYTES_MAX).decode("utf-8", "surrogateescape").split("\0")
        cgroup = cgroup_paths((base / "cgroup").read_text(errors="surrogateescape"))
        user_ns = (base / "ns" / "user").stat().st_ino
    except OSError:
        return None
    return Caller(
        pid=pid,
        start_time=stat.start_time,
        uid=status.real_uid,
        loginuid=login_uid(pid, proc),
        session=login_session(pid, proc),
        comm=stat.comm,
        exe=_program(base),
        parent=stat.parent,
        argv=tuple(words[:-1]) or None,
        cgroup=cgroup,
        ancestors=_ancestors(stat.parent, proc),
        euid=status.effective_uid,
        user_ns=user_ns,
    )


def _ancestors(parent: int, proc: Path) -> tuple[Ancestor, ...]:
    found: list[Ancestor] = []
    while parent and len(found) < ANCESTORS_MAX:
        base = proc / str(parent)
        stat = stat_of(parent, proc)
        if stat is None:
            break
        found.append(Ancestor(parent, stat.start_time, stat.comm, _program(base)))
        parent = stat.parent
    return tuple(found)


def _program(base: Path) -> str | None:
    try:
        return (base / "exe").readlink().name.removesuffix(" (deleted)") or None
    except OSError:
        return None
