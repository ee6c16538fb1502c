"""A title is what a person calls a container by: its name, its image and its engine."""

from __future__ import annotations

from sensor.correlate.title import Title, title_of
from sensor.model.container import Image
from sensor.model.events import Container
from sensor.model.vocabulary import ContainerId, Engine


def test_a_title_has_what_the_event_had() -> None:
    image = Image(name="nginx:1.25", id="sha256:4f2d")
    container = Container(ContainerId("4f2d"), "web", Engine.DOCKER, "runc", image)
    assert title_of(container) == Title("web", "nginx:1.25", Engine.DOCKER)


def test_what_is_unknown_stays_unknown() -> None:
    assert title_of(Container(None)) == Title(None, None, None)
    assert title_of(None) is None
