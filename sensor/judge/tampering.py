"""The sensor's own absence as a finding: what was switched off, stopped or taken away.

Read from the events by which the core reports it. A node that lost its power has another boot, and
an agent that ended cleanly was stopped by its service manager: neither is tampering.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.alert import Fact, Strength
from sensor.model.vocabulary import EventType, LastEnd

if TYPE_CHECKING:
    from sensor.model.events import Event

RESTORED = "probes_restored"


def tampering_of(event: Event, last_boot: str | None, down_seconds: int) -> tuple[str, Fact] | None:
    """Return what was done to the sensor, and the fact; None where nothing was.

    ``down_seconds`` without an agent are reported after a kill.
    """
    note = event.sensor
    if event.type is not EventType.SENSOR or note is None:
        return None
    match note.action:
        case "probes_lost":
            return "probes", _fact("probes", "attached and pinned", "detached or removed")
        case "stalled":
            return "agent stopped", _fact(
                "agent", "running", note.detail or "stopped by a signal, or starved"
            )
        case "probes_attached":
            return _killed(event, last_boot, down_seconds)
        case _:
            return None


def is_restored(event: Event) -> bool:
    """Whether the probes are there again."""
    return event.sensor is not None and event.sensor.action == RESTORED


def _killed(event: Event, last_boot: str | None, down_seconds: int) -> tuple[str, Fact] | None:
    note = event.sensor
    boot = event.host.boot_id if event.host is not None else None
    if note is None or note.last_end is not LastEnd.KILLED or boot != last_boot:
        return None
    down = note.down_seconds or 0.0
    if down < down_seconds:
        return None
    return "agent killed", _fact("agent", "ended by its service", f"killed, {down:.0f} s without")


def _fact(feature: str, expected: str, seen: str) -> Fact:
    return Fact(feature, expected, seen, None, Strength.STRONG)
