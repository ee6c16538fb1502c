"""Who asked engines for something lately: client commands, connections and requests.

Everything is bounded by number, and by the time for which it can explain a start. Processes are
told apart by pid and start time; audit tells no start time, so its records are matched by pid to
what the probes saw of the same process around the same time, never to a later one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sensor.correlate import api_request
from sensor.correlate.naming import WordIndex, words_of
from sensor.model.process import ProcessKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.api_request import ApiTarget
    from sensor.correlate.naming import Names
    from sensor.model.observations import ApiConnect, ApiRequest, AuditExec, Caller, CommandExec
    from sensor.model.vocabulary import ContainerId

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

CONNECTS_MAX = 2048
REQUESTS_MAX = 1024
AUDIT_MAX = 1024
PROCESSES_MAX = 4096
BOUND_MAX = 4096
SUPERVISORS_MAX = 4096
AUDIT_EARLY = 20_000_000
"""Nanoseconds by which an audit record, stamped in whole milliseconds, may seem early."""
DISORDER = 1_000_000_000
"""Nanoseconds by which what arrives later may have happened earlier."""
SAME_PROCESS = 5_000_000_000
"""Nanoseconds within which an audit record and a probe's of the same pid are of one process."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose bytes were seen, and what they ask for."""

    request: ApiRequest
    target: ApiTarget


class CallerLog:
    """The callers of the recent past."""

    def __init__(self) -> None:
        self.learnt_late = 0
        """How often something was learnt that happened before what is watched."""
        self._watched_until = 0
        self._connects: deque[ApiConnect] = deque()
        self._connects_of: dict[int, deque[ApiConnect]] = {}
        """The same by the caller's pid."""
        self._requests: WordIndex[Asked] = WordIndex(REQUESTS_MAX)
        self._audit: deque[AuditExec] = deque(maxlen=AUDIT_MAX)
        self._clients: OrderedDict[int, CommandExec] = OrderedDict()
        self._supervisors: OrderedDict[str, CommandExec] = OrderedDict()
        self._supposed: OrderedDict[tuple[int, int], ContainerId] = OrderedDict()
        self._bound: OrderedDict[tuple[int, int], ContainerId] = OrderedDict()

    def watch_until(self, time: int) -> None:
        """Count in ``learnt_late`` what is learnt from now on of the time up to ``time``."""
        self._watched_until = max(self._watched_until, time)

    def _note(self, time: int) -> None:
        if time <= self._watched_until:
            self.learnt_late += 1

    def add_connect(self, connect: ApiConnect) -> None:
        """Record a connection to an engine's socket."""
        self._note(connect.time)
        self._connects.append(connect)
        self._connects_of.setdefault(connect.caller.pid, deque()).append(connect)
        if len(self._connects) > CONNECTS_MAX:
            pid = self._connects.popleft().caller.pid
            of_pid = self._connects_of[pid]
            of_pid.popleft()
            if not of_pid:
                del self._connects_of[pid]

    def add_request(self, request: ApiRequest) -> None:
        """Record a request that names a container."""
        self._note(request.time)
        target = api_request.parse(request.payload)
        if target is not None:
            self._requests.add(Asked(request, target), words_of(target.targets))

    def add_audit(self, exec_: AuditExec) -> None:
        """Record what audit says of a watched program's execve."""
        self._note(exec_.time - AUDIT_EARLY)
        self._audit.append(exec_)

    def add_client(self, exec_: CommandExec) -> None:
        """Record that a process is a container client, whatever it wants."""
        self._note(exec_.time)
        self._clients[exec_.process.key.pid] = exec_
        self._clients.move_to_end(exec_.process.key.pid)
        _trim(self._clients, PROCESSES_MAX)

    def bind(self, exec_: CommandExec, id_: ContainerId) -> None:
        """Note that a command which starts one container has started this one."""
        key = exec_.process.key
        self._bound[key.pid, key.start_time] = id_
        _trim(self._bound, BOUND_MAX)

    def suppose(self, exec_: CommandExec, id_: ContainerId) -> None:
        """Note that a command which starts one container is taken to have started this one."""
        key = exec_.process.key
        self._supposed[key.pid, key.start_time] = id_
        _trim(self._supposed, BOUND_MAX)

    def supposed_of(self, exec_: CommandExec) -> ContainerId | None:
        """Return the container that the command is taken to have started."""
        key = exec_.process.key
        return self._supposed.get((key.pid, key.start_time))

    def bound_to(self, exec_: CommandExec) -> ContainerId | None:
        """Return the container that the command has started."""
        key = exec_.process.key
        return self._bound.get((key.pid, key.start_time))

    def client_of(self, pid: int, start_time: int | None, time: int) -> CommandExec | None:
        """Return the client command that a process ran, if it is a client."""
        exec_ = self._clients.get(pid)
        if exec_ is None:
            return None
        if start_time is not None:
            return exec_ if exec_.process.key.start_time == start_time else None
        return exec_ if abs(exec_.time - time) <= SAME_PROCESS else None

    def requests(self, names: Names, since: int, until: int) -> Iterator[Asked]:
        """Requests in a stretch of time that name the container, latest first."""
        for asked in self._requests.about(names):
            if since <= asked.request.time <= until and any(
                names.called(target) for target in asked.target.targets
            ):
                yield asked

    def connects(self, since: int, until: int) -> Iterator[ApiConnect]:
        """Connections in a stretch of time, latest first."""
        for connect in reversed(self._connects):
            if connect.time < since - DISORDER:
                break
            if since <= connect.time <= until:
                yield connect

    def connects_of(self, exec_: CommandExec) -> tuple[ApiConnect, ...]:
        """Connections that a client's process made, earliest first."""
        return tuple(
            connect
            for connect in self._connects_of.get(exec_.process.key.pid, ())
            if connect.time >= exec_.time - DISORDER and _same(connect.caller, connect.time, exec_)
        )

    def audit_of(self, exec_: CommandExec) -> AuditExec | None:
        """Return audit's record of the same execve."""
        for record in reversed(self._audit):
            if record.time < exec_.time - DISORDER:
                break
            if record.caller.pid == exec_.process.key.pid and _same(
                record.caller, record.time, exec_
            ):
                return record
        return None


def _same(caller: Caller, time: int, exec_: CommandExec) -> bool:
    """Whether a witness's caller is the process of ``exec_``, whose pids are equal."""
    if caller.start_time is not None:
        return ProcessKey(caller.pid, caller.start_time).same(exec_.process.key)
    return -AUDIT_EARLY <= time - exec_.time <= SAME_PROCESS


def _trim(table: OrderedDict[_Key, _Value], limit: int) -> None:
    while len(table) > limit:
        table.popitem(last=False)
