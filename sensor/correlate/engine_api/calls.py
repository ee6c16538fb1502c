"""What the readers of engine connections find: calls, and the engine's answers to them."""

from __future__ import annotations

from enum import StrEnum, unique

from sensor.dataclass import dataclass
from sensor.frozen import quick

MESSAGE_MAX = 1024
"""Characters of an engine's message that are kept."""

TARGETS_MAX = 16
"""Targets of one call that are kept."""


@unique
class Action(StrEnum):
    """What a call asks an engine to do with containers."""

    START = "start"
    """Start the container that it names."""
    RESTART = "restart"
    """Stop the container that it names and start it again."""
    PREPARE = "prepare"
    """Make the init of the container that it names; another call lets it run."""
    RUN = "run"
    """Make and start a container that has no id yet: a pod's sandbox."""
    CREATE = "create"
    """Make a container and start nothing."""
    STOP = "stop"
    """End the container that it names: stop, kill or remove."""
    INDIRECT = "indirect"
    """Start containers that it does not name: an image build, a service, a pod, a plugin."""
    NOTHING = "nothing"
    """Start and end nothing."""
    UNKNOWN = "unknown"
    """The method could not be read."""

    @property
    def may_start(self) -> bool:
        """Whether a call of this kind can have caused a start."""
        return self not in (Action.CREATE, Action.STOP, Action.NOTHING)


@unique
class CallOutcome(StrEnum):
    """How the engine answered a call."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    """HTTP 304: the container was in that state already."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """The answer was not seen or not understood."""


@dataclass(frozen=True, slots=True)
class PodReference:
    """The pod that a CRI call is about, as kubelet names it. ``uid`` as written, dashes or not."""

    namespace: str | None
    name: str | None
    uid: str | None


@quick
@dataclass(frozen=True, slots=True)
class EngineCall:
    """One request to an engine.

    ``number`` identifies it in its answer. ``method`` is ``POST /containers/{name}/start`` or
    ``containerd.services.tasks.v1.Tasks/Start``, None when unknown. ``targets`` are names, ids or
    prefixes of ids of containers; for ``RUN`` and ``CREATE`` the new container's name, if any.
    ``sandbox`` is the id of the sandbox that a CRI call puts its container into.
    """

    number: int
    connection: int | None
    time: int
    action: Action
    method: str | None = None
    targets: tuple[str, ...] = ()
    pod: PodReference | None = None
    sandbox: str | None = None
    attempt: int | None = None
    """The CRI metadata's attempt, of the sandbox or of the container."""
    sound: bool = False
    """The boundaries of this request are known since the connection's first byte."""


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """The engine's answer to the call of that number.

    ``status`` is the HTTP status or the gRPC code. ``made`` is the id of the container or
    service that the call created, where the answer shows it.
    """

    number: int
    time: int
    outcome: CallOutcome
    status: int | None = None
    made: str | None = None
    message: str | None = None
    """The engine's own words of a refusal: ``grpc-message``, or ``message`` of Docker's body."""


@quick
@dataclass(frozen=True, slots=True)
class Segment:
    """The bytes of one write on one side of a connection.

    ``offset`` is their position in everything that this side sent, None when unknown. ``cut``
    is true when the write was longer than what was copied.
    """

    time: int
    offset: int | None
    data: bytes
    cut: bool = False
