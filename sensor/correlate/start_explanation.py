"""The event that explains a start of this node: it names the start's id and who asked for it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from sensor.model.events import Certainty, Event
from sensor.model.vocabulary import EventType

if TYPE_CHECKING:
    from sensor.model.container import Orchestrator


def start_explanation(event: Event, orchestrator: Orchestrator | None, now: int) -> Event:
    """Return the explanation of a start; ``now`` is wall-clock ns, the block has the requester."""
    identity = blake2b(f"explained\x1f{event.id}".encode(), digest_size=16).hexdigest()
    return replace(
        event,
        type=EventType.START_EXPLAINED,
        id=identity,
        time=now - event.realtime_offset,
        observed=now - event.realtime_offset,
        start=None,
        stop=None,
        initiator=None,
        verdict=None,
        candidates=(),
        evidence=(),
        confidence=Certainty(container=event.confidence.container),
        start_id=event.id,
        orchestrator=orchestrator,
    )
