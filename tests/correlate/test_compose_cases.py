"""Compose commands and long ones where requests are not read: who may have started a container.

A command that may be about the container is a candidate: an innocent process beside it must not
remain alone.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.client_command import TARGETS_MAX
from sensor.model.events import Event
from sensor.model.observations import Observation
from sensor.model.vocabulary import Confidence, Trigger
from tests.correlate.cases import ANN, BOB, BY_PERSON, EXACT, INFERRED, NONE, cause, pid_of, starts
from tests.correlate.observations import asks, caller, connects, talks, typed
from tests.correlate.scenario import WEB, Core

SHOP = (
    ("com.docker.compose.project", "shop"),
    ("com.docker.compose.service", "web"),
    ("com.docker.compose.project.working_dir", "/srv/shop"),
)
UNKNOWN = (Trigger.UNKNOWN, NONE, None)
RIVALS: dict[str, list[Observation]] = {
    "a docker run": asks(0, "docker run bb", BOB),
    "a caller whose request was not read": [connects(0, caller(BOB))],
}


def candidates(event: Event) -> list[int | None]:
    return sorted(map(pid_of, event.candidates), key=str)


PLACED = [
    "docker compose -f /srv/shop/docker-compose.yml up -d",
    "docker compose --file=/srv/shop/other.yml -f /srv/shop/docker-compose.yml up web",
    "docker compose --project-directory /srv/shop up -d",
    "docker compose -f ../../srv/./shop/compose.yaml restart",
    "docker-compose -f /srv/shop/docker-compose.yml up -d",
    "docker compose --project-directory ../../srv/shop -f /etc/x.yml up -d",
]


@pytest.mark.parametrize("line", PLACED)
@pytest.mark.parametrize("rival", [None, *RIVALS])
def test_a_file_or_directory_of_the_project_names_it(
    core: Core, line: str, rival: str | None
) -> None:
    core >> asks(0, line, ANN) >> RIVALS.get(rival or "", [])
    core >> starts(WEB, 10, labels=SHOP)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)


def test_a_directory_below_that_of_the_project_may_mean_it(core: Core) -> None:
    """Compose looks for its file in the directories above, too."""
    core >> asks(0, "docker compose up -d", ANN, cwd="/srv/shop/web")
    core >> starts(WEB, 10, labels=SHOP)
    assert cause(core.start) == (BY_PERSON, INFERRED, ANN)


OF_ANOTHER_PLACE = [
    "docker compose up -d",
    "docker compose -f /link/c.yml up -d",
    "docker compose -p shop up -d front",
]


@pytest.mark.parametrize("line", OF_ANOTHER_PLACE)
@pytest.mark.parametrize("rival", RIVALS)
def test_beside_a_command_of_another_directory_no_other_is_the_cause(
    core: Core, line: str, rival: str
) -> None:
    """The directory may be a link, the environment may name the file, and ``front`` may need it."""
    core >> asks(0, line, ANN) >> RIVALS[rival] >> starts(WEB, 10, labels=SHOP)
    assert core.start.confidence.initiator is Confidence.AMBIGUOUS
    assert candidates(core.start) == [ANN, BOB]


@pytest.mark.parametrize(
    "line", [*OF_ANOTHER_PLACE, "docker compose -p other up -d", "docker compose -p shop up front"]
)
def test_a_command_of_another_place_or_project_alone_is_not_the_cause(
    core: Core, line: str
) -> None:
    core >> asks(0, line, ANN) >> starts(WEB, 10, labels=SHOP)
    assert cause(core.start) == UNKNOWN


@pytest.mark.parametrize("rival", RIVALS)
def test_beside_a_command_of_another_project_the_other_one_remains(core: Core, rival: str) -> None:
    core >> asks(0, "docker compose -p other up -d", ANN) >> RIVALS[rival]
    core >> starts(WEB, 10, labels=SHOP)
    assert cause(core.start)[1:] == (INFERRED, BOB)


# ----------------------------------------------------------------- more than is read


def many(number: int) -> tuple[str, ...]:
    return ("docker", "start", *(f"{one:064x}" for one in range(1, number + 1)))


def cut() -> list[Observation]:
    exec_ = typed(0, many(60), ANN)
    return [replace(exec_, argv_truncated=True), talks(exec_)]


LONG = {"more names than are read": asks(0, many(TARGETS_MAX + 1), ANN), "a cut line": cut()}


@pytest.mark.parametrize("how", LONG)
def test_a_command_that_may_name_it_further_on_is_inferred(core: Core, how: str) -> None:
    core >> LONG[how] >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, INFERRED, ANN)


@pytest.mark.parametrize("how", LONG)
def test_beside_a_command_that_may_name_it_further_on_no_other_is_the_cause(
    core: Core, how: str
) -> None:
    core >> LONG[how] >> connects(0, caller(BOB)) >> starts(WEB, 10)
    assert core.start.confidence.initiator is Confidence.AMBIGUOUS
    assert candidates(core.start) == [ANN, BOB]


def test_a_command_that_names_others_and_was_read_whole_is_not_the_cause(core: Core) -> None:
    core >> asks(0, many(60), ANN) >> starts(WEB, 10)
    assert cause(core.start) == UNKNOWN
