"""The answer of a causal chain: the requester, its confidence, and the records that led to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.control_plane import (
    ActorKind,
    ChainConfidence,
    ChainStep,
    ControlRecord,
    Effect,
    Request,
    RequestedBy,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.model.control_plane import Workload

_PLAIN = {Effect.UNKNOWN: Effect.ROLLOUT, Effect.SCALE: Effect.SCALE_UP}
"""What a write was, where its record does not say so and its pods do."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a walk has come. ``exact``: every step so far met by uid."""

    steps: tuple[ChainStep, ...]
    exact: bool

    def past(self, record: ControlRecord | None, *, exact: bool) -> Walk:
        """Return the walk one record further."""
        steps = self.steps if record is None else (*self.steps, step_of(record.request))
        return Walk(steps, self.exact and exact)

    def answer(
        self, records: Sequence[ControlRecord], effect: Effect | None = None, *, named: bool = False
    ) -> RequestedBy:
        """Return the answer that the walk's last records give; several of them are ambiguous.

        ``effect`` replaces that of the record. ``named``: the last step met by name only.
        """
        best = records[0].request
        actor = best.actor
        steps = (*self.steps, *(step_of(record.request) for record in records))
        if len(records) > 1:
            names = dict.fromkeys(
                one.request.actor.name for one in records if one.request.actor is not None
            )
            return RequestedBy(
                actor=None,
                kind=None,
                confidence=ChainConfidence.AMBIGUOUS,
                effect=effect or best.effect,
                candidates=tuple(names),
                chain=steps,
            )
        exact = self.exact and not named and whole(records[0])
        shown = effect or best.effect
        return RequestedBy(
            actor=None if actor is None else actor.name,
            kind=None if actor is None else actor.kind,
            confidence=ChainConfidence.EXACT if exact else ChainConfidence.INFERRED,
            impersonated=None if actor is None else actor.impersonated,
            request_id=best.id,
            effect=_PLAIN.get(shown, shown),
            time=best.requested,
            pod_uid=None if actor is None else actor.pod_uid,
            chain=steps,
        )


def static_pod(mirror: ControlRecord) -> RequestedBy:
    """Return the answer for a static pod: a file on its node, with the mirror pod as evidence."""
    return RequestedBy(
        actor=None,
        kind=ActorKind.NODE,
        confidence=ChainConfidence.EXACT,
        request_id=mirror.request.id,
        effect=Effect.STATIC_POD,
        time=mirror.request.requested,
        chain=(step_of(mirror.request),),
    )


def whole(record: ControlRecord) -> bool:
    """Return whether a record shows the object that it made, with its uid or its ARN."""
    if record.ecs is not None:
        return bool(record.ecs.tasks)
    workload = record.request.workload
    return workload is not None and workload.uid is not None


def _named(workload: Workload) -> str:
    """Return a short name of an object; a task of ECS has an id only."""
    return workload.name or (workload.task or "").rpartition("/")[2] or "-"


def client_of(record: ControlRecord) -> tuple[str | None, str | None]:
    """Return who made a request, and as whom. Its groups and its token may change meanwhile."""
    actor = record.request.actor
    return (None, None) if actor is None else (actor.name, actor.impersonated)


def same_client(one: ControlRecord, other: ControlRecord) -> bool:
    """Return whether two requests are of one client."""
    return client_of(one) == client_of(other)


def step_of(request: Request) -> ChainStep:
    """Return a record as a step of the chain."""
    actor, workload = request.actor, request.workload
    return ChainStep(
        action=request.action or "-",
        actor=None if actor is None else actor.name,
        request_id=request.id,
        time=request.requested,
        ref=request.ref,
        kind=None if actor is None else actor.kind,
        workload=None if workload is None else f"{workload.kind}/{_named(workload)}",
    )
