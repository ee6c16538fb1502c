"""The commands of the recent past that containers are tied to: bounded, forgetful, searchable.

Three kinds: runtime commands that make a container, by the process that runs them; cgroups made by
processes that may be runtimes of an unknown name; and client commands that name containers.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sensor.correlate import client_command, runtime_command
from sensor.correlate.client_command import ClientCommand, Request
from sensor.correlate.containers import HEX_ID_LEN, Creation
from sensor.model import CgroupBirth, CommandExec, ProcessKey, Role

if TYPE_CHECKING:
    from sensor.correlate.runtime_command import RuntimeCommand

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

CREATIONS_MAX = 4096
BIRTHS_MAX = 1024
CLIENTS_MAX = 1024
ENGINES_MAX = 64
CLIENT_WINDOW = 120_000_000_000
"""Nanoseconds for which a client command can explain a start: pulls and stops take long."""

ID_PREFIX_MIN = 1


@dataclass(frozen=True, slots=True)
class Client:
    """A client command and its exec."""

    exec: CommandExec
    command: ClientCommand


def _names(target: str, id_: str, name: str | None) -> bool:
    """Whether an engine would take ``target`` for this container: its name, its id or a prefix."""
    if target in (name, id_):
        return True
    return len(target) >= ID_PREFIX_MIN and len(id_) == HEX_ID_LEN and id_.startswith(target)


class CommandLog:
    """What was executed lately."""

    def __init__(self) -> None:
        self._creations: OrderedDict[int, Creation] = OrderedDict()
        self._others: OrderedDict[int, tuple[ProcessKey, RuntimeCommand]] = OrderedDict()
        self._births: OrderedDict[str, Creation] = OrderedDict()
        self._clients: deque[Client] = deque(maxlen=CLIENTS_MAX)
        self._engines: OrderedDict[str, int] = OrderedDict()

    def add_runtime(self, exec_: CommandExec) -> Creation | RuntimeCommand | None:
        """Record a runtime's command; returns what it is.

        None when it concerns no container, or is one that is told a second time: by another probe
        set, or because the runtime executed itself anew (crun does, from a sealed copy).
        """
        command = runtime_command.parse(exec_.argv)
        if command is None:
            return None
        key = exec_.process.key
        if not command.creates:
            self._others[key.pid] = (key, command)
            self._trim(self._others, CREATIONS_MAX)
            return command
        known = self.creation_of(key)
        if known is not None and known.command == command:
            return None
        creation = Creation(exec_.time, exec_.sequence, command, exec_.program, exec_.process)
        self._creations[key.pid] = creation
        self._creations.move_to_end(key.pid)
        self._trim(self._creations, CREATIONS_MAX)
        return creation

    def add_birth(self, birth: CgroupBirth) -> Creation | None:
        """Record a cgroup whose maker's command line reads like a runtime's."""
        command = runtime_command.parse(birth.argv)
        if command is None or not command.creates or command.id not in birth.path:
            return None
        program = birth.maker.exe or birth.maker.comm
        creation = Creation(birth.time, birth.sequence, command, program, birth.maker)
        self._births[birth.path] = creation
        self._births.move_to_end(birth.path)
        self._trim(self._births, BIRTHS_MAX)
        return creation

    def add_client(self, exec_: CommandExec) -> Client | None:
        """Record a client's command when it starts something."""
        command = client_command.parse(exec_.program, exec_.argv)
        if command is None:
            return None
        client = Client(exec_, command)
        self._clients.append(client)
        return client

    def add_engine(self, exec_: CommandExec) -> None:
        """Record that an engine began."""
        if exec_.role is Role.ENGINE:
            self._engines[exec_.program] = exec_.time
            self._engines.move_to_end(exec_.program)
            self._trim(self._engines, ENGINES_MAX)

    def creation_of(self, process: ProcessKey | None) -> Creation | None:
        """Return the creating command that ``process`` runs or ran."""
        if process is None:
            return None
        creation = self._creations.get(process.pid)
        if creation is None or not creation.process.key.same(process):
            return None
        return creation

    def other_of(self, process: ProcessKey) -> RuntimeCommand | None:
        """Take out the command of another verb that ``process`` ran."""
        entry = self._others.get(process.pid)
        if entry is None or not entry[0].same(process):
            return None
        del self._others[process.pid]
        return entry[1]

    def birth_of(self, *paths: str | None) -> Creation | None:
        """Return the command that made the first of these cgroups."""
        for path in paths:
            if path is not None and path in self._births:
                return self._births[path]
        return None

    def asked(
        self, request: Request, id_: str, name: str | None, since: int, until: int
    ) -> Client | None:
        """Find the latest client command of that kind, in [since, until], naming the container."""
        oldest = max(since, until - CLIENT_WINDOW)
        for client in reversed(self._clients):
            if client.exec.time > until or client.command.request is not request:
                continue
            if client.exec.time < oldest:
                break
            if any(_names(target, id_, name) for target in client.command.targets):
                return client
        return None

    def ran(self, id_: str, until: int) -> Client | None:
        """Find the ``ctr run`` that gave this id."""
        return self.asked(Request.RUN, id_, None, 0, until)

    def engine_boot(self, program: str) -> int | None:
        """When an engine of that name last began, in ns since boot."""
        return self._engines.get(program)

    @staticmethod
    def _trim(table: OrderedDict[_Key, _Value], limit: int) -> None:
        while len(table) > limit:
            table.popitem(last=False)
