"""Causes that tie a process to this container and no other: requests, descent, command lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate.authority import ActorStanding, RequestFate, standing
from sensor.correlate.client_command import ClientRequest, Helper
from sensor.correlate.decision import decided
from sensor.correlate.engine_api.calls import Action
from sensor.correlate.naming import ONE_CONTAINER, STARTING
from sensor.correlate.programs import role_by_names
from sensor.correlate.question import (
    CREATED_EARLY,
    Attribution,
    latest_request,
    reached,
)
from sensor.correlate.relay_hops import ASKED_WITHIN
from sensor.model.events import Evidence
from sensor.model.vocabulary import Confidence, EvidenceKind, Role, Trigger, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.candidates import Candidate
    from sensor.correlate.clients import Client
    from sensor.correlate.containers import Creation
    from sensor.correlate.engine_requests import Asked
    from sensor.correlate.question import Knowledge, Question
    from sensor.model.process import Ancestor


def by_request(question: Question, known: Knowledge) -> Attribution | None:
    """Requests that name the container and that the engine worked on at its creation."""
    return _requested(question, known, lambda action: action is not Action.UNKNOWN)


def by_unread_request(question: Question, known: Knowledge) -> Attribution | None:
    """Requests that name the container, whose method could not be read: they may only ask for it.

    So it is on a connection that was there before the probes, until its methods are spelled out.
    """
    return _requested(question, known, lambda action: action is Action.UNKNOWN)


def _requested(
    question: Question, known: Knowledge, wanted: Callable[[Action], bool]
) -> Attribution | None:
    found: list[Candidate] = []
    certainty = Confidence.EXACT
    until = latest_request(question)
    for asked in known.past.requests(question.names, question.home, question.restart_since, until):
        if not wanted(asked.call.action) or not _counts(asked, question, known):
            continue
        candidates = known.candidates.of_request(asked)
        found += known.of_pod(candidates, asked.caller, asked.origin, question)
        if asked.call.action is Action.UNKNOWN or any(one.relay for one in candidates):
            certainty = Confidence.INFERRED
    named = [one for one in found if one.client is not None and _names_it(one.client, question)]
    if named and all(_passed_on(one) or one.relay for one in found):
        # A relay passes on what several ask: the one whose command names it is the one. Words alone
        # make it certain only if nothing else that is connected may have asked.
        rivals = [one for one in found if one not in named and not _asks_nothing(one)]
        certainty = Confidence.INFERRED if rivals else Confidence.EXACT
        if not any(_began_since(one, question.time - ASKED_WITHIN) for one in rivals):
            found = [replace(one, relay=False) for one in named]
    return decided(question, known, found, certainty) if found else None


def _asks_nothing(candidate: Candidate) -> bool:
    """Whether it is a client whose command starts nothing: ``docker ps``."""
    return candidate.client is not None and candidate.client.command is None


def _began_since(candidate: Candidate, time: int) -> bool:
    """Whether a process may have begun to ask just this, unlike a panel that is always there."""
    began = candidate.key[1]
    return began is None or began >= time


def _passed_on(candidate: Candidate) -> bool:
    return any(one.kind is EvidenceKind.RELAY for one in candidate.evidence)


def _counts(asked: Asked, question: Question, known: Knowledge) -> bool:
    """Whether a request that names the container can have caused its start."""
    action = asked.call.action
    if not action.may_start or action is Action.INDIRECT:
        return False
    if asked.time < question.since and action is not Action.RESTART:
        return False
    if asked.time < question.created - CREATED_EARLY and action is not Action.RUN:
        return False
    if asked.answer(latest_request(question)) in (RequestFate.REFUSED, RequestFate.DONE):
        return False
    return not known.hands_on(asked.caller, asked.origin, asked.socket, question)


def by_descent(question: Question, known: Knowledge) -> Attribution | None:
    """A client above the runtime, or a runtime that no engine is above."""
    if question.creation is None:
        return None
    return _by_starter(question, known) or _by_creator(question.creation, question, known)


def _by_creator(creation: Creation, question: Question, known: Knowledge) -> Attribution | None:
    """Find the client above the creating command or the monitor, or the runtime itself."""
    supervisor = known.runtimes.supervisor_of(question.id, question.owner)
    chain = [creation.process.ancestors]
    if supervisor is not None and supervisor.role is Role.MONITOR:
        chain.append(supervisor.process.ancestors)
    managed = supervisor is not None
    for ancestors in chain:
        for ancestor in ancestors:
            role = _role(ancestor, known)
            if role is Role.CLIENT:
                client = known.past.clients.at(ancestor)
                if client is not None and client.helper is Helper.CLEANUP:
                    return _by_cleanup(client, ancestors, question, known)
                if client is not None and client.helper is None:
                    candidate = known.candidates.of_client(client)
                    return decided(question, known, [candidate], Confidence.EXACT)
            managed = managed or role in (Role.SHIM, Role.MONITOR, Role.ENGINE, Role.CLIENT)
    if managed:
        return None
    candidate = known.candidates.of_runtime(creation)
    return decided(question, known, [candidate], Confidence.EXACT)


def _by_starter(question: Question, known: Knowledge) -> Attribution | None:
    """Find the client above the runtime's ``start``, which may be another than the creator."""
    starter = question.starter
    if starter is None:
        return None
    managed = known.runtimes.supervisor_of(question.id, question.owner) is not None
    for ancestor in starter.process.ancestors:
        role = _role(ancestor, known)
        client = known.past.clients.at(ancestor) if role is Role.CLIENT else None
        if client is not None and client.helper is None:
            return decided(question, known, [known.candidates.of_client(client)], Confidence.EXACT)
        managed = managed or role in (Role.SHIM, Role.MONITOR, Role.ENGINE, Role.CLIENT)
    if managed:
        return None
    return decided(question, known, [known.candidates.of_runtime(starter)], Confidence.EXACT)


