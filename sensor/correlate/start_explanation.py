"""The event that says who asked for a start.

Of a start of this node it names the start's id. Where only records of a control plane are read, it
is about the pod or the task.
"""

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
    return replace(
        event,
        type=EventType.START_EXPLAINED,
        id=_id_of(event.id),
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


def record_explanation(
    subject: tuple[str | None, ...], time: int, orchestrator: Orchestrator, now: int
) -> Event:
    """Return the explanation of a pod or task that records name; times are wall-clock ns.

    The event's id follows from ``subject``, so that a record that is read twice makes one event.
    """
    return Event(
        type=EventType.START_EXPLAINED,
        id=_id_of(*subject),
        time=time,
        observed=now,
        realtime_offset=0,
        host=None,
        orchestrator=orchestrator,
    )


def _id_of(*subject: str | None) -> str:
    text = "\x1f".join(("explained", *(part or "" for part in subject)))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
