"""Reduce a raw recording to one behaviour on a node of no name.

What stays is what concerns the behaviour's own containers and the commands that people or programs
gave for them; what goes is other containers, the recorder's own questions, and whatever shows the
machine apart. Names change alike everywhere, so that the correlation does not change: the recorder
compares the story before and after (:func:`story`).

Rules:

1. an observation of a runtime, a shim, a monitor, a cgroup or an engine's stream stays when it
   names one of the behaviour's containers;
2. a client's or an engine's command stays when it descends from the recording, unless it is one of
   the questions (``version``, ``inspect``) by which the harness waits;
3. connects and requests stay when a process of rule 1 or 2, or the recording itself, makes them;
4. a lineage ends with the recording: above it is this machine's business. Below, watched programs,
   shells, Python, systemd and sshd stay;
5. nothing is lost while a golden capture is made: a recording with a loss is refused.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from sensor.agent.parsers import parsers
from sensor.agent.replayer import Replayer
from sensor.correlate.core import Correlator
from sensor.model.agent_records import AccountsRead, ClockSynced, HostFacts, Notice, OutputLoss
from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiRequest, Caller, ConnectionClosed
from sensor.model.events import Event
from sensor.model.inventory import ContainerDescribed, InventoryTaken, KnowledgeRestored
from sensor.model.kernel_records import (
    CgroupBirth,
    CommandExec,
    CommandExit,
    InitExec,
    InitExit,
    KernelLoss,
)
from sensor.model.observations import Observation
from sensor.model.process import Ancestor, ProcessFacts, ProcessKey
from sensor.model.vocabulary import Role
from sensor.model.witness_records import AuditLoss, EngineEvent, EngineLoss, EngineRecalled
from sensor.sources.capture import Arrival

NODE = "node-1"
BOOT_ID = "00000000-0000-4000-8000-000000000001"
MACHINE_ID = "00000000000000000000000000000001"
HOME = "/root"
PLACE = "/tmp/castoff-golden"
PLACES = {
    "containerd/state": "/run/containerd",
    "containerd/containerd.sock": "/run/containerd/containerd.sock",
    "docker/exec": "/run/docker",
    "docker/docker.sock": "/run/docker.sock",
}
"""Where engines have by default what the harness keeps in a directory of its own; the rest of that
is in :data:`PLACE`."""
PACKAGES = "/usr/lib/python3/dist-packages"
"""Where Debian's Python has its packages."""
ACCOUNTS = {0: "root", 4242: "alice", 4243: "bob"}
"""The accounts of the node: people of these login uids give commands in the behaviours."""

_QUESTIONS = frozenset({"version", "inspect"})
_UNIQUE = re.compile(r"castoff-([A-Za-z0-9_.-]+?)-[0-9a-f]{12}(?![0-9a-f])")
_RELEASE = re.compile(r"[0-9]+(\.[0-9]+)*")
_COMMON = re.compile(r"(ba|da|z|k)?sh|python[0-9.]*|systemd|sshd")
_Value = TypeVar("_Value")


class UnusableError(Exception):
    """No capture comes of the recording: it has a hole, or sanitising it changes its story."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a recording is about: its containers, and which processes and places are its own."""

    containers: frozenset[str]
    recording: int
    """The pid under which everything of the behaviour is started."""
    agents: frozenset[int]
    directory: str
    checkout: str
    host_name: str
    cgroups: frozenset[str] = frozenset()
    """The cgroups that the recording itself is in."""
    packages: tuple[str, ...] = ()
    """Where the recording's Python has its packages, which a contained kubelet needs."""

    def names(self, *texts: str | None) -> bool:
        """Whether one of the texts contains the id of one of the containers."""
        return any(id_ in text for text in texts if text for id_ in self.containers)


def sanitised(arrivals: Iterable[Arrival], scope: Scope) -> list[Arrival]:
    """Return what a golden capture keeps of a recording."""
    selection = _Selection(scope)
    rename = _Renaming(scope)
    kept = [
        Arrival(
            arrival.now,
            tuple(rename(one) for one in arrival.observations if selection.keeps(one)),
        )
        for arrival in arrivals
    ]
    return _without_idle(kept)


def events_of(arrivals: Iterable[Arrival]) -> list[Event]:
    """Return what the core makes of arrivals."""
    replayer = Replayer(parsers())
    return [event for one in arrivals for event in replayer.feed(one.now, one.observations)]


