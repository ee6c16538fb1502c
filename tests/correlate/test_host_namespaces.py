"""Namespaces that a container shares with its host."""

from __future__ import annotations

from dataclasses import replace

from sensor.correlate.host_namespaces import HostNamespaces
from sensor.model.container import Description, Security
from sensor.model.process import Namespaces
from sensor.model.vocabulary import ContainerId, Engine

HOST = Namespaces(1, 2, 3, 4, 5, 6, 7)
OWN = Namespaces(11, 12, 13, 14, 15, 6, 7)
ID = ContainerId("a" * 64)


def known() -> HostNamespaces:
    spaces = HostNamespaces()
    spaces.host = HOST
    return spaces


def test_the_kernels_numbers_go_before_the_bundle() -> None:
    shared = known().shared(Engine.CONTAINERD, replace(OWN, pid=2), ("network",))
    assert shared == ("pid",)


def test_what_the_kernel_did_not_report_is_as_configured() -> None:
    init = Namespaces(None, None, 13, None, None, None, None)
    assert known().shared(Engine.DOCKER, init, ("pid", "network")) == ("pid",)
    assert HostNamespaces().shared(Engine.DOCKER, None, ("pid", "user")) == ("pid",)
    assert HostNamespaces().shared(Engine.DOCKER, None, None) is None


def test_an_engine_that_isolates_some_users_is_reported_when_it_does_not() -> None:
    spaces = known()
    assert spaces.shared(Engine.DOCKER, OWN, None) == ()
    assert spaces.shared(Engine.DOCKER, replace(OWN, user=60, cgroup=70), None) == ()
    assert spaces.shared(Engine.DOCKER, OWN, None) == ("cgroup", "user")
    assert spaces.shared(Engine.PODMAN, OWN, None) == ()


def test_a_container_that_nothing_describes_has_its_namespaces() -> None:
    found = known().applied(None, ID, replace(OWN, net=3), of_root=True)
    assert found is not None
    assert found.security == Security(host_namespaces=("network",))
    assert known().applied(None, ID, None, of_root=True) is None
    assert known().applied(Description(ID), ID, None, of_root=True) == Description(ID)


def test_what_is_foreseen_is_what_a_start_gets_if_it_shares_what_is_usual() -> None:
    spaces = known()
    first = Description(ID, engine=Engine.DOCKER, security=Security(host_namespaces=("user",)))
    assert spaces.foresee(first, ID) is first, "nothing is usual yet"
    applied = spaces.applied(first, ID, OWN, of_root=True)
    assert applied is not None
    assert applied.security == Security(host_namespaces=())
    second = replace(first, name="second")
    foreseen = spaces.foresee(second, ID)
    assert spaces.foresee(second, ID) is foreseen
    assert spaces.applied(second, ID, OWN, of_root=True) is foreseen
    assert foreseen == replace(applied, name="second")


def test_what_is_foreseen_and_wrong_changes_nothing() -> None:
    spaces, plain = known(), known()
    before = Description(ID, engine=Engine.DOCKER, security=Security(host_namespaces=("user",)))
    for one in (spaces, plain):
        one.applied(before, ID, OWN, of_root=True)
    spaces.foresee(before, ID)
    other = replace(OWN, net=3)
    assert spaces.applied(before, ID, other, of_root=True) == plain.applied(
        before, ID, other, of_root=True
    )
    renewed = replace(before, name="renewed")
    spaces.foresee(before, ID)
    assert spaces.applied(renewed, ID, OWN, of_root=True) == plain.applied(
        renewed, ID, OWN, of_root=True
    )
