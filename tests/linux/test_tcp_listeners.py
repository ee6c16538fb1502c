"""Listening TCP sockets, asked of this kernel."""

from __future__ import annotations

import os
import socket

from sensor.linux import tcp_listeners
from sensor.linux.tcp_listeners import TcpListener


def inode(end: socket.socket) -> int:
    return os.fstat(end.fileno()).st_ino


def test_listeners_are_known_by_inode_and_port_and_connections_are_not() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        server, _ = listener.accept()
        with server:
            found = tcp_listeners.listeners()
            known = found[inode(listener)]
            assert known.port == listener.getsockname()[1]
            assert known.address == bytes(10) + b"\xff\xff" + socket.inet_aton("127.0.0.1")
            assert inode(client) not in found
            assert inode(server) not in found
    assert inode_is_gone(found)


def inode_is_gone(before: dict[int, TcpListener]) -> bool:
    """Whether a listener that was closed is not listed any more."""
    return before.keys() - tcp_listeners.listeners().keys() != set()


def test_listeners_of_the_sixth_version_are_known() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        found = tcp_listeners.listeners()[inode(listener)]
        assert found == TcpListener(listener.getsockname()[1], bytes(15) + b"\x01")
