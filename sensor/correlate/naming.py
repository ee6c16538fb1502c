"""What command lines and requests call containers by, and when that was their name.

An engine takes a container's name, its id or the beginning of one; a compose project names all of
its services at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING, Generic, TypeVar

from sensor.correlate.client_command import ClientCommand, ClientRequest
from sensor.correlate.command_line import joined
from sensor.correlate.engine_api.calls import Action
from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.vocabulary import Engine
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from sensor.correlate.engine_api.calls import EngineCall
    from sensor.model.kernel_records import CommandExec
    from sensor.model.vocabulary import ContainerId

Item = TypeVar("Item")

HEX_ID_LEN = 64

STARTING = frozenset(
    {ClientRequest.RUN, ClientRequest.START, ClientRequest.RESTART, ClientRequest.UP}
)
"""Requests that make containers run; ``create`` does not."""

ONE_CONTAINER = frozenset({ClientRequest.RUN, ClientRequest.CREATE})
"""Requests that make one container."""

COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_WORKING_DIR = "com.docker.compose.project.working_dir"


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

_SERVED = {
    Engine.DOCKER: frozenset({Engine.DOCKER, Engine.ECS}),
    Engine.CONTAINERD: frozenset({Engine.CONTAINERD, Engine.DOCKER, Engine.ECS}),
    Engine.PODMAN: frozenset({Engine.PODMAN, Engine.BUILDAH}),
    Engine.CRIO: frozenset({Engine.CRIO}),
}
"""Whose containers an engine that listens can start. Docker's run on a containerd."""


def reaches(program: str, engine: Engine | None) -> bool:
    """Whether a client program can ask that engine for anything."""
    engines = _ENGINES_OF.get(program)
    return engine is None or engines is None or engine in engines


def socket_serves(path: str, engine: Engine | None, listens: Engine | None = None) -> bool:
    """Whether that engine's containers can be asked for at a socket.

    The engine that ``listens`` decides. Where it is unknown, the socket's name does, and another
    name leaves it open.
    """
    engines = _SERVED.get(listens) if listens is not None else None
    engines = engines or _SOCKETS.get(path.rpartition("/")[2])
    return engine is None or engines is None or engine in engines


PEOPLES_SOCKETS = frozenset({"docker.sock", "podman.sock"})
"""Sockets that are there for people and programs. Parts of engines talk to the others; of those,
only cri-dockerd asks Docker, for a pod: any other that has an engine's name and asks is not one.
"""


TCP = "tcp:"
"""How the name of an engine's port begins. Parts of engines talk through sockets of files."""


def is_peoples(path: str) -> bool:
    """Whether a socket is one that no part of an engine talks to."""
    return path.rpartition("/")[2] in PEOPLES_SOCKETS or path.startswith(TCP)


RENAMED_APART = 100_000_000
"""Nanoseconds around a rename in which a container answers to both names."""


class KnownIds:
    """The ids of 64 hex digits that are known, by which beginnings of ids are resolved."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: list[str] = []

    def add(self, id_: str) -> None:
        """Add an id; nothing when it is there."""
        at = bisect_left(self._ids, id_)
        if at == len(self._ids) or self._ids[at] != id_:
            self._ids.insert(at, id_)

    def discard(self, id_: str) -> None:
        """Take an id out; nothing when it is not there."""
        at = bisect_left(self._ids, id_)
        if at < len(self._ids) and self._ids[at] == id_:
            del self._ids[at]

    def fits_only(self, beginning: str, id_: str) -> bool:
        """Whether ``id_`` begins so and no other known id does."""
        if not beginning or not id_.startswith(beginning):
            return False
        at = bisect_left(self._ids, beginning)
        fitting = [one for one in self._ids[at : at + 2] if one.startswith(beginning)]
        return fitting in ([], [id_])


@dataclass(frozen=True, slots=True)
class FormerName:
    """A name that a container bore until ``until`` (ns since boot)."""

    name: str
    until: int


@quick
@dataclass(frozen=True, slots=True)
class Names:
    """Everything that a command line could call a container by."""

    id: ContainerId
    name: str | None
    labels: tuple[tuple[str, str], ...] = ()
    engine: Engine | None = None
    former: tuple[FormerName, ...] = ()
    """Earlier names, oldest first."""
    ids: KnownIds | None = field(default=None, compare=False, repr=False)
    sandbox_of: str | None = None
    """The uid of the pod whose sandbox it is: a request for that has no id to name yet."""

    def all(self) -> set[str]:
        """Every name that it has or had."""
        names = {one.name for one in self.former}
        if self.name is not None:
            names.add(self.name)
        return names

    def called(self, target: str, at: int | None = None) -> bool:
        """Whether an engine would take ``target`` for it: its name, its id or a prefix of that.

        ``at`` is when (ns since boot): a name counts for the time in which it was the container's.
        Docker takes a name with a slash in front, too, as its API gives it. It takes a beginning of
        an id only if no other container's id begins so.
        """
        target = target.removeprefix("/")
        if target == self.id:
            return True
        if target == self.name:
            since = self.former[-1].until if self.former else None
            return since is None or at is None or at >= since - RENAMED_APART
        if at is not None and any(
            one.name == target and at <= one.until + RENAMED_APART for one in self.former
        ):
            return True
        if len(self.id) != HEX_ID_LEN or not self.id.startswith(target) or not target:
            return False
        return self.ids is None or self.ids.fits_only(target, self.id)

    def is_meant_by(self, call: EngineCall, at: int) -> bool:
        """Whether a call to an engine is about it: by a name or an id, or by its pod's uid."""
        if any(self.called(target, at) for target in call.targets):
            return True
        pod = call.pod
        if self.sandbox_of is None or pod is None or pod.uid is None:
            return False
        return call.action is Action.RUN and _undashed(pod.uid) == _undashed(self.sandbox_of)

    @property
    def first_name(self) -> str | None:
        """The name that it was made with."""
        return self.former[0].name if self.former else self.name

    def named_by(self, command: ClientCommand | None, given: CommandExec) -> bool:
        """Whether a client's command line names it by an identifier of its own.

        ``given`` is the execve that gave the command; None is a command that was not understood.
        """
        if command is None:
            return False
        by_full_id = self.id in command.targets and given.program in _BELOW_DOCKER
        if not by_full_id and not reaches(given.program, self.engine):
            return False
        if command.compose:
            return self._in_project(command, given.cwd)
        if command.request in ONE_CONTAINER and command.name is not None:
            return command.name == self.first_name
        return any(self.called(target, given.time) for target in command.targets)

    def _in_project(self, command: ClientCommand, cwd: str | None) -> bool:
        """Whether a compose command is about the project, and the service, of its labels."""
        labels = dict(self.labels)
        project = labels.get(COMPOSE_PROJECT)
        services = command.targets
        if project is None or (services and labels.get(COMPOSE_SERVICE) not in services):
            return False
        if command.project is not None:
            return command.project == project
        return cwd is not None and _project_place(command, cwd) == labels.get(COMPOSE_WORKING_DIR)

    def may_be_in_project(self, command: ClientCommand, cwd: str | None) -> bool:
        """Whether a compose command may be about its project, although it does not name it.

        Compose looks for the project's file in the directories above, too.
        """
        labels = dict(self.labels)
        project, place = labels.get(COMPOSE_PROJECT), labels.get(COMPOSE_WORKING_DIR)
        if project is None or command.project not in (None, project):
            return False
        if command.targets and labels.get(COMPOSE_SERVICE) not in command.targets:
            return False
        if command.project is not None or cwd is None or place is None:
            return True
        given = _project_place(command, cwd)
        if command.file is not None or command.directory is not None:
            return given == place
        return f"{given}/".startswith(f"{place.rstrip('/')}/")


