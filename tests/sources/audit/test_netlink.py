"""On the real kernel: a logged-in user's exec and connect arrive, and an overflow is noticed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sensor import clock
from sensor.errors import KernelUnsupported, PermissionMissing
from sensor.model.api_calls import ApiConnect
from sensor.model.witness_records import AuditExec, AuditLoss, AuditRulesChanged
from sensor.sources.audit import netlink
from sensor.sources.audit.netlink import NetlinkReader
from sensor.sources.audit.source import AuditSource

pytest.importorskip("auparse", reason="needs python3-audit and the system's Python")

KEY = "castoff_test"
NOTICED = 5_000_000_000
"""Nanoseconds in which an absence of the sensor has to be noticed."""
LOGIN = 4242

CLIENT = """
import os, socket, sys, time
open("/proc/self/loginuid", "w").write(sys.argv[1])
caller = socket.socket(socket.AF_UNIX)
caller.connect(sys.argv[2])
os.execv(sys.argv[3], ["docker", "run", "a b", "\\x1b[31m", "y" * 9000])
"""


def auditctl(*words: str) -> str:
    done = subprocess.run(
        ["auditctl", *words], check=True, capture_output=True, text=True, timeout=10
    )
    return done.stdout


@pytest.fixture
def audit_enabled() -> Iterator[None]:
    """Kernel audit records while a test runs; afterwards the test's rules are gone."""
    if shutil.which("auditctl") is None or os.geteuid() != 0:
        pytest.skip("needs root and auditctl")
    state = auditctl("-s")
    if "enabled 2" in state:
        pytest.skip("kernel audit is immutable here")
    if "enabled 0" in state:
        auditctl("-e", "1")
    yield
    subprocess.run(["auditctl", "-D", "-k", KEY], check=False, capture_output=True)
    if "enabled 0" in state:
        auditctl("-e", "0")


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield path


@contextmanager
def reading(reader: NetlinkReader, engine: Path) -> Iterator[AuditSource]:
    source = AuditSource(
        [reader],
        watched={"docker"},
        engine_socket=str(engine).__eq__,
        clock=clock.boottime,
        realtime_offset=clock.realtime_offset(),
    )
    yield source
    source.close()


def wait_for(source: AuditSource, found: list[object], enough: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not enough() and time.monotonic() < end:
        found += source.drain()
        time.sleep(0.02)


@pytest.mark.kernel
@pytest.mark.usefixtures("audit_enabled")
def test_the_exec_and_the_connect_of_a_logged_in_user_arrive(
    tmp_path: Path, listener: Path
) -> None:
    program = tmp_path / "docker"
    shutil.copy("/bin/sleep", program)
    arch = ("-F", "arch=b64")
    auditctl("-a", "always,exit", *arch, "-F", "perm=x", "-F", f"path={program}", "-k", KEY)
    auditctl("-a", "always,exit", *arch, "-S", "connect", "-F", f"path={listener}", "-k", KEY)
    before = clock.boottime()
    with reading(NetlinkReader(), listener) as source:
        child = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(LOGIN), str(listener), str(program)],
            stderr=subprocess.DEVNULL,
        )
        found: list[object] = []
        wait_for(source, found, lambda: len(found) >= 2)
        child.wait(10)
        connect, execution = found
        assert isinstance(connect, ApiConnect)
        assert isinstance(execution, AuditExec)
        assert connect.socket == str(listener)
        assert execution.caller.argv == ("docker", "run", "a b", "\x1b[31m", "y" * 9000)
        assert execution.caller.exe == str(program)
        assert execution.key == KEY
        for caller in (connect.caller, execution.caller):
            assert (caller.pid, caller.loginuid, caller.parent) == (child.pid, LOGIN, os.getpid())
            assert caller.session is not None
        assert before - 50_000_000 < connect.time <= execution.time < clock.boottime()
        assert source.heard
        assert source.partial == 0
        assert source.malformed == 0


