"""The cause by elimination: which client or caller remains that may have asked for a start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.authority import ActorStanding
from sensor.correlate.client_command import TARGETS_MAX, ClientRequest, Helper
from sensor.correlate.decision import decided, distinct_processes, incomplete
from sensor.correlate.engine_reach import is_elsewhere
from sensor.correlate.image_name import is_same_image
from sensor.correlate.naming import COMPOSE_PROJECT, reaches, socket_serves
from sensor.correlate.question import CONNECT_WINDOW, reached
from sensor.model.vocabulary import Confidence, StartKind

NO_CONTAINERS = frozenset({"POST /session", "POST /grpc"})
"""BuildKit's clients keep these open. The steps of its builds are not reported as starts."""

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.candidates import Candidate
    from sensor.correlate.clients import Client
    from sensor.correlate.question import Attribution, Knowledge, Question


def by_elimination(question: Question, known: Knowledge) -> Attribution | None:
    """Who remains: clients that fit, callers that connected."""
    clients = list(_fitting_clients(question, known))
    others = [] if clients else list(_other_clients(question, known))
    callers = [*_working_callers(question, known), *_fitting_callers(question, known)]
    found = distinct_processes([*clients, *others, *callers])
    if question.causes_lost:
        return incomplete(question, found)
    if not found:
        return None
    # These may be about the project, too: beside them no other remains alone.
    found = distinct_processes([*_composing(question, known), *found])
    return decided(question, known, found, Confidence.INFERRED)


def _fitting_clients(question: Question, known: Knowledge) -> Iterator[Candidate]:
    """Clients that may have caused it, although nothing but their waiting ties them to it."""
    for client in known.past.clients.waiting(0, question.time):
        command = client.command
        if command is None or not reaches(client.exec.program, question.engine):
            continue
        if client.exec.time < question.since:
            fits = _is_queued(client, question)
        elif command.request is ClientRequest.RUN and not command.compose:
            fits = _makes(client, question)
        elif command.compose:
            fits = question.names.may_be_in_project(command, client.exec.cwd)
        else:
            fits = _is_cut(client)
        if fits and reached(client, question, known) is not ActorStanding.STRANGER:
            yield known.candidates.of_client(client)


def _is_queued(client: Client, question: Question) -> bool:
    """Whether a start was asked for before the last run ended, and waits still.

    An engine does one thing to a container after the other: two who ask at once for the start
    of a container that ends at once get a run each.
    """
    command = client.command
    asked = command is not None and command.request is ClientRequest.START
    return asked and not client.certain and question.names.named_by(client.command, client.exec)


def _makes(client: Client, question: Question) -> bool:
    """Whether a command that makes one container, from such an image, may have made this."""
    command = client.command
    if command is None or client.made not in (None, question.id):
        return False
    nameless = command.name is None or question.names.name is None
    first = question.kind is StartKind.FIRST
    image = question.description.image if question.description is not None else None
    return first and nameless and is_same_image(command.image, image)


def _is_cut(client: Client) -> bool:
    """Whether a command that starts containers may name more of them than were read."""
    command = client.command
    if command is None or command.request not in (ClientRequest.START, ClientRequest.RESTART):
        return False
    return client.exec.argv_truncated or len(command.targets) >= TARGETS_MAX


def _composing(question: Question, known: Knowledge) -> Iterator[Candidate]:
    """Compose commands that name no other project, while a container of a project starts.

    A link or the environment may make them be about it, and a service may start as what another one
    depends on.
    """
    project = dict(question.names.labels).get(COMPOSE_PROJECT)
    if project is None:
        return
    for client in known.past.clients.waiting(question.since, question.time):
        command = client.command
        if command is None or not command.compose or command.project not in (None, project):
            continue
        if not reaches(client.exec.program, question.engine):
            continue
        if reached(client, question, known) is not ActorStanding.STRANGER:
            yield known.candidates.of_client(client)


def _other_clients(question: Question, known: Knowledge) -> Iterator[Candidate]:
    """Connected clients whose verb may start containers that it does not name: a build."""
    for client in known.past.clients.waiting(question.since, question.time):
        command = client.command
        if command is None or command.request is not ClientRequest.OTHER:
            continue
        if not reaches(client.exec.program, question.engine):
            continue
        if known.past.is_connected(client, question.time):
            # What it asked for need not be among the requests that are reported.
            yield known.candidates.of_client(client)


def _fitting_callers(question: Question, known: Knowledge) -> Iterator[Candidate]:
    """Processes that connected to an engine, except clients with a command of their own."""
    # What restarts a container asks before it stops: its request is older than the end.
    restart = question.kind is StartKind.RESTART
    earliest = question.restart_since if restart else question.since
    since = max(earliest, question.time - CONNECT_WINDOW)
    for connect in known.past.connects(since, question.time):
        caller = connect.caller
        if not socket_serves(connect.socket, question.engine, connect.engine):
            continue
        if is_elsewhere(connect, question.home):
            continue
        client = known.past.clients.of(caller.pid, caller.start_time, connect.time)
        if client is not None and client.helper is not Helper.RELAY:
            continue
        if caller.ancestors and known.past.clients.at(caller.ancestors[0]) is not None:
            # A plugin of a client, which is a candidate by its own command.
            continue
        origin = known.past.origin_of(caller)
        if known.hands_on(caller, origin, connect.socket, question):
            continue
        yield from known.of_pod(known.candidates.of_connect(connect), caller, origin, question)


def _working_callers(question: Question, known: Knowledge) -> Iterator[Candidate]:
    """Processes whose request to start containers, unnamed ones, the engine worked on."""
    for asked in known.past.indirect.at_work(question.time):
        if not known.past.reaches(asked, question.home) or asked.call.method in NO_CONTAINERS:
            continue
        if not known.hands_on(asked.caller, asked.origin, asked.socket, question):
            yield from known.candidates.of_request(asked)
