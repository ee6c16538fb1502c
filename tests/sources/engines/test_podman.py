"""Podman's service, which serves Docker's API, as a real process."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from lab.engines import Lab, unique
from lab.image import IMAGE
from sensor.model.vocabulary import Witness
from sensor.model.witness_records import EngineRecalled
from sensor.sources.engines.recall import recall
from tests.sources.engines.following import following, sockets_below
from tests.sources.engines.podman_service import PodmanService

pytestmark = pytest.mark.e2e


def test_life_of_a_container_is_reported(lab: Lab, podman: PodmanService) -> None:
    with following(sockets_below(lab.directory / "podman")) as heard:
        heard.await_source("podman", available=True)
        container = podman.podman.run("--name=web", IMAGE)
        for words in (("pause",), ("unpause",), ("restart", "--time=0"), ("rm", "-ft0")):
            podman.podman.cli(*words, container)
        events = heard.await_actions(
            container,
            *("create", "start", "pause", "unpause", "restart", "die", "start", "die", "destroy"),
        )
        assert {(event.name, event.image) for event in events} == {("web", IMAGE)}
        assert [event.exit_code for event in events if event.action == "die"] == [137, 137]
        assert heard.counts().missed == 0


def test_a_restarted_service_is_heard_again(lab: Lab, podman: PodmanService) -> None:
    with following(sockets_below(lab.directory / "podman")) as heard:
        heard.await_source("podman", available=True)
        container = podman.podman.run(IMAGE)
        heard.await_actions(container, "create", "start")
        podman.daemon.stop(signal.SIGKILL)
        heard.await_source("podman", available=False)
        podman.address.unlink(missing_ok=True)
        podman.start()
        heard.await_source("podman", available=True, timeout=30)
        heard.await_actions(container, "create", "start", "running")


def test_its_past_names_a_container_that_is_gone(podman: PodmanService) -> None:
    before = time.time_ns()
    name = unique("gone")
    podman.podman.cli("run", "--rm", "--name", name, IMAGE, "true")

    async def ask() -> tuple[EngineRecalled, ...]:
        async with asyncio.timeout(10):
            return await recall(
                str(podman.address), Witness.PODMAN, 7, before, time.time_ns() + 10**9
            )

    (reported,) = [one for one in asyncio.run(ask()) if one.name == name]
    assert (reported.witness, reported.image, reported.time) == (Witness.PODMAN, IMAGE, 7)
    assert reported.engine_wall is not None
    assert reported.engine_wall >= before - 10**9
