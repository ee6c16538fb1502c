"""What a user asks of an engine of the user's own says nothing about root's containers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.authority import HOST_PID_NS, HOST_USER_NS
from sensor.model.api_calls import ApiAnswer, Listener
from sensor.model.container import EngineRecord
from sensor.model.observations import Observation
from sensor.model.vocabulary import EndedBy, EventType, Trigger
from tests.correlate.cases import ANN, MALLORY, NONE, cause, kind, starts
from tests.correlate.observations import (
    DOCKER_SOCKET,
    caller,
    connects,
    ns,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import WEB, Core

ROOTS = Listener(0, HOST_USER_NS, HOST_PID_NS, privileged=True)
OWN = Listener(1001, HOST_USER_NS, HOST_PID_NS, privileged=False)


def asked(at: float, verb: str, listener: Listener, connection: int = 9) -> list[Observation]:
    """A request whose socket is spelled as that of root's engine."""
    who = caller(MALLORY if listener is OWN else ANN)
    request = requests(at + 1, who, f"POST /containers/{WEB.id}/{verb}")
    return [
        replace(connects(at, who), connection=connection, listener=listener),
        replace(
            request,
            payload=request.payload + b"\r\n",
            connection=connection,
            offset=0,
            listener=listener,
        ),
    ]


def commanded(at: float, verb: str) -> list[Observation]:
    exec_ = typed(at, f"docker {verb} web", MALLORY, uid=1001)
    return [exec_, replace(talks(exec_), listener=OWN)]


def refused(at: float, message: str, connection: int) -> ApiAnswer:
    body = f'{{"message":"{message}"}}'
    head = f"HTTP/1.1 500 No\r\nContent-Length: {len(body)}\r\n\r\n"
    return ApiAnswer(
        ns(at), f"r:{at:g}", connection, DOCKER_SOCKET, (head + body).encode(), offset=0
    )


@pytest.mark.parametrize("verb", ["start", "restart"])
@pytest.mark.parametrize("how", ["request", "command", "connect"])
def test_it_is_no_cause_of_a_start(core: Core, verb: str, how: str) -> None:
    """sec-forged-client-is-exact."""
    story = {"request": asked(1, verb, OWN), "command": commanded(1, verb)}
    core >> story.get(how, asked(1, verb, OWN)[:1]) >> starts(WEB, 10)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)


@pytest.mark.parametrize("how", ["request", "command"])
@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_it_decides_neither_the_kind_of_a_start_nor_who_ended_the_run_before(
    core: Core, verb: str, how: str
) -> None:
    """sec-reactivation-disguised: the engine starts it again by its policy."""
    record = EngineRecord(has_run=True, restart_policy="always", restarting=True)
    core >> starts(WEB, 0)
    core >> (asked(500, verb, OWN) if how == "request" else commanded(500, verb))
    core >> WEB.exits(1000, 3) >> starts(WEB.again(), 1500, record=record)
    event = core.starts[-1]
    assert kind(event) == "restart"
    assert cause(event) == (Trigger.RESTART_POLICY, NONE, None)
    assert event.start is not None
    assert event.start.previous is not None
    assert event.start.previous.ended_by is EndedBy.ITSELF


def fails(at: float) -> list[Observation]:
    return [WEB.create(at), WEB.exits(at + 5, 1, started=False), WEB.created(at + 6, 1 << 8)]


@pytest.mark.parametrize("late", [True, False], ids=["answered-late", "answered-before"])
def test_the_engines_own_words_explain_a_failure_whenever_they_come(
    core: Core, *, late: bool
) -> None:
    """The probes' rings are read one after the other: the answer may be seen first."""
    core >> asked(0, "start", OWN, 8) >> refused(3, "the disk is on fire", 8)
    core >> asked(5, "start", ROOTS, 9)
    core >> fails(10)[:1]
    answer = refused(17 if late else 12, "no such file", 9)
    core >> ([*fails(10)[1:], answer] if late else [answer, *fails(10)[1:]])
    core.wait(until=3000)
    (failure,) = core.of(EventType.START_FAILED)
    assert failure.stop is not None
    assert failure.stop.message == "no such file"


def test_the_words_of_a_users_own_engine_explain_no_failure(core: Core) -> None:
    """sec-refused-request-is-exact: an engine's owner chooses its message."""
    core >> asked(0, "start", ROOTS, 9) >> asked(1, "start", OWN, 8)
    core >> fails(10) >> refused(20, "the disk is on fire", 8)
    core.wait(until=3000)
    (failure,) = core.of(EventType.START_FAILED)
    assert failure.stop is not None
    assert failure.stop.message is None
