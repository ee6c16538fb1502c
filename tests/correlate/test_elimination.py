"""Which client or caller remains that may have asked for a start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.kernel_records import InitExec
from sensor.model.observations import Observation
from sensor.model.vocabulary import Confidence, Engine, Trigger
from tests.correlate.causes import (
    AGO,
    ANN,
    BOB,
    BOX,
    BY_API,
    EXACT,
    IN_BOX,
    INFERRED,
    UNKNOWN,
    candidates,
    process,
    runs,
    said,
    starts,
)
from tests.correlate.observations import DOCKER_SOCKET, asks, caller, connects, requests
from tests.correlate.scenario import WEB, Core

# ------------------------------------------------------------------ 6: elimination


def test_the_only_run_without_a_name_is_inferred(core: Core) -> None:
    core >> asks(0, "docker run nginx", ANN, login=1007) >> starts(WEB, 10, image="nginx")
    assert said(core.start) == INFERRED
    assert core.start.initiator is not None
    assert core.start.initiator.user is not None
    assert core.start.initiator.user.auid == 1007


def test_two_runs_without_a_name_of_the_same_image_are_candidates(core: Core) -> None:
    core >> asks(0, "docker run nginx", ANN) >> asks(1, "docker run -it nginx", BOB)
    core >> starts(WEB, 10, image="nginx")
    assert said(core.start) == (Trigger.USER_COMMAND, Confidence.INFERRED, Confidence.AMBIGUOUS)
    assert candidates(core.start) == [ANN, BOB]


def test_a_run_without_a_name_makes_no_second_run(core: Core) -> None:
    core >> runs(WEB, 0, image="nginx") >> asks(3000, "docker run nginx", ANN)
    core >> starts(WEB.again(), 3010, image="nginx")
    assert said(core.starts[-1]) == UNKNOWN


IMAGES = {
    "equal": ("nginx", "nginx", True),
    "tag-left-out": ("nginx", "nginx:latest", True),
    "spelled-out": ("nginx", "docker.io/library/nginx:latest", True),
    "registry-only": ("docker.io/nginx", "nginx", True),
    "of-a-user": ("ann/tool", "docker.io/ann/tool:latest", True),
    "with-a-port": ("localhost:5000/tool", "localhost:5000/tool:latest", True),
    "by-id": ("sha256:abcd", "nginx", True),
    "by-short-id": ("abcdef", "nginx", True),
    "unknown-image": ("nginx", None, True),
    "another": ("redis", "nginx", False),
    "another-tag": ("nginx:1", "nginx:2", False),
    "another-user": ("bob/tool", "docker.io/ann/tool:latest", False),
    "another-registry": ("quay.io/nginx", "nginx", False),
    "another-id": ("sha256:ffff", "nginx", False),
}


@pytest.mark.parametrize(("wanted", "has", "fits"), IMAGES.values(), ids=IMAGES)
def test_an_image_that_differs_excludes(
    core: Core, wanted: str, has: str | None, *, fits: bool
) -> None:
    core >> asks(0, f"docker run {wanted}", ANN)
    core >> starts(WEB, 10, image=has, image_id="sha256:abcdef0123" if has else None)
    assert said(core.start) == (INFERRED if fits else UNKNOWN)


REACH = {
    "docker-to-docker": ("docker", Engine.DOCKER, True),
    "docker-to-podman": ("docker", Engine.PODMAN, True),
    "podman-to-docker": ("podman", Engine.DOCKER, False),
    "podman-to-podman": ("podman", Engine.PODMAN, True),
    "nerdctl-to-docker": ("nerdctl", Engine.DOCKER, False),
    "nerdctl-to-containerd": ("nerdctl", Engine.CONTAINERD, True),
    "docker-to-cri-o": ("docker", Engine.CRIO, False),
}


@pytest.mark.parametrize(("program", "engine", "reaches"), REACH.values(), ids=REACH)
def test_a_program_that_cannot_reach_the_engine_is_excluded(
    core: Core, program: str, engine: Engine, *, reaches: bool
) -> None:
    core >> asks(0, f"{program} run nginx", ANN)
    core >> starts(WEB, 10, engine=engine, image="nginx")
    assert said(core.start) == (INFERRED if reaches else UNKNOWN)


def test_the_only_process_that_connected_is_inferred(core: Core) -> None:
    core >> connects(0, caller(77, login=1005)) >> starts(WEB, 10)
    assert said(core.start) == BY_API
    who = core.start.initiator
    assert who is not None
    assert who.user is not None
    assert (process(who).pid, who.user.auid, who.socket) == (77, 1005, DOCKER_SOCKET)
    assert f"connect {DOCKER_SOCKET}" in [one.what for one in core.start.evidence]


def test_a_process_that_connected_often_is_one(core: Core) -> None:
    for at in range(5):
        core >> connects(at, caller(77))
    core >> starts(WEB, 10)
    assert said(core.start) == BY_API


def hidden(observations: list[Observation]) -> list[Observation]:
    """The same where the rate limit held back commands of the seconds before."""
    return [
        replace(one, causes_lost=True) if isinstance(one, InitExec) else one for one in observations
    ]


def test_who_remains_is_not_the_only_one_where_others_were_held_back(core: Core) -> None:
    core >> connects(0, caller(77)) >> hidden(starts(WEB, 10))
    assert said(core.start) == (Trigger.UNKNOWN, Confidence.NONE, Confidence.AMBIGUOUS)
    assert [process(who).pid for who in core.start.candidates] == [77]
    assert "commands were held back: there may be others" in [
        one.what for one in core.start.evidence
    ]


def test_no_caller_is_named_where_all_may_have_been_held_back(core: Core) -> None:
    core >> hidden(starts(WEB, 10))
    assert said(core.start) == (Trigger.UNKNOWN, Confidence.NONE, Confidence.NONE)
    assert core.start.candidates == ()


def test_a_name_ties_it_whatever_was_held_back(core: Core) -> None:
    core >> asks(0, "docker start web", ANN) >> hidden(starts(WEB, 10))
    assert said(core.start) == EXACT


TOO_EARLY_OR_LATE = {
    "in-the-window": (10_000 - AGO + 1, True),
    "before-the-window": (10_000 - AGO - 1, False),
    "after-the-creation": (10_000.5, False),
}


@pytest.mark.parametrize(("at", "counts"), TOO_EARLY_OR_LATE.values(), ids=TOO_EARLY_OR_LATE)
def test_a_connection_counts_for_a_while(core: Core, at: float, *, counts: bool) -> None:
    create, *rest = starts(WEB, 10_000)
    connect = connects(at, caller(77))
    core >> ([connect, create] if at < 10_000 else [create, connect]) >> rest
    assert said(core.start) == (BY_API if counts else UNKNOWN)


def test_a_connection_before_the_stop_counts_for_a_restart_only(core: Core) -> None:
    at_once, later = WEB.again(), WEB.again().again()
    core >> starts(WEB, 0) >> connects(50, caller(77)) >> WEB.exits(100) >> starts(at_once, 300)
    core >> at_once.exits(400) >> starts(later, 5000)
    assert [said(event) for event in core.starts] == [UNKNOWN, BY_API, UNKNOWN]


def test_a_client_whose_command_starts_nothing_is_not_a_caller(core: Core) -> None:
    core >> asks(0, "docker ps", ANN) >> connects(1, caller(ANN, 0, comm="docker"))
    core >> starts(WEB, 10)
    assert said(core.start) == UNKNOWN


def test_what_happened_inside_a_container_names_it(core: Core) -> None:
    core >> connects(0, caller(77, cgroup=IN_BOX, login=None)) >> starts(WEB, 10)
    assert said(core.start) == (Trigger.CONTAINER, Confidence.INFERRED, Confidence.INFERRED)
    assert core.start.initiator is not None
    assert core.start.initiator.container_id == BOX


INSIDERS: dict[str, list[Observation]] = {
    "command": asks(0, "docker start web", 77, cgroup=IN_BOX, login=None),
    "request": [
        requests(0, caller(77, cgroup=IN_BOX, login=None), "POST /v1.41/containers/web/start")
    ],
}


@pytest.mark.parametrize("asked", INSIDERS.values(), ids=INSIDERS)
def test_a_container_that_names_another_is_its_exact_cause(
    core: Core, asked: list[Observation]
) -> None:
    core >> asked >> starts(WEB, 10)
    assert said(core.start) == (Trigger.CONTAINER, Confidence.EXACT, Confidence.EXACT)
    assert core.start.initiator is not None
    assert core.start.initiator.container_id == BOX
