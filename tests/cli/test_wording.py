"""A start reads as a person would say it: the command, then who, then how long it was down."""

from __future__ import annotations

import pytest

from sensor.cli.wording import PHRASES, cause, counted, moment, span, start_phrase
from sensor.model.events import Initiator, InitiatorProcess, InitiatorUser, Start
from sensor.model.vocabulary import StartCause, StartKind, Trigger

ALICE = InitiatorUser(uid=0, name="root", auid=1000, auid_name="alice", session=3)
ROOT = InitiatorUser(uid=0, name="root", auid=None, auid_name=None, session=None)
SERVICE = InitiatorUser(uid=1001, name=None, auid=None, auid_name=None, session=None)


def by(user: InitiatorUser | None, *argv: str, exe: str | None = None) -> Initiator:
    process = InitiatorProcess(7, 1, exe, argv or None, None, None) if argv or exe else None
    return Initiator(process, user, None, None, ())


@pytest.mark.parametrize(
    ("start", "initiator", "words"),
    [
        pytest.param(
            Start(StartKind.REACTIVATION, Trigger.USER_COMMAND, dormant_seconds=0.622),
            by(ALICE, "docker", "start", "web"),
            "docker start web by alice as root, down for 622 ms",
            id="a command of another account",
        ),
        pytest.param(
            Start(StartKind.RESTART, Trigger.USER_COMMAND, dormant_seconds=0.0),
            by(ROOT, "/usr/bin/docker", "restart", "web"),
            "docker restart web by root, down for 0 ms",
            id="a restart without a pause",
        ),
        pytest.param(
            Start(StartKind.FIRST, Trigger.API_CLIENT),
            by(SERVICE, exe="/usr/bin/python3"),
            "API client: python3 by uid 1001",
            id="an account without a name",
        ),
        pytest.param(
            Start(StartKind.RESTART, Trigger.RESTART_POLICY, attempt=3, dormant_seconds=90.0),
            None,
            "restart policy, down for 2 min, attempt 3",
            id="no process",
        ),
        pytest.param(
            Start(StartKind.FIRST, Trigger.ORCHESTRATOR),
            by(None, "/usr/bin/kubelet", "--a-hundred", "--options"),
            "orchestrator: kubelet",
            id="the program of kubelet alone",
        ),
        pytest.param(
            Start(
                StartKind.RESTART,
                Trigger.ORCHESTRATOR,
                attempt=2,
                dormant_seconds=0.6,
                cause=StartCause.KILLED_BY_ORCHESTRATOR,
            ),
            by(ROOT, "/usr/bin/kubelet"),
            "orchestrator: kubelet, after a stop by kubelet, down for 600 ms, attempt 2",
            id="what made it necessary",
        ),
        pytest.param(
            Start(StartKind.RESTART, Trigger.RESTART_POLICY, cause=StartCause.UNKNOWN),
            None,
            "restart policy",
            id="nothing is known of why",
        ),
        pytest.param(Start(StartKind.FIRST, Trigger.UNKNOWN), None, "unknown", id="unknown"),
    ],
)
def test_a_cause_begins_with_what_was_done(
    start: Start, initiator: Initiator | None, words: str
) -> None:
    assert cause(start, initiator) == words


def test_every_trigger_has_its_phrase() -> None:
    assert PHRASES.keys() == set(Trigger)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (Start(StartKind.FIRST, Trigger.USER_COMMAND), "first start by a command"),
        (
            Start(StartKind.RESTART, Trigger.USER_COMMAND, dormant_seconds=0.3),
            "restart by a command, down for 300 ms",
        ),
        (
            Start(StartKind.RESTART, Trigger.RESTART_POLICY),
            "restart by the restart policy",
        ),
        (
            Start(StartKind.RESTART, Trigger.RESTART_POLICY, cause=StartCause.CRASH),
            "restart by the restart policy, after a crash",
        ),
        (
            Start(StartKind.RESTART, Trigger.ENGINE_BOOT, cause=StartCause.ENGINE_BOOT),
            "restart by the start of the engine",
        ),
    ],
)
def test_a_start_reads_as_a_sentence(start: Start, words: str) -> None:
    assert start_phrase(start) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 ms"), (0.9994, "999 ms"), (2.5, "2.5 s"), (61, "1 min"), (7200, "2 h"), (9e5, "10 d")],
)
def test_a_length_of_time_has_one_unit(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("room", "words"),
    [
        (None, "docker run --cidfile /tmp/x --name web nginx by alice as root, attempt 2"),
        (80, "docker run --cidfile /tmp/x --name web nginx by alice as root, attempt 2"),
        (62, "docker run --cidfile /tmp/x --name web nginx by alice as root, attempt 2"),
        (60, "docker run --cidfile /tmp/x --name web ngi… by alice as root"),
        (40, "docker run --cidfile /… by alice as root"),
        (28, "docker run --cidfi… by alice"),
        (20, "docker run --cidfile /tmp/x --name web nginx by alice as root, attempt 2"),
    ],
)
def test_arguments_make_room_for_who_but_the_first_words_stay(room: int | None, words: str) -> None:
    """What is still too long is cut at its end by the table."""
    command = by(ALICE, *["docker", "run", "--cidfile", "/tmp/x", "--name", "web", "nginx"])
    assert cause(Start(StartKind.FIRST, Trigger.USER_COMMAND, attempt=2), command, room) == words


def test_a_number_has_its_noun() -> None:
    assert [counted(number, "retry") for number in (0, 1, 2)] == [
        "0 retries",
        "1 retry",
        "2 retries",
    ]
    assert counted(1, "event") == "1 event"
    assert counted(7, "event") == "7 events"


def test_a_moment_is_shown_to_the_second() -> None:
    assert moment("2023-11-14T22:13:20.000000001Z") == "2023-11-14 22:13:20 UTC"
    assert moment("10:00") == "10:00"
