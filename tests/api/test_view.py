"""What the socket shows of a container reads back, also from a newer agent."""

from __future__ import annotations

import pytest

from sensor.api.view import ContainerView, document
from tests.api.sample_agent import CONTAINERS


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda one: one.state)
def test_a_container_reads_back(container: ContainerView) -> None:
    assert ContainerView.from_document(document(container)) == container


def test_fields_of_a_newer_agent_are_left_out() -> None:
    newer = {**document(CONTAINERS[0]), "colour": "blue", "parents": ["a"], "command": ["sh"]}
    read = ContainerView.from_document(newer)
    assert (read.id, read.parents, read.command) == (CONTAINERS[0].id, ("a",), ("sh",))


def test_what_is_not_a_container_is_refused() -> None:
    with pytest.raises(ValueError, match="no container"):
        ContainerView.from_document({"name": "web"})


@pytest.mark.parametrize(
    ("state", "alive"),
    [("running", True), ("paused", True), ("created", False), ("stopped", False)],
)
def test_a_paused_container_lives(state: str, alive: bool) -> None:
    assert ContainerView("a", state=state).alive is alive
