"""A socket that systemd made is taken over for its path and left where it is."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sensor.control.listener import listen
from tests.control.sample_agent import socket_path


@pytest.fixture
def descriptor(monkeypatch: pytest.MonkeyPatch) -> int:
    """Systemd's first descriptor is 3, which belongs to somebody else in a test."""
    number = 200
    monkeypatch.setattr("sensor.control.listener.FIRST_FD", number)
    return number


def listening(path: Path, descriptor: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(str(path))
        made.listen()
        path.chmod(0o660)
        os.dup2(made.fileno(), descriptor)


def environment(pid: int | None = None) -> dict[str, str]:
    return {"LISTEN_PID": str(pid or os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}


def test_systemd_s_socket_is_used_and_stays(descriptor: int) -> None:
    with socket_path() as path:
        listening(path, descriptor)
        variables = environment()
        given = listen(path, None, variables)
        with given.socket:
            assert given.socket.fileno() == descriptor
            assert not given.socket.get_inheritable()
            assert given.gid == path.stat().st_gid
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                given.socket.setblocking(True)  # noqa: FBT003 - the standard library's signature
                given.socket.accept()[0].close()
        given.remove()
        assert path.exists()
        assert variables == {}


def test_a_socket_for_another_path_or_process_is_not_ours(descriptor: int) -> None:
    with socket_path() as path:
        listening(path.with_name("other"), descriptor)
        for variables in (environment(), environment(pid=1), {}):
            made = listen(path, None, variables)
            assert made.socket.fileno() != descriptor
            made.socket.close()
            made.remove()
            assert not path.exists()
        os.close(descriptor)


def test_what_is_no_socket_is_passed_over(descriptor: int) -> None:
    with socket_path() as path:
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, descriptor)
        os.close(null)
        made = listen(path, None, environment())
        assert made.inode is not None
        made.socket.close()
        made.remove()
        os.close(descriptor)


def test_an_unreadable_count_is_no_socket() -> None:
    with socket_path() as path:
        made = listen(path, None, environment() | {"LISTEN_FDS": "many"})
        assert made.inode is not None
        made.socket.close()
        made.remove()
