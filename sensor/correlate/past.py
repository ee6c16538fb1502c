"""Who asked engines for something lately: clients, connections, requests and their answers.

One record for each client process, one for each request, and indices over both. Everything is
bounded with a share for each user, and by the time for which it can explain a start. Processes are
identified by pid and start time. Audit has no start time: its records are matched by pid to what
the probes saw of the same process around the same time, never to a later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.authority import ActorStanding, may_ask, standing
from sensor.correlate.clients import AUDIT_EARLY, DISORDER, SAME_PROCESS, Client, ClientTable
from sensor.correlate.engine_api.calls import Action, CallOutcome
from sensor.correlate.engine_api.connections import EngineCalls, Known
from sensor.correlate.engine_places import EnginePlaces
from sensor.correlate.engine_reach import is_elsewhere
from sensor.correlate.engine_requests import NAMING, Asked, EngineConnection, segment_of
from sensor.correlate.indirect_requests import IndirectRequests
from sensor.correlate.naming import WordIndex, socket_serves, words_of_call
from sensor.correlate.relay_hops import RelayTable
from sensor.model.api_calls import ApiConnect
from sensor.model.process import ProcessKey, tick_key
from sensor.model.vocabulary import Engine, Witness
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.correlate.authority import Origin
    from sensor.correlate.engine_api.calls import Segment
    from sensor.correlate.engine_reach import Home
    from sensor.correlate.naming import Names
    from sensor.model.api_calls import ApiAnswer, ApiHop, ApiRequest, Caller, ConnectionClosed
    from sensor.model.kernel_records import CommandExec
    from sensor.model.witness_records import AuditExec

CONNECTS_MAX = 2048
REQUESTS_MAX = 1024
CONNECTIONS_MAX = 2048
LET_IN_MAX = 4096
AUDIT_MAX = 1024
"""Records of audit of root's commands that are remembered, and of all others' together."""
GONE_MAX = 256
"""Ended callers of root's that are remembered, and of all others together."""
_LOCAL = frozenset({"podman", "buildah"})
"""Clients that do the work of an engine in their own process, unless they connect to one."""
_LOCAL_ENGINES = frozenset({Engine.PODMAN, Engine.BUILDAH})


