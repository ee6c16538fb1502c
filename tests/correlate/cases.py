"""What tests of situations that people meet ask about a start: cause, kind, evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sensor.model.api_calls import ApiConnect
from sensor.model.events import Event, Initiator
from sensor.model.observations import Observation
from sensor.model.process import Ancestor
from sensor.model.vocabulary import Confidence, Engine, StartKind, Trigger
from tests.correlate.observations import SHIM, ancestor, below, caller, connects
from tests.correlate.scenario import WEB, Box, described

ANN, BOB, MALLORY = 50, 51, 52
EXACT, INFERRED, NONE = Confidence.EXACT, Confidence.INFERRED, Confidence.NONE
BY_PERSON, BY_API = Trigger.USER_COMMAND, Trigger.API_CLIENT


def starts(box: Box, at: float, **identity: Any) -> list[Observation]:
    """An engine's container starts: its runtime runs below a shim."""
    return [below(box.create(at), SHIM), described(at + 1, box, **identity), box.execs(at + 5)]


def cause(event: Event) -> tuple[Trigger, Confidence, int | None]:
    """The trigger, how sure the initiator is, and its pid."""
    assert event.start is not None
    return event.start.trigger, event.confidence.initiator, pid_of(event.initiator)


def pid_of(who: Initiator | None) -> int | None:
    return who.process.pid if who is not None and who.process is not None else None


def kind(event: Event) -> StartKind:
    assert event.start is not None
    return event.start.kind


def evidence(event: Event) -> list[str]:
    return [one.what for one in event.evidence]


def poll(at: float, pid: int) -> ApiConnect:
    """A connection that is followed, and asks for nothing that may start a container."""
    return replace(connects(at, caller(pid, at, comm="curl")), connection=pid)


START = f"POST /v1.41/containers/{WEB.id}/start"
POD = replace(WEB, path=f"/machine.slice/libpod-{WEB.id}.scope")


def by_conmon(box: Box, at: float, *above: Ancestor) -> list[Observation]:
    """A container of podman starts below its monitor."""
    return [
        below(box.create(at), ancestor("conmon", box.pid + 7, at - 5), *above),
        described(at + 1, box, engine=Engine.PODMAN),
        box.execs(at + 5),
    ]


SWARM = (
    ("com.docker.swarm.node.id", "n1"),
    ("com.docker.swarm.service.id", "s1"),
    ("com.docker.swarm.service.name", "svc"),
    ("com.docker.swarm.task", ""),
)


def task(id_: str, slot: str = "1") -> tuple[tuple[str, str], ...]:
    name = f"svc.{slot}.{id_}"
    return (*SWARM, ("com.docker.swarm.task.id", id_), ("com.docker.swarm.task.name", name))