def story(events: Iterable[Event], containers: frozenset[str]) -> list[tuple[object, ...]]:
    """Return what must not change when a recording is sanitised; ids as :func:`plain` has them."""
    wanted = {plain(id_) for id_ in containers}
    return [
        (
            event.type,
            event.time,
            plain(event.container.id),
            event.start.kind if event.start else None,
            event.start.trigger if event.start else None,
            event.start.attempt if event.start else None,
            event.stop,
            event.confidence,
            _pid(event),
            len(event.candidates),
        )
        for event in events
        if event.container is not None and plain(event.container.id) in wanted
    ]


def _pid(event: Event) -> int | None:
    process = event.initiator.process if event.initiator is not None else None
    return process.pid if process is not None else None


def is_common(comm: str) -> bool:
    """Whether a program is on every node: a shell, Python, systemd, sshd."""
    return _COMMON.fullmatch(comm) is not None


def plain(text: str | None) -> str:
    """Take the token out of a name that the harness made unique."""
    return _UNIQUE.sub(r"\1", text or "")


# ---------------------------------------------------------------------- what stays


class _Selection:
    """Rules 1 to 3 and 5. Asked about every observation once, in order."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._processes: set[ProcessKey] = set()
        self._strangers: set[int] = set(scope.agents)
        self._clock_read = False
        self._connections: set[int] = set()
        self._rules: dict[type, Callable[..., bool]] = {
            CommandExec: self._command,
            CommandExit: lambda exit_: exit_.process in self._processes,
            InitExec: self._init,
            InitExit: self._init_exit,
            CgroupBirth: lambda birth: scope.names(birth.path),
            ApiConnect: self._caller,
            ApiRequest: self._caller,
            ApiAnswer: lambda answer: answer.connection in self._connections,
            ConnectionClosed: lambda closed: closed.connection in self._connections,
            EngineEvent: lambda event: event.id in scope.containers,
            EngineRecalled: lambda emitted: emitted.id in scope.containers,
            ContainerDescribed: lambda described: described.id in scope.containers,
            ClockSynced: self._first_clock,
            # The digests of the log that the recording agent kept.
            Notice: lambda notice: notice.log is None,
            KernelLoss: self._loss,
            AuditLoss: self._loss,
            EngineLoss: self._loss,
            OutputLoss: self._loss,
        }

    def keeps(self, observation: Observation) -> bool:
        rule = self._rules.get(type(observation))
        return True if rule is None else rule(observation)

    def _first_clock(self, _: ClockSynced) -> bool:
        """Later ones show how this machine's clock drifts."""
        first, self._clock_read = not self._clock_read, True
        return first

    def _command(self, exec_: CommandExec) -> bool:
        key = exec_.process.key
        if exec_.role in (Role.CLIENT, Role.ENGINE, Role.ORCHESTRATOR):
            kept = self._is_below(exec_.process) and not _QUESTIONS & set(exec_.argv[1:])
        else:
            kept = self._scope.names(*exec_.argv)
        if kept:
            self._processes.add(key)
            self._strangers.discard(key.pid)
        else:
            self._strangers.add(key.pid)
        return kept

    def _init(self, exec_: InitExec) -> bool:
        cgroup = exec_.process.cgroup
        kept = (
            self._scope.names(cgroup.v1, cgroup.v2)
            or exec_.root in self._processes
            or (self._descends(exec_.process) and not _is_harness(exec_))
        )
        if kept:
            self._processes.add(exec_.process.key)
        return kept

    def _init_exit(self, exit_: InitExit) -> bool:
        return (
            exit_.process in self._processes
            or exit_.root in self._processes
            or self._scope.names(exit_.cgroup.v1, exit_.cgroup.v2)
        )

    def _caller(self, seen: ApiConnect | ApiRequest) -> bool:
        kept = self._is_ours(seen.caller)
        if kept and seen.connection is not None:
            self._connections.add(seen.connection)
        return kept

    def _is_ours(self, caller: Caller) -> bool:
        if caller.pid in self._strangers:
            return False
        if caller.start_time is None:
            return any(key.pid == caller.pid for key in self._processes)
        return (
            ProcessKey(caller.pid, caller.start_time) in self._processes
            or caller.pid == self._scope.recording
            or any(above.pid == self._scope.recording for above in caller.ancestors)
            or self._scope.names(*(caller.argv or ()))
            or any(self._scope.directory in word for word in caller.argv or ())
        )

    def _is_below(self, process: ProcessFacts) -> bool:
        cgroup = process.cgroup
        return self._descends(process) or self._scope.names(cgroup.v1, cgroup.v2)

    def _descends(self, process: ProcessFacts) -> bool:
        return any(above.pid == self._scope.recording for above in process.ancestors)

    @staticmethod
    def _loss(loss: KernelLoss | AuditLoss | EngineLoss | OutputLoss) -> bool:
        raise UnusableError(f"something was lost, record it again: {loss}")


