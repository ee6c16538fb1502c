"""A renamed container answers to each of its names, each in its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.witness_records import EngineEvent
from tests.correlate.cases import (
    ANN,
    BY_PERSON,
    EXACT,
    MALLORY,
    POD,
    by_conmon,
    cause,
    kind,
    starts,
)
from tests.correlate.observations import asks, ended, typed
from tests.correlate.scenario import WEB, Box, Core, reported


def renamed(at: float, box: Box, name: str) -> EngineEvent:
    return replace(reported(at, box, "rename"), name=name)


def test_a_renamed_container_answers_to_each_name_in_its_time(core: Core) -> None:
    """docker-rename."""
    core >> starts(replace(WEB, name="tmp"), 0) >> renamed(1000, WEB, "web") >> WEB.exits(2000)
    stop = core.events[-1]
    assert stop.container is not None
    assert stop.container.name == "web"
    again = replace(WEB.again(), name="web")
    core >> asks(5000, "docker start tmp", MALLORY) >> asks(5001, "docker start web", ANN)
    core >> starts(again, 5010)
    assert cause(core.starts[-1]) == (BY_PERSON, EXACT, ANN)


@pytest.mark.parametrize(
    ("line", "status", "uid", "name"),
    [
        ("podman rename tmp web", 0, 0, "web"),
        ("podman --log-level error container rename tmp web", 0, 0, "web"),
        ("podman rename tmp web", 1, 0, "tmp"),
        ("podman rename other web", 0, 0, "tmp"),
        ("podman rename tmp web", 0, 1001, "tmp"),
        ("docker rename tmp web", 0, 0, "tmp"),
    ],
)
def test_podman_renames_without_a_stream(
    core: Core, line: str, status: int, uid: int, name: str
) -> None:
    """docker-rename, the same kind: the command is the engine."""
    box = replace(POD, name="tmp")
    command = typed(500, line, MALLORY, uid=uid)
    core >> by_conmon(box, 10) >> command >> ended(600, command, status) >> box.exits(1000)
    stop = core.events[-1]
    assert stop.container is not None
    assert stop.container.name == name
    core >> by_conmon(box.again(), 5000)
    again = core.events[-1]
    assert again.container is not None
    assert again.container.name == name, "its bundle has the name before"


def test_a_name_given_before_the_rename_counts_for_what_was_asked_then(core: Core) -> None:
    core >> starts(replace(WEB, name="tmp"), 0) >> asks(500, "docker restart tmp", ANN)
    core >> renamed(600, WEB, "web") >> WEB.exits(700)
    core >> starts(replace(WEB.again(), name="web"), 800)
    assert (kind(core.starts[-1]), cause(core.starts[-1])[2]) == ("restart", ANN)