def _project_place(command: ClientCommand, cwd: str) -> str:
    """Return the directory of a compose command's project, as far as its words give one."""
    if command.directory is not None:
        return joined(cwd, command.directory)
    if command.file is not None and command.file != "-":
        return joined(cwd, command.file).rpartition("/")[0] or "/"
    return cwd


class WordIndex(Generic[Item]):
    """The latest items of a kind, found by the words that they call containers by.

    Looking through all of them for each start would cost more than all else that a start does. Each
    user has a share of it.
    """

    def __init__(self, limit: int) -> None:
        """``limit`` is how many are remembered; beyond it a user's own oldest is forgotten."""
        self._items: SharedTable[int, tuple[int, Item, tuple[str, ...]]] = SharedTable(limit)
        """By number, with it and its words: most have one, and a set takes four times as much."""
        self._by_word: dict[str, list[int]] = {}
        self._lengths: Counter[int] = Counter()
        """How many words there are of each length: a container has 64 beginnings of its id."""
        self._number = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Item, words: frozenset[str], domain: str | None = None) -> None:
        """Record one with the words that it may be found by."""
        self._number += 1
        for word in words:
            numbers = self._by_word.get(word)
            if numbers is None:
                numbers = self._by_word[word] = []
                self._lengths[len(word)] += 1
            numbers.append(self._number)
        gone = self._items.put(self._number, (self._number, item, tuple(words)), domain)
        if gone is not None:
            self._forget(gone[0], gone[2])

    def _forget(self, number: int, words: tuple[str, ...]) -> None:
        for word in words:
            numbers = self._by_word[word]
            numbers.remove(number)
            if not numbers:
                del self._by_word[word]
                self._lengths[len(word)] -= 1
                if not self._lengths[len(word)]:
                    del self._lengths[len(word)]

    def about(self, names: Names) -> list[Item]:
        """Return those that may name the container, latest first."""
        if not len(self._items):
            return []
        by_word = self._by_word
        words = {_COMPOSE, names.id, *names.all()}
        if names.sandbox_of is not None:
            words.add(_POD + _undashed(names.sandbox_of))
        if len(names.id) == HEX_ID_LEN:
            words.update([names.id[:length] for length in self._lengths])
        found = {number for word in words if word in by_word for number in by_word[word]}
        kept = (self._items.get(number) for number in sorted(found, reverse=True))
        return [entry[1] for entry in kept if entry is not None]


_COMPOSE = "\0compose"
"""Stands for all that a compose command may be about. No argument of a command holds a NUL."""


_POD = "\0pod "
"""Stands before the uid of a pod whose sandbox a request asks for."""


def _undashed(uid: str) -> str:
    """Return a pod's uid in one form: a static pod's is known with dashes and without."""
    return uid.replace("-", "")


def words_of_call(call: EngineCall) -> frozenset[str]:
    """Return what a call to an engine can be found by in an index."""
    words = words_of(call.targets)
    if call.action is Action.RUN and call.pod is not None and call.pod.uid is not None:
        return words | {_POD + _undashed(call.pod.uid)}
    return words


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