def _is_harness(exec_: InitExec) -> bool:
    """Whether it is the container by which the harness knows that the agent has caught up."""
    paths = (exec_.process.cgroup.v1, exec_.process.cgroup.v2)
    return any("castoff-sentinel-" in path for path in paths if path)


# ---------------------------------------------------------------------- new names


class _Renaming:
    """Gives everything in an observation the names of the node of no name."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._roles = parsers().role_of

    def __call__(self, observation: Observation) -> Observation:
        return self._value(self._of(observation))

    def _of(self, observation: Observation) -> Observation:
        """Give fixed values to what is not a text, or is known by its field only."""
        scope = self._scope
        match observation:
            case HostFacts():
                release = _RELEASE.match(observation.kernel)
                kernel = release[0] if release else "6"
                spaces = observation.namespaces
                return HostFacts(NODE, BOOT_ID, MACHINE_ID, kernel, None, namespaces=spaces)
            case AccountsRead():
                return replace(observation, names=tuple(ACCOUNTS.items()))
            case InventoryTaken():
                found = (one for one in observation.containers if one.id in scope.containers)
                return replace(observation, containers=tuple(found))
            case KnowledgeRestored():
                known = (one for one in observation.containers if one.id in scope.containers)
                return replace(
                    observation,
                    boot_id=BOOT_ID,
                    containers=tuple(replace(one, boot_id=BOOT_ID) for one in known),
                )
            case _:
                return observation

    def _value(self, value: _Value) -> _Value:
        new: object = value
        if isinstance(value, str) and type(value) is str:
            new = self._text(value)
        elif isinstance(value, bytes):
            new = self._text(value.decode("latin-1")).encode("latin-1")
        elif isinstance(value, tuple):
            new = tuple(self._value(item) for item in self._lineage(value))
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            new = replace(
                value, **{item.name: self._value(getattr(value, item.name)) for item in fields}
            )
            if isinstance(new, Caller) and new.pid == self._scope.recording:
                new = replace(new, argv=None, ancestors=())
        return new  # type: ignore[return-value]  # of the type that came in

    def _lineage(self, items: tuple[object, ...]) -> Sequence[object]:
        """Rule 4, for tuples of ancestors."""
        kept: list[object] = []
        for item in items:
            if not isinstance(item, Ancestor):
                return items
            name = item.exe or item.comm
            if self._roles(name) or self._roles(item.comm) or is_common(item.comm):
                kept.append(item)
            if item.pid == self._scope.recording:
                return kept
        return kept

    def _text(self, text: str) -> str:
        scope = self._scope
        if text in scope.cgroups:
            return "/user.slice"
        for place in sorted(scope.packages, key=len, reverse=True):
            text = text.replace(place, PACKAGES)
        for name, place in PLACES.items():
            text = text.replace(f"{scope.directory}/{name}", place)
        text = text.replace(scope.directory, PLACE).replace(scope.checkout, HOME)
        if text == scope.host_name:
            return NODE
        return plain(text)


# ---------------------------------------------------------------------- size


def thinned(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Leave out, from the last to the first, what the events do not change without."""
    kept = list(arrivals)
    wanted = events_of(kept)
    for index in reversed(range(len(kept))):
        for position in reversed(range(len(kept[index].observations))):
            observations = kept[index].observations
            rest = (*observations[:position], *observations[position + 1 :])
            trial = [*kept[:index], replace(kept[index], observations=rest), *kept[index + 1 :]]
            if events_of(trial) == wanted:
                kept = trial
    return _without_idle(kept)


def _without_idle(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Leave out arrivals in which nothing comes and for which the core does not wait."""
    core = Correlator(parsers())
    kept: list[Arrival] = []
    for arrival in arrivals:
        due = core.deadline()
        emitted = core.feed(arrival.now, arrival.observations)
        if arrival.observations or emitted.events or (due is not None and due <= arrival.now):
            kept.append(arrival)
    return kept


def own_cgroups() -> frozenset[str]:
    """Return the cgroups that this process is in, but for the roots."""
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    return frozenset(line.split(":", 2)[2] for line in lines) - {"/"}
