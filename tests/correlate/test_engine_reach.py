"""What is asked of an engine is about the containers that this engine can have made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.authority import HOST_PID_NS, HOST_ROOT, HOST_USER_NS, Origin
from sensor.correlate.containers import ContainerKey, ContainerState
from sensor.correlate.engine_reach import Home, is_elsewhere, is_of_root
from sensor.model.api_calls import Listener
from sensor.model.vocabulary import Engine
from tests.correlate.observations import caller, connects
from tests.correlate.scenario import DB, WEB

ROOTS = Listener(0, HOST_USER_NS, HOST_PID_NS, privileged=True)
USERS = Listener(1001, HOST_USER_NS, HOST_PID_NS, privileged=False)
CONNECT = connects(0, caller(70))
OF_ROOT, OF_USER = Home(Engine.DOCKER, HOST_ROOT), Home(Engine.DOCKER, Origin(1000))


@pytest.mark.parametrize("foreign", [False, True])
def test_who_listens_outweighs_what_was_found_at_the_path(*, foreign: bool) -> None:
    """sec-forged-client-is-exact."""
    at_users = replace(CONNECT, foreign=foreign, listener=USERS)
    at_roots = replace(CONNECT, foreign=foreign, listener=ROOTS)
    assert is_elsewhere(at_users, OF_ROOT)
    assert is_elsewhere(at_users, OF_USER), "another user's"
    assert not is_elsewhere(at_users, Home(Engine.DOCKER, Origin(1001)))
    assert not is_elsewhere(at_roots, OF_ROOT)
    assert not is_elsewhere(at_roots, OF_USER)


@pytest.mark.parametrize("listener", [None, Listener(0)], ids=["unknown", "of-a-port"])
def test_where_it_is_not_known_the_path_decides(listener: Listener | None) -> None:
    seen = replace(CONNECT, listener=listener)
    assert not is_elsewhere(seen, OF_ROOT)
    assert is_elsewhere(replace(seen, foreign=True), OF_ROOT)
    assert not is_elsewhere(replace(seen, foreign=True), Home())


OWNERS = {
    "unknown": (None, True),
    "root": (HOST_ROOT, True),
    "a user": (Origin(1001), False),
    "root in a container": (Origin(0, None, (DB.id,)), False),
    "a runtime of another name, in the cgroup that it makes": (Origin(0, None, (WEB.id,)), True),
    "a user's runtime, likewise": (Origin(1001, None, (WEB.id,)), False),
    "root of a user namespace, likewise": (Origin(0, 4026532000, (WEB.id,)), False),
}


@pytest.mark.parametrize(("owner", "of_root"), OWNERS.values(), ids=OWNERS)
def test_roots_engines_speak_of_what_root_made_outside_of_containers(
    owner: Origin | None, *, of_root: bool
) -> None:
    assert is_of_root(ContainerState(ContainerKey(WEB.id, None), owner)) is of_root
