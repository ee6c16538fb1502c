"""What a service sends to systemd's notification socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.linux.systemd import STATUS_MAX, Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def test_readiness_and_progress_arrive_with_a_status(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    notifier.ready("reading")
    assert manager.recv(4096) == b"READY=1\nSTATUS=reading"
    notifier.beat("3 starts")
    assert manager.recv(4096) == b"WATCHDOG=1\nSTATUS=3 starts"
    notifier.stopping("draining")
    assert manager.recv(4096) == b"STOPPING=1\nSTATUS=draining"


def test_a_status_stays_one_line_of_bounded_length(manager: socket.socket) -> None:
    Notifier({"NOTIFY_SOCKET": manager.getsockname()}).failed("a\nREADY=1 " + "x" * 10_000)
    (line,) = manager.recv(65536).decode().split("\n")
    assert line.startswith("STATUS=a READY=1 xxx")
    assert len(line) == len("STATUS=") + STATUS_MAX


def test_an_abstract_socket_is_reached() -> None:
    name = f"castoff-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready("reading")
        assert listener.recv(4096).startswith(b"READY=1")


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/socket"])
def test_without_a_manager_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready("reading")
    notifier.beat("")


def test_children_inherit_none_of_the_variables() -> None:
    environment = {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    Notifier(environment)
    assert environment == {"HOME": "/"}


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        pytest.param({"WATCHDOG_USEC": "30000000"}, 30.0, id="watched"),
        pytest.param(
            {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0, id="me"
        ),
        pytest.param(
            {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None, id="another-process"
        ),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="not-a-number"),
        pytest.param({}, None, id="not-watched"),
    ],
)
def test_the_watchdogs_period_is_read(variables: dict[str, str], seconds: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/n", **variables}).beat_seconds == seconds
