"""What surrounds a start: who asked for the end before it, and since when causes count."""

from __future__ import annotations

from sensor.model.vocabulary import EndedBy, StartKind
from tests.correlate.causes import runs, starts
from tests.correlate.observations import asks, caller, requests
from tests.correlate.scenario import WEB, Core


def previous(core: Core) -> EndedBy | None:
    start = core.starts[-1].start
    assert start is not None
    assert start.previous is not None
    return start.previous.ended_by


def test_a_stop_command_that_reached_the_engine_ended_the_run(core: Core) -> None:
    core >> starts(WEB, 0) >> asks(100, "docker stop web") >> WEB.exits(200)
    core >> starts(WEB.again(), 5000)
    assert previous(core) is EndedBy.REQUEST


def test_a_request_to_stop_ended_the_run(core: Core) -> None:
    core >> starts(WEB, 0) >> requests(100, caller(77), f"POST /containers/{WEB.id}/stop")
    core >> WEB.exits(200) >> starts(WEB.again(), 5000)
    assert previous(core) is EndedBy.REQUEST


def test_a_stop_of_another_container_ended_nothing(core: Core) -> None:
    core >> starts(WEB, 0) >> asks(100, "docker stop db") >> WEB.exits(200)
    core >> starts(WEB.again(), 5000)
    assert previous(core) is not EndedBy.REQUEST


def test_a_start_after_a_run_is_not_a_first_one(core: Core) -> None:
    core >> runs(WEB, 0) >> runs(WEB.again(), 5000)
    kinds = [event.start.kind for event in core.starts if event.start is not None]
    assert kinds[0] is StartKind.FIRST
    assert kinds[1] is not StartKind.FIRST
