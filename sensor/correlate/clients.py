"""Processes that executed a container client: their commands, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate import client_command
from sensor.correlate.client_command import ClientCommand, ClientRequest, Helper
from sensor.correlate.naming import WordIndex, words_of_client
from sensor.dataclass import dataclass
from sensor.model.process import ProcessKey
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.correlate.naming import Names
    from sensor.model.kernel_records import CommandExec
    from sensor.model.process import Ancestor
    from sensor.model.vocabulary import ContainerId

CLIENTS_MAX = 4096
"""Client processes remembered, ended ones among them."""
ENDED_MAX = 1024
"""Ended clients of root's that are remembered, and of these the ones that may have started
something; the same for all other users together."""

CLIENT_WINDOW = 3_600_000_000_000
"""Nanoseconds for which a client command can explain a start: it may pull an image first. It has to
be running still when the container is created, so that a long window lets nothing wrong in."""

AUDIT_EARLY = 20_000_000
"""Nanoseconds by which an audit record, stamped in whole milliseconds, may seem early."""
DISORDER = 1_000_000_000
"""Nanoseconds by which what arrives later may have happened earlier."""
SAME_PROCESS = 5_000_000_000
"""Nanoseconds within which an audit record and a probe's of the same pid are of one process."""


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


class ClientTable:
    """Client processes by pid, by what their commands name, and in the order of their execve."""

    def __init__(self) -> None:
        self._by_pid: SharedTable[int, Client] = SharedTable(CLIENTS_MAX)
        self._running: dict[int, Client] = {}
        """Clients that may start something and have not ended, by pid, in the order of execve."""
        self._ended: SharedTable[tuple[int, int], Client] = SharedTable(ENDED_MAX)
        self._over: SharedTable[tuple[int, int], Client] = SharedTable(ENDED_MAX)
        """All that ended, in this order: no process is below them any more."""
        self._by_word: dict[ClientRequest, WordIndex[Client]] = {
            request: WordIndex(CLIENTS_MAX // 8) for request in ClientRequest
        }

    def __len__(self) -> int:
        return len(self._by_pid)

    def add(self, exec_: CommandExec, origin: Origin) -> Client:
        """Record that a process is a container client, whatever it asks for."""
        helper = client_command.helper(exec_.program, exec_.argv)
        command = client_command.parse(exec_.program, exec_.argv) if helper is None else None
        client = Client(exec_, command, helper, origin)
        pid = exec_.process.key.pid
        self._running.pop(pid, None)
        gone = self._by_pid.put(pid, client, origin.share)
        if gone is not None and self._running.get(gone.exec.process.key.pid) is gone:
            del self._running[gone.exec.process.key.pid]
        if command is not None:
            self._running[pid] = client
            self._by_word[command.request].add(client, words_of_client(command), origin.share)
        return client

    def end(self, process: ProcessKey, time: int) -> bool:
        """Record that a client's process ended; returns whether it was one."""
        client = self._by_pid.get(process.pid)
        if client is None or client.exec.process.key != process:
            return False
        if client.ended is None:
            client.ended = time
            beyond = self._over.put(client.key, client, client.origin.share)
            if beyond is not None:
                self._forget(beyond)
        if self._running.get(process.pid) is client:
            del self._running[process.pid]
            self._ended.put(client.key, client, client.origin.share)
        return True

    def _forget(self, client: Client) -> None:
        """Forget who a process was; what its command named is kept by its words."""
        pid = client.exec.process.key.pid
        if self._by_pid.get(pid) is client:
            self._by_pid.pop(pid)

    def at(self, ancestor: Ancestor) -> Client | None:
        """Return the client that a process above another is."""
        client = self._by_pid.get(ancestor.pid)
        if client is None or client.exec.process.key.start_time != ancestor.start_time:
            return None
        return client

    def of(self, pid: int, start_time: int | None, time: int) -> Client | None:
        """Return the client that a process is, if it is one."""
        client = self._by_pid.get(pid)
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
            above = self.at(head.exec.process.ancestors[0])
            if above is None or above.helper is not None or above.command is None:
                break
            if above.origin.domain != head.origin.domain:
                break
            head = above
        return head

    def waiting(self, since: int, until: int) -> list[Client]:
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
        for client in self._ended.latest_first():
            if not client.runs_at(until):
                break
            if oldest <= client.exec.time <= until:
                found.append(client)
        return found

    def asked_by_command(
        self, request: ClientRequest, names: Names, since: int, until: int
    ) -> Client | None:
        """Find the latest client command of that kind, in [since, until], naming the container."""
        oldest = max(since, until - CLIENT_WINDOW)
        for client in self._by_word[request].about(names):
            if oldest <= client.exec.time <= until and names.named_by(client.command, client.exec):
                return client
        return None

    def asked_of_services(self, since: int, until: int) -> list[Client]:
        """Clients whose verb may start containers later, ended ones among them."""
        return [
            client
            for client in (*reversed(self._running.values()), *self._ended.latest_first())
            if client.command is not None
            and client.command.request is ClientRequest.OTHER
            and since <= client.exec.time <= until
        ]
