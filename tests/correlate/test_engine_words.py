"""A container that left nothing behind is known by its engine's word, and that is said."""

from __future__ import annotations

from dataclasses import replace

from sensor.correlate.engine_words import WORDS_MAX, EngineWords
from sensor.model.container import Description
from sensor.model.events import Evidence
from sensor.model.inventory import ContainerDescribed
from sensor.model.vocabulary import Confidence, ContainerId, EvidenceKind, Witness
from sensor.model.witness_records import EngineEvent, EngineRecalled
from tests.correlate.observations import ns
from tests.correlate.scenario import WEB, Core, described

WALL = 1_700_000_000_000_000_000


def recalled(at: float, name: str | None = "web", image: str | None = "shop:1") -> EngineRecalled:
    return EngineRecalled(ns(at), WALL, Witness.DOCKER, "destroy", WEB.id, name, image)


def nothing(at: float) -> ContainerDescribed:
    return ContainerDescribed(ns(at), WEB.id, Description(WEB.id, problems=("bundle:missing",)))


def test_a_removed_container_of_a_backlog_has_the_name_that_its_engine_remembers(
    core: Core,
) -> None:
    core >> recalled(500) >> WEB.create(0) >> WEB.execs(5) >> WEB.exits(6) >> nothing(501)
    event = core.start
    assert event.container is not None
    assert event.container.image is not None
    assert (event.container.name, event.container.image.name) == ("web", "shop:1")
    assert event.confidence.container is Confidence.INFERRED
    word = Evidence(
        Witness.DOCKER, EvidenceKind.ENGINE_EVENT, "docker event: destroy", ns(500), str(WALL)
    )
    assert word in event.evidence


def test_the_engine_s_stream_shows_as_much(core: Core) -> None:
    create = EngineEvent(ns(-1), WALL, Witness.DOCKER, "create", WEB.id, "web", "shop:1")
    core >> create >> WEB.create(0) >> WEB.execs(5) >> nothing(9)
    assert core.start.container is not None
    assert core.start.container.name == "web"
    assert core.start.confidence.container is Confidence.INFERRED


def test_what_lies_on_disk_needs_no_word(core: Core) -> None:
    core >> recalled(1, name="forged") >> WEB.create(0) >> described(2, WEB, image="shop:2")
    core >> WEB.execs(5)
    assert core.start.container is not None
    assert core.start.container.image is not None
    assert (core.start.container.name, core.start.container.image.name) == ("web", "shop:2")
    assert core.start.confidence.container is Confidence.EXACT
    assert {evidence.source for evidence in core.start.evidence} == {Witness.KERNEL}


def test_an_image_beside_a_bundle_makes_nothing_less_sure(core: Core) -> None:
    bundle = Description(WEB.id, command=("nginx",))
    core >> recalled(1, name=None) >> WEB.create(0) >> ContainerDescribed(ns(2), WEB.id, bundle)
    core >> WEB.execs(5)
    assert core.start.container is not None
    assert core.start.container.image is not None
    assert core.start.container.image.name == "shop:1"
    assert core.start.confidence.container is Confidence.EXACT


def test_a_word_about_another_container_is_none(core: Core) -> None:
    core >> recalled(1) >> WEB.create(0) >> WEB.execs(5) >> nothing(6)
    other = EngineWords()
    other.hear(recalled(1))
    assert core.start.confidence.container is Confidence.INFERRED
    fresh = Core() >> WEB.create(0) >> WEB.execs(5) >> nothing(6)
    assert fresh.start.container is not None
    assert fresh.start.container.name is None


def test_words_are_bounded_and_the_latest_stay() -> None:
    words = EngineWords()
    for number in range(WORDS_MAX + 5):
        id_ = ContainerId(f"{number:064x}")
        words.hear(EngineRecalled(0, None, Witness.PODMAN, "create", id_, "x", None))
    assert len(words._words) == WORDS_MAX
    assert ContainerId(f"{4:064x}") not in words._words
    words.hear(EngineRecalled(0, None, Witness.PODMAN, "create", ContainerId("y"), None, None))
    assert ContainerId("y") not in words._words


def test_what_roots_engine_says_is_about_no_plain_users_container_of_that_id(core: Core) -> None:
    create = EngineEvent(ns(-1), WALL, Witness.DOCKER, "create", WEB.id, "web", "shop:1")
    own = replace(WEB, uid=1001, root="/run/user/1001/docker/runc")
    core >> create >> own.create(0) >> own.execs(5) >> nothing(9)
    assert core.start.container is not None
    assert core.start.container.name is None
