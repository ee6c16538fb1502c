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

RULES = "audit rules"
RESTORED = {"probes_restored": "probes", "audit_rules_restored": RULES}
"""Actions by which something is there again, and what it is."""


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
        case "audit_rules_lost":
            by = "" if note.by is None else f", login {note.by}"
            return RULES, _fact(RULES, "in force", f"{note.detail}{by}")
        case "stalled":
            return "agent stopped", _fact(
                "agent", "running", note.detail or "stopped by a signal, or starved"
            )
        case "probes_attached":
            return _killed(event, last_boot, down_seconds)
        case _:
            return None


def config_of(event: Event) -> tuple[str, Fact] | None:
    """Return who wrote which configuration of an engine, and the fact; None for another event."""
    note = event.sensor
    if note is None or note.action != "engine_config_written":
        return None
    seen = f"{note.detail}, {note.by or 'by an unknown account'}"
    return seen, _fact("engine's configuration", "as it was", seen)


def restored(event: Event) -> str | None:
    """Return what is there again; None where nothing is."""
    return RESTORED.get(event.sensor.action) if event.sensor is not None else None


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
