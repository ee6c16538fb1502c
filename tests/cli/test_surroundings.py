"""What surrounds the agent: socket, clock, lock and directories."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from sensor.agent.lock import lock_node
from sensor.cli import surroundings
from sensor.cli.finding import Health


def test_what_forbids_a_real_time_policy_is_said_with_the_fix() -> None:
    def refuse() -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    finding = surroundings.scheduling(refuse)
    assert finding.health is Health.NOTE
    assert "Operation not permitted" in finding.text
    assert finding.fix is not None
    assert "CAP_SYS_NICE" in finding.fix
    before = os.sched_getscheduler(0)
    surroundings.scheduling()
    assert os.sched_getscheduler(0) == before


def test_the_socket_says_who_may_ask(tmp_path: Path) -> None:
    path = tmp_path / "castoff.sock"
    assert surroundings.agent_socket(path).text.endswith("no agent runs")
    path.touch()
    assert surroundings.agent_socket(path).health is Health.FAIL
    path.unlink()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
        path.chmod(0o600)
        alone = surroundings.agent_socket(path)
        assert alone.text.endswith("for root")
        assert "groupadd" in (alone.fix or "")
        path.chmod(0o666)
        assert surroundings.agent_socket(path).health is Health.NOTE
        if os.geteuid() == 0:
            os.chown(path, 0, 4_000_000)
            path.chmod(0o660)
            assert surroundings.agent_socket(path).text.endswith("root and group 4000000")


@pytest.mark.parametrize(
    ("now", "synchronised", "health", "said"),
    [
        (0.0, True, Health.NOTE, "the year is 1970"),
        (2e9, True, Health.OK, "synchronised"),
        (2e9, False, Health.NOTE, "the order of events is still right"),
        (2e9, None, Health.OK, "does not report"),
    ],
)
def test_a_clock_that_is_not_synchronised_is_noted_with_the_reason(
    now: float, *, synchronised: bool | None, health: Health, said: str
) -> None:
    finding = surroundings.clock(lambda: now, lambda: synchronised)
    assert finding.health is health
    assert said in finding.text


def test_the_kernel_shows_its_own_clock() -> None:
    assert surroundings._synchronised() in (True, False, None)
    assert surroundings.clock().check == "clock"


def test_the_lock_line_names_who_holds_it(tmp_path: Path) -> None:
    assert surroundings.node_lock(tmp_path).text.endswith("is free")
    held = lock_node(tmp_path)
    try:
        found = surroundings.node_lock(tmp_path)
        assert found.health is Health.OK
        assert f"held by pid {os.getpid()}" in found.text
    finally:
        os.close(held)


def test_a_lock_that_others_could_hold_is_noted(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "lock").chmod(0o644)
    found = surroundings.node_lock(tmp_path)
    assert found.health is Health.NOTE
    assert "another user could hold it" in found.text


def test_directories_that_others_can_write_fail(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert surroundings.node_lock(tmp_path).health is Health.FAIL
    state = surroundings.state_directory(tmp_path)
    assert state is not None
    assert state.health is Health.FAIL
