"""A socket that systemd made is taken over for its path and left where it is."""

from __future__ import annotations

import grp
import os
import socket
from pathlib import Path

import pytest

from sensor.api.listener import listen, regrouped
from tests.api.sample_agent import socket_path


@pytest.fixture
def descriptor(monkeypatch: pytest.MonkeyPatch) -> int:
    """Systemd's first descriptor is 3, which belongs to pytest in a test."""
    number = 200
    monkeypatch.setattr("sensor.api.listener.FIRST_FD", number)
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


def test_what_is_not_a_socket_is_passed_over(descriptor: int) -> None:
    with socket_path() as path:
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, descriptor)
        os.close(null)
        made = listen(path, None, environment())
        assert made.inode is not None
        made.socket.close()
        made.remove()
        os.close(descriptor)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_a_socket_goes_from_group_to_group_and_back_to_root() -> None:
    with socket_path() as path:
        made = listen(path, None, {})
        other = grp.getgrnam("daemon").gr_gid
        made = regrouped(made, "daemon")
        assert (made.gid, path.stat().st_gid) == (other, other)
        made = regrouped(made, "no such group")
        assert (made.gid, path.stat().st_gid) == (None, os.getegid())
        made.socket.close()
        made.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_what_took_the_socket_s_place_is_given_to_no_client(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.touch()
    with socket_path() as path:
        made = listen(path, None, {})
        path.unlink()
        path.symlink_to(victim)
        assert regrouped(made, "daemon") == made
        assert victim.stat().st_gid == os.getegid()
        made.socket.close()


def test_systemd_s_socket_keeps_its_group(
    descriptor: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket_path() as path:
        listening(path, descriptor)
        given = listen(path, None, environment())
        with given.socket:
            assert regrouped(given, "daemon") == given
            assert "its unit names the group" in caplog.text


def test_a_descriptor_that_is_not_open_is_passed_over(
    descriptor: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket_path() as path:
        made = listen(path, None, environment())
        assert made.inode is not None
        assert f"descriptor {descriptor}: Bad file descriptor" in caplog.text
        made.socket.close()
        made.remove()


def test_an_unreadable_count_is_not_a_socket() -> None:
    with socket_path() as path:
        made = listen(path, None, environment() | {"LISTEN_FDS": "many"})
        assert made.inode is not None
        made.socket.close()
        made.remove()
