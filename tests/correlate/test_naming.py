"""A name in a command or a request decides only where it means one container, at that time."""

from __future__ import annotations

from dataclasses import replace

from sensor.model.inventory import ContainerDescribed
from sensor.model.observations import Observation
from sensor.model.vocabulary import ContainerId, Trigger
from tests.correlate.cases import ANN, BOB, BY_PERSON, EXACT, NONE, cause, starts
from tests.correlate.observations import SHIM, asks, below, caller, requests, wall
from tests.correlate.scenario import DB, WEB, Box, Core, numbered


def test_a_beginning_that_fits_several_containers_names_none(core: Core) -> None:
    """sec-sixteen-digits-name-every-container."""
    core >> starts(DB, 0) >> asks(5000, f"docker start {'4f2d' * 3}", ANN)
    core >> starts(WEB, 5010)
    assert cause(core.starts[-1]) == (BY_PERSON, EXACT, ANN), "it fits no other"
    alike = replace(numbered(7), id=ContainerId("9a7b" * 15 + "ffff"))
    core >> asks(9000, f"docker start {'9a7b' * 3}", BOB) >> starts(alike, 9010)
    assert cause(core.starts[-1]) == (Trigger.UNKNOWN, NONE, None), "it fits two"


def test_a_request_means_the_container_that_existed_then(core: Core) -> None:
    """name-used-again."""
    old, new = replace(WEB, name="job"), replace(DB, name="job")
    core >> requests(0, caller(ANN, comm="docker"), "POST /containers/job/start")
    core >> made(old, 10, created=-50)
    core >> old.exits(900)
    core >> asks(60_000, "docker run -d --name job bb sleep 60", BOB)
    core >> made(new, 60_100, created=60_050)
    first, second = core.starts
    assert cause(first)[2] == ANN
    assert cause(second) == (BY_PERSON, EXACT, BOB)


def made(box: Box, at: float, created: float) -> list[Observation]:
    """A container starts whose engine made it at that time."""
    create, seen, execs = starts(box, at)
    assert isinstance(seen, ContainerDescribed)
    description = replace(seen.description, created_wall=wall(created))
    return [create, replace(seen, description=description), execs]


def test_a_command_that_makes_a_container_made_none_that_was_there_before(core: Core) -> None:
    """The same kind: the old container's ``docker run`` waits still, in the foreground."""
    old, new = replace(WEB, name="job"), replace(DB, name="job")
    core >> asks(0, "docker run --name job bb sleep 60", ANN) >> made(old, 100, created=50)
    core >> asks(5000, "docker run --name job bb sleep 60", BOB) >> made(new, 5100, created=5050)
    assert [cause(event)[2] for event in core.starts] == [ANN, BOB]


def test_bundled_options_hide_neither_name_nor_image(core: Core) -> None:
    """bundled-short-options: the container was gone before it could be described."""
    line = "docker run --rm --network none -itde TOKEN=hunter2 --name r5b bb true"
    core >> asks(0, line, ANN) >> below(WEB.create(10), SHIM) >> WEB.execs(15) >> WEB.exits(16)
    core.wait(until=5000)
    container = core.start.container
    assert container is not None
    assert container.image is not None
    assert (container.name, container.image.name) == ("r5b", "bb")
