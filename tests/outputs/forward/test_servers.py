"""Which server is used is a matter of their order, of failures, and of time."""

from __future__ import annotations

from sensor.outputs.forward.servers import Servers
from sensor.outputs.network.dial import Address

A, B, C = (Address(host, 24224) for host in "abc")


def test_servers_are_tried_in_their_order() -> None:
    assert Servers((A, B, C), rest=60.0).order(0.0) == (A, B, C)


def test_one_that_failed_is_tried_last_until_it_has_rested() -> None:
    servers = Servers((A, B, C), rest=60.0)
    servers.failed(A, 0.0)
    servers.failed(B, 10.0)
    assert servers.order(59.0) == (C, A, B)
    assert servers.order(60.0) == (A, C, B)
    assert servers.order(70.0) == (A, B, C)


def test_one_that_works_is_as_good_as_new() -> None:
    servers = Servers((A, B), rest=60.0)
    servers.failed(A, 0.0)
    servers.works(A)
    assert servers.order(1.0) == (A, B)


def test_a_better_server_is_named_once_it_has_rested() -> None:
    servers = Servers((A, B, C), rest=60.0)
    servers.failed(A, 0.0)
    assert servers.better(B, 59.0) is None
    assert servers.better(B, 60.0) == A
    assert servers.better(A, 60.0) is None
    assert servers.better(C, 59.0) == B