def _role(ancestor: Ancestor, known: Knowledge) -> Role | None:
    """Return the role of a process above a runtime.

    It is what the process is called, unless it was seen to be executed as something else.
    """
    role = role_by_names(known.role_of, ancestor.exe, ancestor.comm)
    if role in (Role.SHIM, Role.MONITOR) and known.runtimes.supervises_nothing(ancestor):
        return None
    return role


def _by_cleanup(
    client: Client, ancestors: tuple[Ancestor, ...], question: Question, known: Knowledge
) -> Attribution | None:
    """Conmon runs ``podman container cleanup``, which restarts the container by its policy."""
    if standing(client.origin, question.owner) is ActorStanding.STRANGER:
        return None
    above = [*ancestors, *client.exec.process.ancestors]
    if all(_role(one, known) is not Role.MONITOR for one in above):
        # Typed by a person, it does the same at that person's request.
        return decided(question, known, [known.candidates.of_client(client)], Confidence.EXACT)
    what = "podman container cleanup below the container's monitor"
    return Attribution(
        Trigger.RESTART_POLICY,
        Confidence.EXACT,
        evidence=(Evidence(Witness.KERNEL, EvidenceKind.CLIENT_COMMAND, what, client.exec.time),),
    )


def by_command(question: Question, known: Knowledge) -> Attribution | None:
    """Clients whose command line names the container, and that reached an engine.

    Beside one that an engine let in, a plain user's that may have been refused does not count.
    """
    let_in: list[Client] = []
    unsure: list[Client] = []
    for client in known.past.clients.waiting(question.restart_since, question.time):
        if not _names_it(client, question):
            continue
        reach = reached(client, question, known)
        if reach is ActorStanding.STRANGER:
            continue
        (let_in if reach is ActorStanding.OWNER else unsure).append(client)
    if let_in:
        unsure = [client for client in unsure if client.origin.privileged]
    certainty = Confidence.INFERRED if unsure else Confidence.EXACT
    found = [known.candidates.of_client(client) for client in (*let_in, *unsure)]
    return decided(question, known, found, certainty) if found else None


def _names_it(client: Client, question: Question) -> bool:
    command = client.command
    if command is None or command.request not in STARTING:
        return False
    began = client.exec.time
    if began < question.since and command.request is not ClientRequest.RESTART:
        return False
    if command.request in ONE_CONTAINER:
        # One that has made its container, or began after this one was made, made another.
        taken = client.certain and client.made not in (None, question.id)
        later = bool(question.created) and began > question.created + CREATED_EARLY
        if taken or later:
            return False
    elif began < question.created - CREATED_EARLY and not command.compose:
        return False
    return question.names.named_by(client.command, client.exec)
