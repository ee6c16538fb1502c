"""Several processes that remain are candidates; one that several saw is one."""

from __future__ import annotations

from sensor.correlate.decision import CANDIDATES_MAX
from sensor.model.vocabulary import Confidence, Trigger, Witness
from tests.correlate.causes import ANN, BOB, EXACT, candidates, pid, runs, said, starts
from tests.correlate.observations import asks, caller, connects, requests
from tests.correlate.scenario import WEB, Core


def test_two_people_who_name_the_same_container_are_candidates(core: Core) -> None:
    core >> runs(WEB, 0) >> asks(3000, "docker start web", ANN, login=1001)
    core >> asks(3001, f"docker start {WEB.id[:12]}", BOB, login=1002)
    core >> starts(WEB.again(), 3010)
    event = core.starts[-1]
    assert said(event) == (Trigger.USER_COMMAND, Confidence.INFERRED, Confidence.AMBIGUOUS)
    assert candidates(event) == [ANN, BOB]
    assert sorted(one.user.auid or 0 for one in event.candidates if one.user) == [1001, 1002]


def test_candidates_of_different_kinds_leave_the_trigger_open(core: Core) -> None:
    core >> asks(0, "docker run nginx", ANN) >> connects(1, caller(77))
    core >> starts(WEB, 10, image="nginx")
    assert said(core.start) == (Trigger.UNKNOWN, Confidence.AMBIGUOUS, Confidence.AMBIGUOUS)
    assert candidates(core.start) == [ANN, 77]


def test_one_person_who_names_it_twice_is_two_processes_but_a_second_witness_is_not(
    core: Core,
) -> None:
    core >> asks(0, "docker start web", ANN)
    core >> requests(2, caller(ANN, 0, comm="docker"), "POST /containers/web/start")
    core >> starts(WEB, 10)
    assert said(core.start) == EXACT
    assert {"docker command", "API request"} <= {one.what for one in core.start.evidence}


def test_so_many_candidates_are_listed_and_no_more(core: Core) -> None:
    for number in range(3 * CANDIDATES_MAX):
        core >> connects(number / 10, caller(1000 + number))
    core >> starts(WEB, 10)
    event = core.start
    assert said(event) == (Trigger.API_CLIENT, Confidence.INFERRED, Confidence.AMBIGUOUS)
    assert len(event.candidates) == CANDIDATES_MAX
    assert event.initiator is None


def test_a_caller_that_two_witnesses_saw_is_one(core: Core) -> None:
    core >> connects(0, caller(77)) >> connects(0.1, caller(77, None), witness=Witness.AUDIT)
    core >> starts(WEB, 10)
    assert said(core.starts[-1])[2] is Confidence.INFERRED
    assert pid(core.starts[-1]) == 77
