"""The commands of the recent past that containers are tied to: bounded, forgetful, searchable.

Three kinds: runtime commands that make a container, by the process that runs them; cgroups made by
processes that may be runtimes of an unknown name; and client commands that name containers.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sensor.correlate import client_command
from sensor.correlate.client_command import ClientCommand, Request
from sensor.correlate.naming import Client, Names, WordIndex, words_of_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.containers import Creation
    from sensor.correlate.runtime_command import RuntimeCommand
    from sensor.model.observations import CommandExec
    from sensor.model.process import ProcessKey
    from sensor.model.vocabulary import ContainerId

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

CREATIONS_MAX = 4096
BIRTHS_MAX = 1024
CLIENTS_MAX = 1024
ENGINES_MAX = 64
ASKED_MAX = 256
"""Clients of one request that are remembered by what they name."""

CLIENT_WINDOW = 3_600_000_000_000
"""Nanoseconds for which a client command can explain a start: it may pull an image first. It has to
be running still when the container is created, so that a long window lets nothing wrong in."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A client whose process ended at ``time``."""

    client: Client
    time: int


class CommandLog:
    """What was executed lately."""

    def __init__(self) -> None:
        self._creations: OrderedDict[int, Creation] = OrderedDict()
        self._others: OrderedDict[int, tuple[ProcessKey, RuntimeCommand]] = OrderedDict()
        self._births: OrderedDict[str, Creation] = OrderedDict()
        self._running: OrderedDict[tuple[int, int], Client] = OrderedDict()
        self._asked: dict[Request, WordIndex[Client]] = {
            request: WordIndex(ASKED_MAX) for request in Request
        }
        self._ended: deque[Ended] = deque(maxlen=CLIENTS_MAX)
        self._engines: OrderedDict[tuple[str, tuple[ContainerId, ...]], int] = OrderedDict()

    def add_client(self, exec_: CommandExec) -> Client | None:
        """Record a client's command when it starts something."""
        command = client_command.parse(exec_.program, exec_.argv)
        if command is None:
            return None
        client = Client(exec_, command)
        key = exec_.process.key
        self._running[key.pid, key.start_time] = client
        self._trim(self._running, CLIENTS_MAX)
        self._asked[command.request].add(client, words_of_client(command))
        return client

    def end_client(self, process: ProcessKey, time: int) -> bool:
        """Record that a client's process ended; tells whether it was one."""
        client = self._running.pop((process.pid, process.start_time), None)
        if client is None:
            return False
        self._ended.append(Ended(client, time))
        return True

    def command_of(self, exec_: CommandExec) -> ClientCommand | None:
        """Return what a client's command asks for."""
        key = exec_.process.key
        running = self._running.get((key.pid, key.start_time))
        if running is not None:
            return running.command
        ended = (ended.client for ended in reversed(self._ended))
        return next((client.command for client in ended if client.exec is exec_), None)

    def clients(self, since: int, until: int) -> Iterator[Client]:
        """Clients executed in a stretch of time that were still running at its end.

        Every client waits for the engine's answer, which comes after the container is created: one
        that had ended before cannot be the cause.
        """
        oldest = max(since, until - CLIENT_WINDOW)
        for client in reversed(self._running.values()):
            if oldest <= client.exec.time <= until:
                yield client
        for ended in reversed(self._ended):
            if ended.time < until:
                break
            if oldest <= ended.client.exec.time <= until:
                yield ended.client

    def asked(self, request: Request, names: Names, since: int, until: int) -> Client | None:
        """Find the latest client command of that kind, in [since, until], naming the container."""
        oldest = max(since, until - CLIENT_WINDOW)
        for client in self._asked[request].about(names):
            if oldest <= client.exec.time <= until and names.named_by(client):
                return client
        return None

    @staticmethod
    def _trim(table: OrderedDict[_Key, _Value], limit: int) -> None:
        while len(table) > limit:
            table.popitem(last=False)
