"""A title is what a person calls a container by: its name, its image and its engine."""

from __future__ import annotations

from sensor.correlate.title import Title, title_of
from sensor.model.container import Image, Orchestrator
from sensor.model.events import Container
from sensor.model.vocabulary import ContainerId, Engine


def test_a_title_has_what_the_event_had() -> None:
    image = Image(name="nginx:1.25", id="sha256:4f2d")
    container = Container(ContainerId("4f2d"), "web", Engine.DOCKER, "runc", image)
    assert title_of(container) == Title("web", "nginx:1.25", Engine.DOCKER)


def test_a_title_keeps_the_pod_and_whether_it_is_a_sandbox() -> None:
    pod = Orchestrator("kubernetes", "shop", "web-1")
    container = Container(id=ContainerId("4f2d" * 16), sandbox=True)
    title = title_of(container, pod)
    assert title is not None
    assert (title.pod, title.sandbox) == (pod, True)


def test_what_is_unknown_stays_unknown() -> None:
    assert title_of(Container(None)) == Title(None, None, None)
    assert title_of(None) is None
