"""Who asked engines for something lately: clients, connections, requests and their answers.

One record for each client process, one for each request, and indices over both. Everything is
bounded with a share for each user, and by the time for which it can explain a start. Processes are
identified by pid and start time. Audit has no start time: its records are matched by pid to what
the probes saw of the same process around the same time, never to a later one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensor.correlate import client_command
from sensor.correlate.authority import Answer, Standing, answer_at, may_ask, standing
from sensor.correlate.client_command import ClientCommand, Helper, Request
from sensor.correlate.engine_api.calls import Action, Outcome, Segment
from sensor.correlate.engine_api.connections import EngineCalls
from sensor.correlate.naming import WordIndex, words_of_call, words_of_client
from sensor.correlate.shares import SharedTable
from sensor.model.observations import ApiConnect
from sensor.model.process import NS_PER_TICK, ProcessKey
from sensor.model.vocabulary import Engine, Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.correlate.authority import Origin
    from sensor.correlate.engine_api.calls import EngineCall
    from sensor.correlate.naming import Names
    from sensor.model.observations import (
        ApiAnswer,
        ApiHop,
        ApiRequest,
        AuditExec,
        Caller,
        CommandExec,
        ConnectionClosed,
    )
    from sensor.model.process import Ancestor
    from sensor.model.vocabulary import ContainerId

CLIENTS_MAX = 4096
"""Client processes remembered, ended ones among them."""
ENDED_MAX = 1024
"""Ended clients that may have started something."""
CONNECTS_MAX = 2048
REQUESTS_MAX = 1024
CONNECTIONS_MAX = 2048
LET_IN_MAX = 4096
AUDIT_MAX = 1024
FOREIGN_MAX = 256
HOPS_MAX = 256
HOPS_OF_ONE_MAX = 64
HOP_WINDOW = 60_000_000_000
"""Nanoseconds for which a connection to a relay can carry a request."""
REQUESTS_OF_ONE_MAX = 64
"""Requests of one connection that wait for their answer."""

CLIENT_WINDOW = 3_600_000_000_000
"""Nanoseconds for which a client command can explain a start: it may pull an image first. It has to
be running still when the container is created, so that a long window lets nothing wrong in."""

AUDIT_EARLY = 20_000_000
"""Nanoseconds by which an audit record, stamped in whole milliseconds, may seem early."""
DISORDER = 1_000_000_000
"""Nanoseconds by which what arrives later may have happened earlier."""
SAME_PROCESS = 5_000_000_000
"""Nanoseconds within which an audit record and a probe's of the same pid are of one process."""
GONE_MAX = 256
"""Ended callers that are remembered."""
_LOCAL = frozenset({"podman", "buildah"})
"""Clients that do the work of an engine in their own process, unless they connect to one."""
_LOCAL_ENGINES = frozenset({Engine.PODMAN, Engine.BUILDAH})
_STARTING = frozenset({Action.START, Action.RESTART, Action.PREPARE, Action.RUN})

SEGMENT_MAX = 512
"""Bytes of one write that the probes copy; a longer write is cut."""


@dataclass(slots=True)
class Client:
    """A process that executed a container client: its command, and what became of it."""

    exec: CommandExec
    command: ClientCommand | None
    helper: Helper | None
    origin: Origin
    ended: int | None = None
    made: ContainerId | None = None
    """The container that it is taken to have started, of a command that starts one."""
    certain: bool = False
    """That is certain."""

    @property
    def key(self) -> tuple[int, int]:
        """Its pid and start time."""
        return self.exec.process.key.pid, self.exec.process.key.start_time

    def runs_at(self, time: int) -> bool:
        """Whether it had not ended at that time."""
        return self.ended is None or self.ended >= time


@dataclass(slots=True)
class Asked:
    """A request to an engine: who sent it where, what it asks for, and what became of it."""

    call: EngineCall
    caller: Caller
    socket: str
    time: int
    ref: str
    origin: Origin
    foreign: bool
    """The engine there is not root's of the host."""
    watched: bool
    """Its connection is followed: an answer or its end would be seen."""
    answered: int | None = None
    outcome: Outcome | None = None
    closed: int | None = None

    def answer(self, creation: int) -> Answer:
        """Return what its answer means for a creation at that time."""
        refused = self.outcome is Outcome.REFUSED
        return answer_at(
            creation,
            answered=self.answered,
            refused=refused,
            closed=self.closed,
            watched=self.watched,
        )


