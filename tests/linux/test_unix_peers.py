"""Peers of unix sockets, asked of this kernel."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.linux import unix_peers


def inode(end: socket.socket) -> int:
    return os.fstat(end.fileno()).st_ino


def test_two_connected_sockets_are_each_others_peers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        client.connect(str(tmp_path / "s"))
        server, _ = listener.accept()
        with server:
            found = unix_peers.peers()
            assert found[inode(client)] == inode(server)
            assert found[inode(server)] == inode(client)
            assert inode(listener) not in found


def test_an_error_of_the_kernel_is_raised() -> None:
    error = struct.pack("=IHHII", 20, 2, 0, 1, 0) + struct.pack("=i", -1)
    with pytest.raises(PermissionError):
        unix_peers._take(error, {})


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_datagram_is_survived(data: bytes) -> None:
    try:
        unix_peers._take(data, {})
    except OSError:
        assert data[4:6] == b"\x02\x00"
