"""What command lines call containers by, and the clients whose command lines do.

An engine takes a container's name, its id or the beginning of one; a compose project names all of
its services at once.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from sensor.correlate.client_command import ClientCommand, Request
from sensor.correlate.containers import HEX_ID_LEN
from sensor.model.vocabulary import Engine

if TYPE_CHECKING:
    from sensor.model.observations import CommandExec
    from sensor.model.vocabulary import ContainerId

Item = TypeVar("Item")

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


PEOPLES_SOCKETS = frozenset({"docker.sock", "podman.sock"})
"""Sockets that are there for people and programs. Parts of engines talk to the others; of those,
only cri-dockerd asks Docker, for a pod: whoever else is called as an engine and asks there is none.
"""


def is_peoples(path: str) -> bool:
    """Whether a socket is one that no part of an engine talks to."""
    return path.rpartition("/")[2] in PEOPLES_SOCKETS


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


class WordIndex(Generic[Item]):
    """The latest items of a kind, found by the words that they call containers by.

    Looking through all of them for each start would cost more than all else that a start does.
    """

    def __init__(self, limit: int) -> None:
        """``limit`` is how many are remembered; beyond it the oldest is forgotten."""
        self._limit = limit
        self._items: OrderedDict[int, tuple[Item, frozenset[str]]] = OrderedDict()
        self._by_word: dict[str, list[int]] = {}
        self._lengths: Counter[int] = Counter()
        """How many words there are of each length: a container has 64 beginnings of its id."""
        self._number = 0

    def add(self, item: Item, words: frozenset[str]) -> None:
        """Record one with the words that it may be found by."""
        self._number += 1
        self._items[self._number] = (item, words)
        for word in words:
            numbers = self._by_word.get(word)
            if numbers is None:
                numbers = self._by_word[word] = []
                self._lengths[len(word)] += 1
            numbers.append(self._number)
        if len(self._items) > self._limit:
            number, (_, forgotten) = self._items.popitem(last=False)
            for word in forgotten:
                numbers = self._by_word[word]
                numbers.remove(number)
                if not numbers:
                    del self._by_word[word]
                    self._lengths[len(word)] -= 1
                    if not self._lengths[len(word)]:
                        del self._lengths[len(word)]

    def about(self, names: Names) -> list[Item]:
        """Return those that may name the container, latest first."""
        if not self._items:
            return []
        by_word = self._by_word
        words = {_COMPOSE, names.id}
        if names.name is not None:
            words.add(names.name)
        if len(names.id) == HEX_ID_LEN:
            words.update([names.id[:length] for length in self._lengths])
        found = {number for word in words if word in by_word for number in by_word[word]}
        return [self._items[number][0] for number in sorted(found, reverse=True)]


_COMPOSE = "\0compose"
"""Stands for all that a compose command may be about. No argument of a command holds a NUL."""


def words_of_client(command: ClientCommand) -> frozenset[str]:
    """Return what a client's command can be found by in an index."""
    if command.compose:
        return frozenset({_COMPOSE})
    words = words_of(command.targets)
    if command.request in ONE_CONTAINER and command.name is not None:
        return words | {command.name}
    return words


def words_of(targets: tuple[str, ...]) -> frozenset[str]:
    """Return what names, ids or prefixes of ids can be found by in an index."""
    return frozenset(target.removeprefix("/") for target in targets)
