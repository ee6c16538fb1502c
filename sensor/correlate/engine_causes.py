"""Causes that need no client: the engine's restart policy, an orchestrator, the engine's boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate import orchestrators, supervision
from sensor.correlate.authority import ActorStanding
from sensor.correlate.decision import distinct_processes
from sensor.correlate.engine_reach import is_elsewhere
from sensor.correlate.kind import ENGINE_BOOT_WINDOW, may_start_at_boot
from sensor.correlate.naming import socket_serves
from sensor.correlate.question import ASYNC_WINDOW, Attribution
from sensor.model.events import Evidence
from sensor.model.vocabulary import Confidence, Engine, EvidenceKind, StartKind, Trigger, Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.candidates import Candidate
    from sensor.correlate.engine_requests import Asked
    from sensor.correlate.question import Knowledge, Question


def by_policy(question: Question, known: Knowledge) -> Attribution | None:
    """The engine's record marks the container as restarting."""
    del known
    record = question.description.record if question.description is not None else None
    if record is None or not record.restarting:
        return None
    witness = Evidence(
        Witness(question.engine or Engine.DOCKER)
        if question.engine in (Engine.DOCKER, Engine.PODMAN)
        else Witness.PROCFS,
        EvidenceKind.ENGINE_RECORD,
        "engine state on disk: restarting by policy",
        question.time,
    )
    return Attribution(Trigger.RESTART_POLICY, Confidence.EXACT, evidence=(witness,))


def by_orchestrator(question: Question, known: Knowledge) -> Attribution | None:
    """The engine's record names what the container is a part of."""
    if question.description is None:
        return None
    place = orchestrators.place_of(question.description)
    if place is None:
        return None
    evidence = Evidence(place.witness, place.kind, place.what, question.time)
    candidates = list(_askers(place, question, known))
    distinct = distinct_processes(candidates)
    one = distinct[0] if len(distinct) == 1 else None
    return Attribution(
        Trigger.ORCHESTRATOR,
        Confidence.EXACT,
        initiator=one.initiator if one is not None else None,
        confidence=Confidence.INFERRED if one is not None else Confidence.NONE,
        evidence=(evidence, *(one.evidence if one is not None else ())),
    )


def _askers(
    place: orchestrators.Placement, question: Question, known: Knowledge
) -> Iterator[Candidate]:
    """Who may have asked the orchestrator: a kubelet, or a client that spoke of the service."""
    if place.kubernetes:
        address = _address_of_shim(question, known)
        for connect in known.past.open_connects(question.time):
            caller = connect.caller
            origin = known.past.origin_of(caller)
            if not known.kubelets.orchestrates(caller, origin, question.owner):
                continue
            serves = socket_serves(connect.socket, question.engine, connect.engine)
            if serves and _is_at(connect.socket, address):
                yield from known.candidates.of_connect(connect)
    else:
        yield from _askers_of_services(place, question, known)


def _askers_of_services(
    place: orchestrators.Placement, question: Question, known: Knowledge
) -> Iterator[Candidate]:
    """Clients whose command names the service, and programs whose request was about one."""
    for client in known.past.clients.asked_of_services(question.time - ASYNC_WINDOW, question.time):
        command = client.command
        if command is None:
            continue
        if known.past.standing(client, question.home) is ActorStanding.STRANGER:
            continue
        named = {one for one in (place.service, place.stack) if one is not None}
        if named & {command.name, *command.targets}:
            yield known.candidates.of_client(client)
    for asked in known.past.indirect.asked(question.time - ASYNC_WINDOW, question.time):
        if _is_about(asked, place, question, known):
            yield from known.candidates.of_request(asked)


def _is_about(
    asked: Asked, place: orchestrators.Placement, question: Question, known: Knowledge
) -> bool:
    """Whether a request to make or change a service may have asked for one of its tasks."""
    if not (asked.call.method or "").startswith("POST /services/"):
        return False
    if is_elsewhere(asked, question.home):
        return False
    if asked.call.targets:
        return any(
            one == place.service or (one and place.owner.startswith(one))
            for one in asked.call.targets
        )
    if asked.made is not None:
        return asked.made == place.owner
    client = known.past.clients.of(asked.caller.pid, asked.caller.start_time, asked.time)
    named = client.command.name if client is not None and client.command is not None else None
    # Of a program's request the name is in the body, which is not read.
    return question.kind is StartKind.FIRST and named in (None, place.service)


def _address_of_shim(question: Question, known: Knowledge) -> str | None:
    """Return the engine's socket by the shim of a container, which is its sandbox's in a pod.

    None for another engine's: below Docker the shim answers to containerd, and a kubelet asks
    cri-dockerd.
    """
    if question.engine is not Engine.CONTAINERD:
        return None
    sandbox = question.description.sandbox_id if question.description is not None else None
    for id_ in (question.id, sandbox):
        if id_ is None:
            continue
        supervisor = known.runtimes.supervisor_of(id_, question.owner)
        if supervisor is not None:
            return supervision.engine_address(supervisor)
    return None


def _is_at(socket: str, address: str | None) -> bool:
    """Whether an engine's socket is the one that the container's shim answers to, if known."""
    return address is None or address.removeprefix("/var") == socket.removeprefix("/var")


def by_engine_boot(question: Question, known: Knowledge) -> Attribution | None:
    """The engine began, and starts again what ran before."""
    del known
    boot = question.engine_boot
    if boot is None or question.kind is StartKind.FIRST:
        return None
    if not may_start_at_boot(question.description):
        return None
    if not boot <= question.time <= boot + ENGINE_BOOT_WINDOW:
        return None
    return Attribution(Trigger.ENGINE_BOOT, Confidence.INFERRED)
