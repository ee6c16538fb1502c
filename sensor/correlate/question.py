"""What is asked about a start, what is known when it is asked, and the form of the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING

from sensor.correlate.authority import ActorStanding, standing
from sensor.correlate.engine_reach import Home, namespace_of
from sensor.correlate.naming import Names, is_peoples
from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    Engine,
    RoleOf,
    StartKind,
    Trigger,
)

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.correlate.candidates import Candidate, CandidateFactory
    from sensor.correlate.client_command import ClientCommand
    from sensor.correlate.clients import Client
    from sensor.correlate.containers import Creation
    from sensor.correlate.kubelets import Kubelets
    from sensor.correlate.past import RecentPast
    from sensor.correlate.runtimes import RuntimeLog
    from sensor.model.api_calls import Caller
    from sensor.model.container import Description
    from sensor.model.events import Evidence, Initiator
    from sensor.model.kernel_records import CommandExec
    from sensor.model.process import ProcessFacts


CONNECT_WINDOW = 10_000_000_000
"""Nanoseconds before a creation in which a connection to the engine may have carried its cause."""

ASYNC_WINDOW = 60_000_000_000
"""Nanoseconds before a creation in which an orchestrator may have been asked for it."""

CREATED_EARLY = 1_000_000_000
"""Nanoseconds by which the engine's own time of a creation may be late or the wall clock off."""


@quick
@dataclass(frozen=True, slots=True)
class Question:
    """The start whose cause is sought. Times are ns since boot."""

    id: ContainerId
    kind: StartKind
    description: Description | None = field(compare=False)
    """Not compared: what of it can change a prepared answer is in ``names`` and ``in_pod``."""
    engine: Engine | None
    creation: Creation | None
    time: int
    """Of the creating command, else of the start itself: whatever caused it came before."""
    since: int
    """Before which nothing can have caused this start: the end of the container's last run."""
    restart_since: int
    """The same for a restart command, which comes before the end that it causes."""
    engine_boot: int | None
    names: Names
    owner: Origin | None = None
    created: int = field(default=0, compare=False)
    """When the engine made the container; 0 when unknown. What named it before meant another.
    Not compared: it is a wall time, and the clock's offset is measured again and again."""
    in_pod: bool = False
    """A kubelet's engine made it."""
    init: ProcessFacts | None = field(default=None, compare=False)
    """The init at its execve; None while it is not there."""
    ran: int = field(default=0, compare=False)
    """When its init ran, 0 while it has not: CRI-O has the runtime create a container when it is
    made, and a request that comes later lets it run."""
    starter: CommandExec | None = field(default=None, compare=False)
    """The runtime's ``start`` command, where create and start may be asked for by two."""
    let_run: int = 0
    """When that was executed; 0 without one."""
    causes_lost: bool = field(default=False, compare=False)
    """Some of what may have caused it was held back: one candidate alone proves nothing."""

    @property
    def home(self) -> Home:
        """Where the container belongs."""
        return Home(self.engine, self.owner, namespace_of(self.creation))


@quick
@dataclass(frozen=True, slots=True)
class Attribution:
    """The answer. With several candidates the initiator is None."""

    trigger: Trigger = Trigger.UNKNOWN
    trigger_confidence: Confidence = Confidence.NONE
    initiator: Initiator | None = None
    confidence: Confidence = Confidence.NONE
    candidates: tuple[Initiator, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    command: ClientCommand | None = None
    """The initiator's command line, when it is a client: it may name what nothing on disk does."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a reason may ask."""

    past: RecentPast
    runtimes: RuntimeLog
    candidates: CandidateFactory
    role_of: RoleOf
    kubelets: Kubelets

    def hands_on(self, caller: Caller, origin: Origin, socket: str, question: Question) -> bool:
        """Whether the caller is a part of an engine that passes on what was asked of it.

        As dockerd does to containerd. A name alone makes no process one: it has to be the owner's,
        at a socket where parts of engines ask, and not seen to be executed as something else.
        """
        if not question.in_pod and is_peoples(socket):
            return False
        if not self.candidates.is_engine_caller(caller):
            return False
        if caller.start_time is None:
            return True
        if standing(origin, question.owner) is ActorStanding.STRANGER:
            return False
        return self.runtimes.may_be_engine_at(caller.pid, caller.start_time)

    def of_pod(
        self, candidates: list[Candidate], caller: Caller, origin: Origin, question: Question
    ) -> list[Candidate]:
        """Name the orchestrator where a pod's own kubelet is among what is behind a caller.

        Where that is not certain yet, the trigger stays what it is of any process, and is inferred.
        """
        if not question.in_pod:
            return candidates
        if self.kubelets.orchestrates(caller, origin, question.owner):
            change = partial(replace, trigger=Trigger.ORCHESTRATOR)
        elif self.kubelets.may_orchestrate(caller, origin, question.owner):
            change = partial(replace, trigger_certainty=Confidence.INFERRED)
        else:
            return candidates
        return [
            change(one)
            if one.client is None and one.key == (caller.pid, caller.start_time)
            else one
            for one in candidates
        ]


def latest_request(question: Question) -> int:
    """Return when a request for the start can have come at the latest, in ns since boot."""
    if question.engine is Engine.CRIO:
        return max(question.time, question.ran)
    return max(question.time, question.let_run)


Answering = Callable[[Question, Knowledge], "Attribution | None"]
"""A reason: None when it has no answer."""


def reached(client: Client, question: Question, known: Knowledge) -> ActorStanding:
    """Return whether a client can have asked the engine of the container."""
    if not known.past.may_have_asked(client, question.time):
        return ActorStanding.STRANGER
    return known.past.standing(client, question.home)
