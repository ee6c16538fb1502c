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
from sensor.model import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.runtime_command import RuntimeCommand
    from sensor.model import CgroupBirth, CommandExec, ContainerId, ProcessKey

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

CREATIONS_MAX = 4096
BIRTHS_MAX = 1024
CLIENTS_MAX = 1024
ASKED_MAX = 256
ENGINES_MAX = 64
CLIENT_WINDOW = 3_600_000_000_000
"""Nanoseconds for which a client command can explain a start: it may pull an image first. It has to
be running still when the container is created, so that a long window lets nothing wrong in."""

ID_PREFIX_MIN = 1

STARTING = frozenset({Request.RUN, Request.START, Request.RESTART, Request.UP})
"""Requests that make containers run; ``create`` does not."""

ONE_CONTAINER = frozenset({Request.RUN, Request.CREATE})
"""Requests that make one container."""

COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_WORKING_DIR = "com.docker.compose.project.working_dir"


@dataclass(frozen=True, slots=True)
class Client:
    """A client command and its exec."""

    exec: CommandExec
    command: ClientCommand


_ENGINES_OF = {
    "docker": frozenset({Engine.DOCKER, Engine.PODMAN}),
    "docker-compose": frozenset({Engine.DOCKER, Engine.PODMAN}),
    "podman": frozenset({Engine.PODMAN}),
    "podman-remote": frozenset({Engine.PODMAN}),
    "podman-compose": frozenset({Engine.PODMAN}),
    "buildah": frozenset({Engine.BUILDAH, Engine.PODMAN}),
    "ctr": frozenset({Engine.CONTAINERD}),
    "nerdctl": frozenset({Engine.CONTAINERD}),
    "crictl": frozenset({Engine.CONTAINERD, Engine.CRIO, Engine.DOCKER}),
}
"""The engines that a client can reach. Podman serves Docker's API too."""

_BELOW_DOCKER = frozenset({"ctr", "nerdctl", "k3s-ctr"})
"""Clients of the containerd that Docker's containers run on: they name them by their full ids."""

_SOCKETS = {
    "podman.sock": frozenset({Engine.PODMAN}),
    "docker.sock": frozenset({Engine.DOCKER, Engine.PODMAN}),
    "containerd.sock": frozenset({Engine.CONTAINERD, Engine.DOCKER}),
    "crio.sock": frozenset({Engine.CRIO}),
}
"""The engines behind sockets of well-known names."""


def reaches(client: Client, engine: Engine | None) -> bool:
    """Whether a client program can ask that engine for anything."""
    engines = _ENGINES_OF.get(client.exec.program)
    return engine is None or engines is None or engine in engines


def socket_serves(path: str, engine: Engine | None) -> bool:
    """Whether that engine may be behind a socket, by its name; another name tells nothing."""
    engines = _SOCKETS.get(path.rpartition("/")[2])
    return engine is None or engines is None or engine in engines


@dataclass(frozen=True, slots=True)
class Ended:
    """A client whose process ended at ``time``."""

    client: Client
    time: int


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that a command line could call a container by."""

    id: ContainerId
    name: str | None
    labels: tuple[tuple[str, str], ...] = ()
    engine: Engine | None = None

    def called(self, target: str) -> bool:
        """Whether an engine would take ``target`` for it: its name, its id or a prefix of that.

        Docker takes a name with a slash in front, too, as its API gives it.
        """
        target = target.removeprefix("/")
        if target in (self.name, self.id):
            return True
        full = len(self.id) == HEX_ID_LEN
        return full and len(target) >= ID_PREFIX_MIN and self.id.startswith(target)

    def named_by(self, client: Client) -> bool:
        """Whether a client's command line names it by an identifier of its own."""
        command = client.command
        by_full_id = self.id in command.targets and client.exec.program in _BELOW_DOCKER
        if not by_full_id and not reaches(client, self.engine):
            return False
        if command.compose:
            return self._in_project(client)
        if command.request in ONE_CONTAINER and command.name is not None:
            return command.name == self.name
        return any(self.called(target) for target in command.targets)

    def _in_project(self, client: Client) -> bool:
        """Whether a compose command is about the project, and the service, of its labels."""
        labels = dict(self.labels)
        project = labels.get(COMPOSE_PROJECT)
        services = client.command.targets
        if project is None or (services and labels.get(COMPOSE_SERVICE) not in services):
            return False
        if client.command.project is not None:
            return client.command.project == project
        cwd = client.exec.cwd
        return cwd is not None and cwd == labels.get(COMPOSE_WORKING_DIR)


class CommandLog:
    """What was executed lately."""

    def __init__(self) -> None:
        self._creations: OrderedDict[int, Creation] = OrderedDict()
        self._others: OrderedDict[int, tuple[ProcessKey, RuntimeCommand]] = OrderedDict()
        self._births: OrderedDict[str, Creation] = OrderedDict()
        self._running: OrderedDict[tuple[int, int], Client] = OrderedDict()
        self._asked = {request: deque[Client](maxlen=ASKED_MAX) for request in Request}
        self._ended: deque[Ended] = deque(maxlen=CLIENTS_MAX)
        self._engines: OrderedDict[tuple[str, tuple[ContainerId, ...]], int] = OrderedDict()

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
        creation = Creation(
            exec_.time,
            exec_.sequence,
            command,
            exec_.program,
            exec_.process,
            exec_.argv,
            exec_.cwd,
        )
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
        creation = Creation(
            birth.time, birth.sequence, command, program, birth.maker, birth.argv, None
        )
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
        key = exec_.process.key
        self._running[key.pid, key.start_time] = client
        self._trim(self._running, CLIENTS_MAX)
        self._asked[command.request].append(client)
        return client

    def add_engine(self, exec_: CommandExec, inside: tuple[ContainerId, ...]) -> None:
        """Record that an engine began, ``inside`` the containers given."""
        key = (exec_.program, inside)
        self._engines[key] = exec_.time
        self._engines.move_to_end(key)
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
        for client in reversed(self._asked[request]):
            if oldest <= client.exec.time <= until and names.named_by(client):
                return client
        return None

    def engine_boot(self, program: str, inside: tuple[ContainerId, ...]) -> int | None:
        """When an engine of that name, in these containers, last began, in ns since boot."""
        return self._engines.get((program, inside))

    @staticmethod
    def _trim(table: OrderedDict[_Key, _Value], limit: int) -> None:
        while len(table) > limit:
            table.popitem(last=False)
