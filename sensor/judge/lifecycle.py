"""What engines and orchestrators start by themselves carries on something that was explained.

===================  =============================  ================================================
trigger              kind of start                  explanation
===================  =============================  ================================================
``restart_policy``   any                            ``restart_policy``
``engine_boot``      any                            ``engine_boot``
``orchestrator``     restart after its own kill     ``health_check``: the kubelet ended it itself
``orchestrator``     any other restart              ``attempt``
``orchestrator``     first, of another revision     ``rollout``, also back to an earlier one
``orchestrator``     first, beside others           ``scaling``
``orchestrator``     first, alone                   ``reschedule``
===================  =============================  ================================================

A restart inherits from the container's origin, a new pod from its workload's. It inherits nothing
when its repository is another one or when it has a strong privilege that the origin lacked. What
carries on something unexplained stays unexplained, and that is reported once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.judge.privilege import strong
from sensor.model.container import KUBERNETES
from sensor.model.vocabulary import Explanation, StartCause, StartKind, Trigger

if TYPE_CHECKING:
    from sensor.judge.case import Facts
    from sensor.judge.origin import PastStart, WorkloadRecord

KILLED = frozenset({9, 15})
"""Signals by which a kubelet ends a container (KILL after its grace period, else TERM)."""
KILLED_CODES = frozenset({128 + signal for signal in KILLED})


@quick
@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered that a start may carry on. None is unknown."""

    container: PastStart | None
    """Of the container, or of its predecessor in its pod."""
    workload: WorkloadRecord | None
    others_run: bool = False
    """Another pod of the same owner runs on this node."""
    went_back: bool = False
    """The pod is of an earlier revision than the last one, and no other pod of it runs."""
    out_of_memory: bool = False
    """The last run ended for lack of memory."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a start carries on, and whether it inherits an explanation."""

    explanation: Explanation
    sentence: str
    basis: str | None = None
    reported: bool = False
    """That the origin has no explanation was reported already."""

    @property
    def inherits(self) -> bool:
        """Whether it is explained."""
        return self.basis is not None


def continuation_of(facts: Facts, past: Past) -> Continuation | None:
    """Return what the start carries on; None for one that a person or a script asked for."""
    if not facts.by_itself:
        return None
    match facts.trigger:
        case Trigger.RESTART_POLICY:
            what, explanation = "restart by the engine's policy", Explanation.RESTART_POLICY
            return _carried(explanation, what, facts, past.container)
        case Trigger.ENGINE_BOOT:
            what, explanation = "start at the engine's boot", Explanation.ENGINE_BOOT
            return _carried(explanation, what, facts, past.container)
        case Trigger.ORCHESTRATOR if facts.kind is StartKind.FIRST:
            return _new_instance(facts, past)
        case Trigger.ORCHESTRATOR:
            return _new_attempt(facts, past)
        case _:
            return None


def _new_attempt(facts: Facts, past: Past) -> Continuation:
    origin = past.container or (past.workload.origin if past.workload is not None else None)
    if _was_ended(facts, past):
        what = f"restart by {_who(facts)}, which had ended it, as after a failed health check"
        return _carried(Explanation.HEALTH_CHECK, what, facts, origin)
    attempt = facts.event.start.attempt if facts.event.start is not None else None
    what = "attempt" if attempt is None else f"attempt {attempt}"
    return _carried(Explanation.ATTEMPT, f"{what} by {_who(facts)}", facts, origin)


def _who(facts: Facts) -> str:
    pod = facts.event.orchestrator
    return (
        "the kubelet" if pod is None or pod.type == KUBERNETES else f"the orchestrator {pod.type}"
    )


def _new_instance(facts: Facts, past: Past) -> Continuation | None:
    record = past.workload
    if record is None:
        return None
    owner = facts.workload.owner if facts.workload is not None else None
    revision = owner.revision if owner is not None else None
    another = record.revisions and revision not in record.revisions
    if revision is not None and (another or past.went_back):
        what = f"rollout of revision {revision}"
        return _carried(Explanation.ROLLOUT, what, facts, record.origin)
    if past.others_run:
        return _carried(Explanation.SCALING, "one more instance", facts, record.origin)
    return _carried(Explanation.RESCHEDULE, "new instance", facts, record.origin)


def _carried(
    explanation: Explanation, what: str, facts: Facts, origin: PastStart | None
) -> Continuation:
    if origin is None:
        return Continuation(explanation, f"{what}; the first start was not seen")
    if origin.basis is None:
        sentence = f"{what}; the first start had no explanation"
        return Continuation(explanation, sentence, reported=origin.reported)
    repository = facts.image.repository if facts.image is not None else None
    if repository != origin.repository:
        expected, seen = origin.repository or "unknown", repository or "unknown"
        return Continuation(explanation, f"{what}; image: expected {expected}, seen {seen}")
    if new := strong(facts.atoms) - origin.atoms:
        expected = ", ".join(sorted(strong(origin.atoms))) or "none"
        seen = ", ".join(sorted(new))
        return Continuation(explanation, f"{what}; privileges: expected {expected}, seen {seen}")
    return Continuation(
        explanation, f"{what}; the first start was explained by {origin.basis}", origin.basis
    )


def _was_ended(facts: Facts, past: Past) -> bool:
    """Whether the kubelet ended the last run: as was seen, else by the signal that ended it."""
    start = facts.event.start
    cause = start.cause if start is not None else None
    if cause not in {None, StartCause.UNKNOWN}:
        return cause is StartCause.KILLED_BY_ORCHESTRATOR
    previous = start.previous if start is not None else None
    if previous is None or previous.oom_killed or past.out_of_memory:
        return False
    return previous.signal in KILLED or previous.exit_code in KILLED_CODES
