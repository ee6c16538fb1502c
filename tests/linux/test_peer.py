"""The other end of a socket is who the kernel says it is."""

from __future__ import annotations

import os
import socket

import pytest

from sensor.linux.peer import Peer, peer_of, peer_uid

ANN = Peer(7, 1000, 1000, frozenset({4, 27}))


def test_the_kernel_names_process_user_and_groups() -> None:
    here, there = socket.socketpair()
    with here, there:
        peer = peer_of(here)
        assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.geteuid(), os.getegid())
        assert peer.groups == frozenset(os.getgroups())
        assert peer_uid(here) == os.geteuid()


@pytest.mark.parametrize(
    ("group", "allowed"), [(1000, True), (27, True), (28, False), (None, False)]
)
def test_a_user_may_read_by_any_of_its_groups(group: int | None, allowed: bool) -> None:
    assert ANN.may_read(group) is allowed
    assert not ANN.may_control()


def test_root_may_read_and_control() -> None:
    root = Peer(1, 0, 0, frozenset())
    assert root.may_read(None)
    assert root.may_control()