class RecentPast:
    """The callers of the recent past."""

    def __init__(self, origin_of: Callable[[Caller], Origin]) -> None:
        self.learnt_late = 0
        """How often something was learnt that happened before what is watched."""
        self.connects_seen = False
        """The probes report connections to engines: a client without one asked nothing."""
        self.origin_of = origin_of
        self.clients = ClientTable()
        self.relays = RelayTable(self.clients)
        self._places = EnginePlaces()
        self.indirect = IndirectRequests(self.clients)
        self._watched_until = 0
        self._number = 0
        self._calls = EngineCalls()
        self._requests: WordIndex[Asked] = WordIndex(REQUESTS_MAX)
        self._connects: SharedTable[int, ApiConnect] = SharedTable(CONNECTS_MAX)
        self._connects_of: dict[int, list[ApiConnect]] = {}
        """The same by the caller's pid."""
        self._connections: SharedTable[int, EngineConnection] = SharedTable(CONNECTIONS_MAX)
        self._let_in: SharedTable[tuple[int, int], ApiConnect] = SharedTable(LET_IN_MAX)
        """The latest connect of a process or of one below it, by its key in clock ticks."""
        self._gone: SharedTable[tuple[int, int], int] = SharedTable(GONE_MAX)
        """When callers of another kind than clients ended, by their keys in clock ticks."""
        self._audit: SharedTable[int, AuditExec] = SharedTable(AUDIT_MAX)

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
        return self.clients.add(exec_, origin)

    def end(self, process: ProcessKey, time: int) -> bool:
        """Record that a process ended; returns whether it was a client."""
        if self.clients.end(process, time):
            return True
        self._end_caller(process, time)
        return False

    def _end_caller(self, process: ProcessKey, time: int) -> None:
        """Record that a kubelet ended: its connections, seen to be made or not, ended with it."""
        connects = self._connects_of.get(process.pid)
        if not connects:
            return
        self._note(time)
        domain = self.origin_of(connects[-1].caller).share
        self._gone.put(tick_key(process.pid, process.start_time), time, domain)

    def add_connect(self, connect: ApiConnect) -> None:
        """Record a connection to an engine's socket."""
        self._note(connect.time)
        self.connects_seen |= connect.witness is Witness.KERNEL
        caller = connect.caller
        domain = self.origin_of(caller).share
        self._number += 1
        gone = self._connects.put(self._number, connect, domain)
        # A list: a deque takes 600 bytes more, and most processes connect a few times.
        self._connects_of.setdefault(caller.pid, []).append(connect)
        if gone is not None:
            of_pid = self._connects_of[gone.caller.pid]
            of_pid.remove(gone)
            if not of_pid:
                del self._connects_of[gone.caller.pid]
        if connect.connection is not None:
            self._add_connection(connect.connection, domain, foreign=connect.foreign)
        if self._places.learn(connect, domain):
            # Requests of later connections are known for it as they come.
            self._learn_foreign(connect.socket)
        self._admit(caller, connect, domain)

    def _learn_foreign(self, socket: str) -> None:
        """Take note of whose the engine is that requests at a socket were sent to."""
        for connection in self._connections.values():
            if connection.foreign is None:
                for asked in connection.waiting.values():
                    asked.foreign |= asked.socket == socket

    def _add_connection(self, number: int, domain: str | None, *, foreign: bool) -> None:
        """Note whose the engine is. Requests may come first, while its socket is looked up."""
        known = self._connections.get(number)
        if known is None:
            self._connections.put(number, EngineConnection(foreign), domain)
            return
        known.foreign = foreign
        for asked in known.waiting.values():
            asked.foreign = foreign

    def reaches(self, asked: Asked, home: Home) -> bool:
        """Whether a request was sent to an engine that can start the containers there."""
        if is_elsewhere(asked, home):
            return False
        return socket_serves(asked.socket, home.engine, self._places.engine_at(asked.socket))

    def _admit(self, caller: Caller, connect: ApiConnect, domain: str | None) -> None:
        """Note that the process, and those that it works for, reached the engine."""
        if caller.start_time is not None:
            self._let_in.put(tick_key(caller.pid, caller.start_time), connect, domain)
        for ancestor in caller.ancestors:
            if self.clients.at(ancestor) is None:
                break
            self._let_in.put(tick_key(ancestor.pid, ancestor.start_time), connect, domain)

    def add_request(self, request: ApiRequest) -> list[tuple[Asked, str | None]]:
        """Record what a process sent to an engine; return what was refused already."""
        self._note(request.time)
        origin = self.origin_of(request.caller)
        segment = segment_of(request)
        calls = self._calls.sent(request.connection, origin.share, segment)
        connection = self._connection(request.connection, origin)
        if connection is not None and not request.payload:
            # It could not be read.
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
                listener=request.listener,
            )
            if connection is not None:
                connection.follow(asked)
            if call.action.may_start or call.action is Action.STOP:
                self._requests.add(asked, words_of_call(call), origin.share)
            if call.action is Action.INDIRECT:
                self.indirect.add(asked, connection)
        if request.connection is None:
            return []
        early = self._calls.early(request.connection, segment)
        return self._pair(request.connection, early) if early is not None else []

    def _is_foreign(self, connection: EngineConnection | None, socket: str) -> bool:
        """Whether a request went to an engine that is not root's, as far as a connect showed it."""
        if connection is not None and connection.foreign is not None:
            return connection.foreign
        # One that is read from its middle on has no connect of its own.
        return self._places.is_foreign(socket)

    def _connection(self, number: int | None, origin: Origin) -> EngineConnection | None:
        if number is None:
            return None
        known = self._connections.get(number)
        if known is None:
            known = EngineConnection()
            self._connections.put(number, known, origin.share)
        return known

    def add_answer(self, answer: ApiAnswer) -> list[tuple[Asked, str | None]]:
        """Record what an engine answered; return the refused requests, with its message."""
        return self._pair(answer.connection, segment_of(answer))

    def _pair(self, number: int, segment: Segment) -> list[tuple[Asked, str | None]]:
        refused: list[tuple[Asked, str | None]] = []
        connection = self._connections.get(number)
        whose = Known(self._connections.share_of(number)) if connection is not None else None
        for one in self._calls.answered(number, segment, whose):
            asked = connection.waiting.pop(one.number, None) if connection is not None else None
            if asked is not None:
                asked.answered, asked.outcome, asked.made = one.time, one.outcome, one.made
                asked.message = one.message
                # A refusal counts against an answer that was prepared, whenever it comes.
                self._note(0 if one.outcome is CallOutcome.REFUSED else one.time)
                if connection is not None and one.outcome is CallOutcome.REFUSED:
                    connection.refuse(asked)
                    refused.append((asked, one.message))
        return refused

    def awaits_answer(self, names: Names, home: Home) -> bool:
        """Whether a request to start the container is still to be answered."""
        return any(
            asked.watched
            and self.reaches(asked, home)
            and asked.answered is None
            and asked.closed is None
            and asked.call.action in NAMING
            and names.is_meant_by(asked.call, asked.time)
            for asked in self._requests.about(names)
        )

    def refusal(self, names: Names, home: Home, since: int, until: int) -> str | None:
        """Return what its engine said since then when it refused to start the container."""
        for asked in self.requests(names, home, 0, until):
            if asked.outcome is not CallOutcome.REFUSED or asked.call.action not in NAMING:
                continue
            if asked.answered is not None and asked.answered >= since:
                return asked.message
        return None

    def add_closed(self, closed: ConnectionClosed) -> None:
        """Record that a connection ended."""
        self.indirect.ends_seen = True
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
        domain = self.origin_of(caller).share
        self.relays.add(hop, domain)
        through = ApiConnect(hop.time, hop.witness, hop.ref, caller, hop.address)
        relay = tick_key(hop.relay.pid, hop.relay.start_time)
        self._admit(caller, self._let_in.get(relay) or through, domain)

    def add_audit(self, exec_: AuditExec) -> None:
        """Record what audit reports of a watched program's execve."""
        self._note(exec_.time - AUDIT_EARLY)
        self._number += 1
        self._audit.put(self._number, exec_, self.origin_of(exec_.caller).share)

    # ----------------------------------------------------------------- clients

    def standing(self, client: Client, home: Home) -> ActorStanding:
        """Return whether a client's command line can have reached the engine of a container.

        podman and buildah are engines themselves and connect to none. Nothing but descent proves
        what they did to a container of another user.
        """
        connect = self.connect_of(client)
        if connect is not None and is_elsewhere(connect, home):
            return ActorStanding.STRANGER
        if connect is None and client.exec.program in _LOCAL and home.engine in _LOCAL_ENGINES:
            own = standing(client.origin, home.owner) is ActorStanding.OWNER
            return ActorStanding.UNKNOWN if own else ActorStanding.STRANGER
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
            gone = self._gone.get(tick_key(caller.pid, caller.start_time))
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
        return self._let_in.get(tick_key(*client.key)) or next(iter(self.connects_of(client)), None)

    # ----------------------------------------------------------------- callers

    def requests(self, names: Names, home: Home, since: int, until: int) -> Iterator[Asked]:
        """Requests to its engine in a stretch of time that name the container, latest first."""
        for asked in self._requests.about(names):
            if not since <= asked.time <= until or not self.reaches(asked, home):
                continue
            if names.is_meant_by(asked.call, asked.time):
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
        found: list[ApiConnect] = []
        for connect in reversed(self._connects_of.get(exec_.process.key.pid, ())):
            if connect.time < exec_.time - DISORDER:
                break
            if _same(connect.caller, connect.time, exec_):
                found.append(connect)
        return tuple(reversed(found))

    def audit_of(self, exec_: CommandExec) -> AuditExec | None:
        """Return audit's record of the same execve."""
        for record in self._audit.latest_first():
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