@dataclass(slots=True)
class _Connection:
    """What is known of one connection to an engine."""

    foreign: bool = False
    closed: int | None = None
    suspect: bool = False
    """One of its requests may start something that it does not name, or could not be read."""
    waiting: dict[int, Asked] = field(default_factory=dict)

    @property
    def may_have_asked(self) -> bool:
        """Whether it may have asked for the start of a container that no request of it names.

        A request that names its container and was answered is used up: it asked for that one.
        """
        return self.suspect or any(one.call.action in _STARTING for one in self.waiting.values())


@dataclass(frozen=True, slots=True)
class Behind:
    """The processes that may have sent a request through a relay."""

    hops: tuple[ApiHop, ...] = ()
    certain: bool = True
    """No other process was connected to the relay that may have sent it and left."""


class RecentPast:
    """The callers of the recent past."""

    def __init__(self, origin_of: Callable[[Caller], Origin]) -> None:
        self.learnt_late = 0
        """How often something was learnt that happened before what is watched."""
        self.connects_seen = False
        """The probes report connections to engines: a client without one asked nothing."""
        self.origin_of = origin_of
        self._foreign: SharedTable[str, ApiConnect] = SharedTable(FOREIGN_MAX)
        """Paths of sockets of engines that are not root's."""
        self._hops: SharedTable[tuple[int, int], deque[ApiHop]] = SharedTable(HOPS_MAX)
        """Who is connected to a relay, by the relay's key in clock ticks."""
        self._watched_until = 0
        self._number = 0
        self._calls = EngineCalls()
        self._clients: SharedTable[int, Client] = SharedTable(CLIENTS_MAX)
        self._running: dict[int, Client] = {}
        """Clients that may start something and have not ended, by pid, in the order of execve."""
        self._ended: deque[Client] = deque(maxlen=ENDED_MAX)
        self._by_word: dict[Request, WordIndex[Client]] = {
            request: WordIndex(CLIENTS_MAX // 8) for request in Request
        }
        self._requests: WordIndex[Asked] = WordIndex(REQUESTS_MAX)
        self._connects: SharedTable[int, ApiConnect] = SharedTable(CONNECTS_MAX)
        self._connects_of: dict[int, deque[ApiConnect]] = {}
        """The same by the caller's pid."""
        self._connections: SharedTable[int, _Connection] = SharedTable(CONNECTIONS_MAX)
        self._let_in: SharedTable[tuple[int, int], ApiConnect] = SharedTable(LET_IN_MAX)
        """The latest connect of a process or of one below it, by its key in clock ticks."""
        self._gone: dict[tuple[int, int], int] = {}
        """When callers of another kind than clients ended, by their keys in clock ticks."""
        self._audit: deque[AuditExec] = deque(maxlen=AUDIT_MAX)

    # ----------------------------------------------------------------- what is learnt

    def watch_until(self, time: int) -> None:
        """Count in ``learnt_late`` what is learnt from now on of the time up to ``time``."""
        self._watched_until = max(self._watched_until, time)

    def _note(self, time: int) -> None:
        if time <= self._watched_until:
            self.learnt_late += 1

    def add_client(self, exec_: CommandExec, origin: Origin) -> Client:
        """Record that a process is a container client, whatever it asks for."""
        self._note(exec_.time)
        helper = client_command.helper(exec_.program, exec_.argv)
        command = client_command.parse(exec_.program, exec_.argv) if helper is None else None
        client = Client(exec_, command, helper, origin)
        pid = exec_.process.key.pid
        self._running.pop(pid, None)
        gone = self._clients.put(pid, client, origin.domain)
        if gone is not None and self._running.get(gone.exec.process.key.pid) is gone:
            del self._running[gone.exec.process.key.pid]
        if command is not None:
            self._running[pid] = client
            self._by_word[command.request].add(client, words_of_client(command), origin.domain)
        return client

    def end(self, process: ProcessKey, time: int) -> bool:
        """Record that a client's process ended; returns whether it was one."""
        client = self._clients.get(process.pid)
        if client is None or client.exec.process.key != process:
            self._end_caller(process, time)
            return False
        if client.ended is None:
            client.ended = time
        if self._running.get(process.pid) is client:
            del self._running[process.pid]
            self._ended.append(client)
        return True

    def _end_caller(self, process: ProcessKey, time: int) -> None:
        """Record that a kubelet ended: its connections, seen to be made or not, ended with it."""
        if process.pid not in self._connects_of:
            return
        self._note(time)
        self._gone[_tick(process.pid, process.start_time)] = time
        if len(self._gone) > GONE_MAX:
            del self._gone[next(iter(self._gone))]

    def add_connect(self, connect: ApiConnect) -> None:
        """Record a connection to an engine's socket."""
        self._note(connect.time)
        self.connects_seen |= connect.witness is Witness.KERNEL
        caller = connect.caller
        domain = self.origin_of(caller).domain
        self._number += 1
        gone = self._connects.put(self._number, connect, domain)
        self._connects_of.setdefault(caller.pid, deque()).append(connect)
        if gone is not None:
            of_pid = self._connects_of[gone.caller.pid]
            of_pid.remove(gone)
            if not of_pid:
                del self._connects_of[gone.caller.pid]
        if connect.connection is not None:
            # A number that is used again is another connection.
            self._calls.closed(connect.connection)
            self._connections.put(connect.connection, _Connection(connect.foreign), domain)
        if connect.foreign:
            self._foreign.put(connect.socket, connect, domain)
        else:
            self._foreign.pop(connect.socket)
        self._admit(caller, connect, domain)

    def _admit(self, caller: Caller, connect: ApiConnect, domain: str | None) -> None:
        """Note that the process, and those that it works for, reached the engine."""
        if caller.start_time is not None:
            self._let_in.put(_tick(caller.pid, caller.start_time), connect, domain)
        for ancestor in caller.ancestors:
            if self.client_at(ancestor) is None:
                break
            self._let_in.put(_tick(ancestor.pid, ancestor.start_time), connect, domain)

    def add_request(self, request: ApiRequest) -> None:
        """Record what a process sent to an engine."""
        self._note(request.time)
        origin = self.origin_of(request.caller)
        segment = _segment(request)
        calls = self._calls.sent(request.connection, origin, segment)
        connection = self._connection(request.connection, origin)
        if connection is not None and not request.payload:
            # The engine took it before it could be read.
            connection.suspect = True
        for call in calls:
            asked = Asked(
                call,
                request.caller,
                request.socket,
                call.time,
                request.ref,
                origin,
                foreign=self._is_foreign(connection, request.socket),
                watched=request.connection is not None,
            )
            if connection is not None:
                self._follow(connection, asked)
            if call.action.may_start or call.action is Action.STOP:
                self._requests.add(asked, words_of_call(call), origin.domain)

    def _is_foreign(self, connection: _Connection | None, socket: str) -> bool:
        """Whether a request went to an engine that is not root's, as far as a connect showed it."""
        return connection.foreign if connection is not None else socket in self._foreign

    def _connection(self, number: int | None, origin: Origin) -> _Connection | None:
        if number is None:
            return None
        known = self._connections.get(number)
        if known is None:
            known = _Connection()
            self._connections.put(number, known, origin.domain)
        return known

    @staticmethod
    def _follow(connection: _Connection, asked: Asked) -> None:
        named = asked.call.action in _STARTING and (asked.call.targets or asked.call.pod)
        connection.suspect |= asked.call.action.may_start and not named
        connection.waiting[asked.call.number] = asked
        if len(connection.waiting) > REQUESTS_OF_ONE_MAX:
            lost = connection.waiting.pop(next(iter(connection.waiting)))
            connection.suspect |= lost.call.action in _STARTING

    def add_answer(self, answer: ApiAnswer) -> list[tuple[Asked, str | None]]:
        """Record what an engine answered; return the refused requests, with its message."""
        refused: list[tuple[Asked, str | None]] = []
        connection = self._connections.get(answer.connection)
        for one in self._calls.answered(answer.connection, _segment(answer)):
            asked = connection.waiting.pop(one.number, None) if connection is not None else None
            if asked is not None:
                asked.answered, asked.outcome = one.time, one.outcome
                # A refusal counts against an answer that was prepared, whenever it comes.
                self._note(0 if one.outcome is Outcome.REFUSED else one.time)
                if one.outcome is Outcome.REFUSED:
                    refused.append((asked, one.message))
        return refused

    def awaits_answer(self, names: Names) -> bool:
        """Whether a request to start the container is still to be answered."""
        return any(
            asked.watched
            and asked.answered is None
            and asked.closed is None
            and asked.call.action in _STARTING
            and names.is_meant_by(asked.call, asked.time)
            for asked in self._requests.about(names)
        )

    def add_closed(self, closed: ConnectionClosed) -> None:
        """Record that a connection ended."""
        self._calls.closed(closed.connection)
        connection = self._connections.get(closed.connection)
        if connection is None:
            return
        self._note(closed.time)
        connection.closed = closed.time
        for asked in connection.waiting.values():
            asked.closed = closed.time

    def add_hop(self, hop: ApiHop) -> None:
        """Record that a process which talks to an engine passes on what another sends it."""
        self._note(hop.time)
        caller = hop.caller
        domain = self.origin_of(caller).domain
        key = _tick(hop.relay.pid, hop.relay.start_time)
        behind = self._hops.get(key)
        if behind is None:
            behind = deque(maxlen=HOPS_OF_ONE_MAX)
            self._hops.put(key, behind, domain)
        behind.append(hop)
        through = ApiConnect(hop.time, hop.witness, hop.ref, caller, hop.address)
        self._admit(caller, self._let_in.get(key) or through, domain)

    def behind(self, caller: Caller, time: int) -> Behind:
        """Return who was connected to a relay at a time, the latest of each process."""
        if caller.start_time is None:
            return Behind()
        own = self._hops.get(_tick(caller.pid, caller.start_time)) or ()
        found = {hop.caller.pid: hop for hop in own if self._carries(hop, time)}
        if found:
            # A look at the relay shows who was connected then; of the others one may have left.
            looked = max((h.time for h in found.values() if h.witness is Witness.PROCFS), default=0)
            latest = {pid: hop for pid, hop in found.items() if hop.time >= looked}
            return Behind(tuple(latest.values()), certain=len(latest) == len(found))
        for above in caller.ancestors:
            hops = self._hops.get(_tick(above.pid, above.start_time)) or ()
            # One that forks for each connection: what was accepted last before the fork is its.
            accepted = [hop for hop in hops if self._carries(hop, time)]
            before = [hop for hop in accepted if hop.time <= caller.start_time + AUDIT_EARLY]
            if accepted:
                return Behind(tuple(before[-1:] or accepted))
        return Behind()

    def _carries(self, hop: ApiHop, time: int) -> bool:
        """Whether a request of that time may have come over a connection to a relay."""
        if not time - HOP_WINDOW <= hop.time <= time + DISORDER:
            return False
        client = self.client_of(hop.caller.pid, hop.caller.start_time, hop.time)
        return client is None or client.runs_at(time)

    def add_audit(self, exec_: AuditExec) -> None:
        """Record what audit reports of a watched program's execve."""
        self._note(exec_.time - AUDIT_EARLY)
        self._audit.append(exec_)

    # ----------------------------------------------------------------- clients

    def client_at(self, ancestor: Ancestor) -> Client | None:
        """Return the client that a process above another is."""
        client = self._clients.get(ancestor.pid)
        if client is None or client.exec.process.key.start_time != ancestor.start_time:
            return None
        return client

    def client_of(self, pid: int, start_time: int | None, time: int) -> Client | None:
        """Return the client that a process is, if it is one."""
        client = self._clients.get(pid)
        if client is None:
            return None
        if start_time is not None:
            # procfs, which finds who is behind a relay, has start times in clock ticks.
            same = client.exec.process.key.same(ProcessKey(pid, start_time))
            return client if same else None
        return client if abs(client.exec.time - time) <= SAME_PROCESS else None

    def head_of(self, client: Client) -> Client:
        """Return the outermost client that works on the same request.

        ``docker compose`` executes the plugin that talks to the engine as its child.
        """
        head = client
        while head.exec.process.ancestors:
            above = self.client_at(head.exec.process.ancestors[0])
            if above is None or above.helper is not None or above.command is None:
                break
            if above.origin.domain != head.origin.domain:
                break
            head = above
        return head

    def clients(self, since: int, until: int) -> list[Client]:
        """Clients executed in a stretch of time that were still running at its end, latest first.

        Every client waits for the engine's answer, which comes after the container is created: one
        that had ended before cannot be the cause.
        """
        oldest = max(since, until - CLIENT_WINDOW)
        found = [
            client
            for client in reversed(self._running.values())
            if oldest <= client.exec.time <= until
        ]
        for client in reversed(self._ended):
            if not client.runs_at(until):
                break
            if oldest <= client.exec.time <= until:
                found.append(client)
        return found

    def asked_by_command(
        self, request: Request, names: Names, since: int, until: int
    ) -> Client | None:
        """Find the latest client command of that kind, in [since, until], naming the container."""
        oldest = max(since, until - CLIENT_WINDOW)
        for client in self._by_word[request].about(names):
            if oldest <= client.exec.time <= until and names.named_by(client):
                return client
        return None

    def asked_of_services(self, since: int, until: int) -> list[Client]:
        """Clients whose verb may start containers later, ended ones among them."""
        return [
            client
            for client in (*reversed(self._running.values()), *reversed(self._ended))
            if client.command is not None
            and client.command.request is Request.OTHER
            and since <= client.exec.time <= until
        ]

    def standing(
        self, client: Client, engine: Engine | None = None, owner: Origin | None = None
    ) -> Standing:
        """Return whether a client's command line can have reached the engine of a container.

        podman and buildah are engines themselves and connect to none. Nothing but descent proves
        what they did to a container of ``owner``.
        """
        connect = self.connect_of(client)
        if connect is None and client.exec.program in _LOCAL and engine in _LOCAL_ENGINES:
            own = standing(client.origin, owner) is Standing.OWNER
            return Standing.UNKNOWN if own else Standing.STRANGER
        if connect is None:
            return may_ask(let_in=False, connects_seen=self.connects_seen)
        return may_ask(let_in=connect.confirmed, connects_seen=connect.confirmed)

    def is_connected(self, client: Client, time: int) -> bool:
        """Whether a connection of the client, or of what works for it, was open at a time."""
        return any(not self._is_closed(connect, time) for connect in self._all_of(client))

    def _all_of(self, client: Client) -> list[ApiConnect]:
        seen = list(self.connects_of(client))
        reached = self.connect_of(client)
        if reached is not None and reached not in seen:
            seen.append(reached)
        return seen

    def _is_closed(self, connect: ApiConnect, time: int) -> bool:
        caller = connect.caller
        if caller.start_time is not None:
            gone = self._gone.get(_tick(caller.pid, caller.start_time))
            if gone is not None and gone < time:
                return True
        if connect.connection is None:
            return False
        connection = self._connections.get(connect.connection)
        return connection is not None and connection.closed is not None and connection.closed < time

    def may_have_asked(self, client: Client, until: int) -> bool:
        """Whether a connection of the client may have carried a request before ``until``.

        One that pulls an image, for example, has asked for no start yet.
        """
        seen = self._all_of(client)
        return not seen or any(self._is_suspect(connect, until) for connect in seen)

    def connect_of(self, client: Client) -> ApiConnect | None:
        """Return a connection of the client, or of a process that works for it."""
        return self._let_in.get(_tick(*client.key)) or next(iter(self.connects_of(client)), None)

    # ----------------------------------------------------------------- callers

    def requests(self, names: Names, since: int, until: int) -> Iterator[Asked]:
        """Requests in a stretch of time that name the container, latest first."""
        for asked in self._requests.about(names):
            if since <= asked.time <= until and names.is_meant_by(asked.call, asked.time):
                yield asked

    def connects(self, since: int, until: int) -> Iterator[ApiConnect]:
        """Connections in a stretch of time that may have carried a cause, latest first.

        One that had ended carried none, and neither did one that is followed and of which no
        request that may start something was reported.
        """
        for connect in self._connects.latest_first():
            if connect.time < since - DISORDER:
                break
            if since <= connect.time <= until and self._is_suspect(connect, until):
                yield connect

    def open_connects(self, until: int) -> Iterator[ApiConnect]:
        """Connections that were open at a time, latest first, whatever was asked over them."""
        for connect in self._connects.latest_first():
            if connect.time <= until and not self._is_closed(connect, until):
                yield connect

    def _is_suspect(self, connect: ApiConnect, until: int) -> bool:
        if connect.connection is None:
            return True
        connection = self._connections.get(connect.connection)
        if connection is None:
            return True
        return connection.may_have_asked and not self._is_closed(connect, until)

    def connects_of(self, client: Client) -> tuple[ApiConnect, ...]:
        """Connections that a client's process made, earliest first."""
        exec_ = client.exec
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


def _segment(seen: ApiRequest | ApiAnswer) -> Segment:
    length = seen.length if seen.length is not None else len(seen.payload)
    cut = length > len(seen.payload) or len(seen.payload) >= SEGMENT_MAX
    return Segment(seen.time, seen.offset, seen.payload, cut)


def _tick(pid: int, start_time: int) -> tuple[int, int]:
    """Name a process as both procfs and the kernel know it."""
    return pid, start_time // NS_PER_TICK


def _same(caller: Caller, time: int, exec_: CommandExec) -> bool:
    """Whether a witness's caller is the process of ``exec_``, whose pids are equal."""
    if caller.start_time is not None:
        return ProcessKey(caller.pid, caller.start_time).same(exec_.process.key)
    return -AUDIT_EARLY <= time - exec_.time <= SAME_PROCESS
