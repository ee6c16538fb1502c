"""What the tests of causes share: runs of an engine's container, and what a start says."""

from __future__ import annotations

from typing import Any

from sensor.correlate.lifecycle import DESCRIPTION_WAIT
from sensor.correlate.question import CONNECT_WINDOW
from sensor.model.container import Orchestrator
from sensor.model.events import Event, Initiator, InitiatorProcess
from sensor.model.observations import Observation
from sensor.model.process import CgroupPaths
from sensor.model.vocabulary import Confidence, ContainerId, Trigger
from tests.correlate.observations import MS, SHIM, below
from tests.correlate.scenario import WEB, Box, described

ANN, BOB = 50, 51
"""Pids of two people's processes."""

BOX = ContainerId("c0de" * 16)
IN_BOX = CgroupPaths(None, f"/docker/{BOX}")
POD_UID = "0a4d1c6e-0000-4000-8000-000000000001"
POD = Orchestrator("kubernetes", "default", "shop", POD_UID, "web", 0)
IN_POD = WEB.in_pod(POD_UID)
WAIT = DESCRIPTION_WAIT / MS
AGO = CONNECT_WINDOW / MS


def starts(box: Box, at: float, **identity: Any) -> list[Observation]:
    """An engine's container starts: its runtime runs below a shim."""
    return [
        below(box.create(at), SHIM),
        described(at + 1, box, **identity),
        box.execs(at + 5),
    ]


def runs(box: Box, at: float, **identity: Any) -> list[Observation]:
    """One whole run of an engine's container, ten milliseconds long."""
    return [*starts(box, at, **identity), box.exits(at + 10)]


def said(event: Event) -> tuple[Trigger, Confidence, Confidence]:
    """What a start says of its cause: the trigger, how sure that is, and how sure the initiator."""
    assert event.start is not None
    assert not (event.initiator is not None and event.candidates)
    return event.start.trigger, event.confidence.trigger, event.confidence.initiator


def process(who: Initiator | None) -> InitiatorProcess:
    assert who is not None
    assert who.process is not None
    return who.process


def pid(event: Event) -> int:
    return process(event.initiator).pid


def candidates(event: Event) -> list[int]:
    assert event.initiator is None
    return sorted(process(one).pid for one in event.candidates)


EXACT = (Trigger.USER_COMMAND, Confidence.EXACT, Confidence.EXACT)
INFERRED = (Trigger.USER_COMMAND, Confidence.INFERRED, Confidence.INFERRED)
UNKNOWN = (Trigger.UNKNOWN, Confidence.NONE, Confidence.NONE)
BOOT = (Trigger.ENGINE_BOOT, Confidence.INFERRED, Confidence.NONE)
BY_API = (Trigger.API_CLIENT, Confidence.INFERRED, Confidence.INFERRED)
