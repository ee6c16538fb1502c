"""Peers of unix sockets, asked of this kernel."""

from __future__ import annotations

import os
import socket
from pathlib import Path

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
