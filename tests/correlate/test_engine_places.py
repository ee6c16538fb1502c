"""Paths of sockets lead to engines, as connects have shown, and no stranger changes that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.authority import HOST_PID_NS, HOST_USER_NS
from sensor.correlate.engine_places import EnginePlaces
from sensor.model.api_calls import Listener
from sensor.model.vocabulary import Engine
from tests.correlate.observations import DOCKER_SOCKET, caller, connects

USERS = Listener(1001, HOST_USER_NS, HOST_PID_NS, privileged=False)
OF_ROOT = replace(connects(0, caller(70)), engine=Engine.DOCKER)


@pytest.fixture
def places() -> EnginePlaces:
    made = EnginePlaces()
    made.learn(OF_ROOT, None)
    return made


def test_the_latest_connect_says_whose_the_engine_at_a_path_is(places: EnginePlaces) -> None:
    assert places.engine_at(DOCKER_SOCKET) is Engine.DOCKER
    assert not places.is_foreign(DOCKER_SOCKET)
    theirs = replace(OF_ROOT, foreign=True)
    assert places.learn(theirs, "uid 1001")
    assert not places.learn(theirs, "uid 1001"), "known already"
    assert places.is_foreign(DOCKER_SOCKET)
    assert not places.learn(OF_ROOT, None)
    assert not places.is_foreign(DOCKER_SOCKET)


@pytest.mark.parametrize("foreign", [False, True])
def test_a_path_that_a_user_spells_as_roots_changes_nothing(
    places: EnginePlaces, *, foreign: bool
) -> None:
    """sec-other-engines-sockets-crowd-out: bound in a mount namespace of the user's own."""
    theirs = replace(OF_ROOT, engine=Engine.PODMAN, foreign=foreign, listener=USERS)
    assert not places.learn(theirs, "uid 1001")
    assert places.engine_at(DOCKER_SOCKET) is Engine.DOCKER
    assert not places.is_foreign(DOCKER_SOCKET)
