"""What a guest reports to the host of each scenario: what was expected and which events came.

Shared by both sides; imports nothing beyond the standard library.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]

START, STOP = "container.start", "container.stop"


@dataclass(slots=True)
class Expected:
    """One container and the events that it must have caused.

    ``id`` is None where the scenario does not know it; ``name`` and ``image`` are None where the
    container has none. ``starts`` are the kinds in order, ``stops`` exit codes and signals.
    """

    id: str | None
    name: str | None
    image: str | None
    starts: list[str] = field(default_factory=lambda: ["first"])
    stops: list[int | str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Further event types of this container, in order."""
    cgroup: str | None = None
    """How its cgroup's path must end."""
    caused_by: tuple[str, int] | None = None
    """Program and login uid that its one start must be attributed to, exactly."""


@dataclass(slots=True)
class Report:
    """What one scenario expected and what the agent said while it ran."""

    name: str
    expected: list[Expected] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    skipped: str | None = None
    error: str | None = None
    seconds: float = 0.0


def container(event: Event) -> str | None:
    """The id of the container that an event is about."""
    found = event.get("container")
    return found["id"] if found else None


def signal_name(number: int) -> str:
    """A signal as scenarios write it."""
    return signal.Signals(number).name


def summary(events: list[Event]) -> str:
    """Events in one line, for errors."""
    return ", ".join(f"{event['type']} {container(event)}" for event in events) or "nothing"
