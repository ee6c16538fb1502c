"""Requests to engines and the connections that carry them: what became of each."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.correlate.authority import RequestFate, answer_at
from sensor.correlate.engine_api.calls import Action, CallOutcome, Segment
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.correlate.engine_api.calls import EngineCall
    from sensor.model.api_calls import ApiAnswer, ApiRequest, Caller, Listener

REQUESTS_OF_ONE_MAX = 64
"""Requests of one connection that wait for their answer."""
NAMING = frozenset({Action.START, Action.RESTART, Action.PREPARE, Action.RUN})
"""Actions whose request names what it starts."""


SEGMENT_MAX = 512
"""Bytes of a write of unknown length from which on it counts as cut."""


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
    outcome: CallOutcome | None = None
    closed: int | None = None
    listener: Listener | None = None
    """Who listens where it was sent to."""
    message: str | None = None
    """What the engine said when it refused."""
    made: str | None = None
    """The id of what it made, where the answer shows it."""

    def answer(self, creation: int) -> RequestFate:
        """Return what its answer means for a creation at that time."""
        refused = self.outcome is CallOutcome.REFUSED
        return answer_at(
            creation,
            answered=self.answered,
            refused=refused,
            closed=self.closed,
            watched=self.watched,
        )


@dataclass(slots=True)
class EngineConnection:
    """What is known of one connection to an engine."""

    foreign: bool | None = None
    """Whether the engine is not root's; None until a connect shows it."""
    closed: int | None = None
    suspect: bool = False
    """One of its requests could not be read."""
    unnamed: int = 0
    """Its requests that may start something that they do not name, save those that were refused."""
    waiting: dict[int, Asked] = field(default_factory=dict)

    @property
    def may_have_asked(self) -> bool:
        """Whether it may have asked for the start of a container that no request of it names.

        A request that names its container and was answered is used up: it asked for that one.
        """
        if self.suspect or self.unnamed:
            return True
        return any(one.call.action in NAMING for one in self.waiting.values())

    def follow(self, asked: Asked) -> None:
        """Expect an answer to a request that was sent over it."""
        self.unnamed += _starts_unnamed(asked)
        self.waiting[asked.call.number] = asked
        if len(self.waiting) > REQUESTS_OF_ONE_MAX:
            lost = self.waiting.pop(next(iter(self.waiting)))
            self.suspect |= lost.call.action in NAMING

    def refuse(self, asked: Asked) -> None:
        """Note that the engine did nothing of a request that was sent over it."""
        self.unnamed -= _starts_unnamed(asked)


def _starts_unnamed(asked: Asked) -> bool:
    """Whether a request may start something that it does not name."""
    named = asked.call.action in NAMING and (asked.call.targets or asked.call.pod)
    return asked.call.action.may_start and not named


def segment_of(seen: ApiRequest | ApiAnswer) -> Segment:
    """Return the write that a record shows, as the parser of its connection takes it."""
    length = seen.length if seen.length is not None else len(seen.payload)
    unknown = seen.length is None and len(seen.payload) >= SEGMENT_MAX
    cut = length > len(seen.payload) or unknown or not seen.payload
    return Segment(seen.time, seen.offset, seen.payload, cut)
