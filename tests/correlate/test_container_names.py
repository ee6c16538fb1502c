"""What a container can be called, and what the tries to start one share."""

from __future__ import annotations

from sensor.correlate.container_names import failure_key, names_of
from sensor.correlate.containers import ContainerState, container_key
from sensor.correlate.naming import FormerName
from sensor.model.container import Description, Orchestrator
from sensor.model.vocabulary import ContainerId, Engine

ID = ContainerId("ab" * 32)
POD = Orchestrator("kubernetes", pod="shop", pod_uid="u-1", container="web")


def state(description: Description | None) -> ContainerState:
    return ContainerState(
        container_key(ID, None), description=description, former_names=(FormerName("old", 7),)
    )


def test_a_container_that_is_not_described_has_its_id_and_its_former_names() -> None:
    names = names_of(state(None))
    assert (names.id, names.name, names.all()) == (ID, None, {"old"})


def test_a_description_adds_name_labels_and_engine() -> None:
    found = Description(ID, engine=Engine.DOCKER, name="web", labels=(("a", "b"),))
    names = names_of(state(found))
    assert (names.name, names.labels, names.engine) == ("web", (("a", "b"),), Engine.DOCKER)


def test_only_a_sandbox_stands_for_its_pod() -> None:
    sandbox = names_of(state(Description(ID, orchestrator=POD, sandbox=True)))
    inside = names_of(state(Description(ID, orchestrator=POD)))
    assert (sandbox.sandbox_of, inside.sandbox_of) == ("u-1", None)


def test_tries_in_a_pod_share_its_uid_and_the_containers_name() -> None:
    assert failure_key(state(Description(ID, orchestrator=POD))) == ("u-1", "web", None)
    assert failure_key(state(None))[0] == ID
