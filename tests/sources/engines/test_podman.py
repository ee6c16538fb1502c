"""Podman's service, which serves Docker's API, as a real process."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.engines.image import IMAGE
from tests.e2e.engines.lab import Lab
from tests.sources.engines.following import following, sockets_below
from tests.sources.engines.podman_service import PodmanService

pytestmark = pytest.mark.e2e


def test_life_of_a_container_is_told(lab: Lab, podman: PodmanService) -> None:
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