@pytest.mark.kernel
@pytest.mark.usefixtures("audit_enabled")
def test_the_kernel_follows_a_socket_that_is_re_created(listener: Path) -> None:
    words = ("-F", "arch=b64", "-S", "connect", "-F", f"path={listener}", "-k", KEY)
    auditctl("-a", "always,exit", *words)
    listener.unlink()
    with socket.socket(socket.AF_UNIX) as server, reading(NetlinkReader(), listener) as source:
        server.bind(str(listener))
        server.listen()
        program = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        subprocess.run([sys.executable, "-c", program, str(listener)], check=True)
        found: list[object] = []
        wait_for(source, found, lambda: len(found) >= 1)
        (connect,) = found
        assert isinstance(connect, ApiConnect)
        login = int(Path("/proc/self/loginuid").read_text())
        assert connect.caller.loginuid == (None if login == 0xFFFFFFFF else login)


REMOVE = """
import os, sys
open("/proc/self/loginuid", "w").write(sys.argv[1])
os.execv("/usr/sbin/auditctl", ["auditctl", "-D", "-k", sys.argv[2]])
"""


@pytest.mark.kernel
@pytest.mark.usefixtures("audit_enabled")
def test_rules_that_a_user_removes_are_reported_with_the_login(
    tmp_path: Path, listener: Path
) -> None:
    program = tmp_path / "docker"
    shutil.copy("/bin/sleep", program)
    rule = ("always,exit", "-F", "arch=b64", "-F", "perm=x", "-F", f"path={program}", "-k", KEY)
    auditctl("-a", *rule)
    with reading(NetlinkReader(), listener) as source:
        subprocess.run([sys.executable, "-c", REMOVE, str(LOGIN), KEY], check=True)
        found: list[object] = []
        wait_for(source, found, lambda: bool(found))
        (removed,) = found
        assert isinstance(removed, AuditRulesChanged)
        assert (removed.missing, removed.keys, removed.enabled) == (1, (KEY,), True)
        assert removed.loginuid == LOGIN
        assert removed.exe in {None, "/usr/sbin/auditctl"}
        assert removed.time - removed.since < NOTICED
        auditctl("-a", *rule)
        wait_for(source, found, lambda: len(found) > 1)
        assert isinstance(found[-1], AuditRulesChanged)
        assert not found[-1].lost


@pytest.mark.kernel
@pytest.mark.usefixtures("audit_enabled")
def test_a_buffer_that_overflows_is_a_loss(listener: Path) -> None:
    reader = NetlinkReader(buffer=2048)
    with reading(reader, listener) as source:
        for index in range(50):
            auditctl("-m", f"{KEY} {index} {'x' * 500}")
        time.sleep(0.2)
        source.drain()
        losses = {loss.reason: loss for loss in source.losses()}
        overrun = losses["overrun"]
        assert isinstance(overrun, AuditLoss)
        assert overrun.lost is not None
        assert overrun.lost > 10
        assert source.overruns >= 1
        assert source.losses() == ()


@pytest.mark.kernel
@pytest.mark.usefixtures("audit_enabled")
def test_serials_of_a_quiet_stretch_have_no_gaps(listener: Path) -> None:
    with reading(NetlinkReader(), listener) as source:
        for index in range(20):
            auditctl("-m", f"{KEY} {index}")
        found: list[object] = []
        wait_for(source, found, lambda: source.records > 20)
        source._serials.take_lost(2**62)
        assert source.losses() == ()


@pytest.mark.kernel
def test_the_buffer_is_forced_beyond_the_hosts_limit() -> None:
    reader = NetlinkReader()
    assert reader.buffer >= netlink.BUFFER
    reader.close()


@pytest.mark.kernel
def test_another_network_namespace_is_refused() -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare")
    program = (
        "from sensor.sources.audit.netlink import NetlinkReader\n"
        "from sensor.sources.audit.unavailable import AuditUnavailable\n"
        "try:\n    NetlinkReader()\nexcept AuditUnavailable as error:\n    print(error.fix)\n"
    )
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert "hostNetwork" in done.stdout


class Refusing:
    """A socket that the kernel refuses at one step."""

    def __init__(self, *_: object) -> None:
        pass

    def bind(self, _: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    def close(self) -> None:
        pass


def test_a_missing_capability_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(PermissionMissing, match="CAP_AUDIT_READ"):
        NetlinkReader()


def test_a_kernel_without_audit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(KernelUnsupported, match=os.uname().release):
        NetlinkReader()
