"""Scripts know what went wrong by the exit code alone."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest

from lab.speed import slowness, unit_ms
from tests.api.bridge import Running
from tests.cli.asking import CASTOFF, castoff

ASKING = (
    ("status",),
    ("coverage",),
    ("events",),
    ("events", "--follow"),
    ("explain", "web"),
    ("containers",),
    ("whois", "1"),
    ("selftest",),
)
PLAIN_UID = 65534


@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_no_agent_is_3(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = castoff(*arguments, socket=tmp_path / "none.sock")
    assert (done.returncode, done.stdout) == (3, "")
    assert "none.sock" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("arguments", [("status",), ("events",)], ids=" ".join)
def test_no_right_is_4_and_the_group_is_named(arguments: tuple[str, ...], agent: Running) -> None:
    os.chown(agent.path, -1, 1)
    try:
        done = subprocess.run(
            ["/usr/bin/python3", "-m", "sensor", *arguments, "--socket", str(agent.path)],
            cwd=CASTOFF.parents[1],
            user=PLAIN_UID,
            group=PLAIN_UID,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        )
    finally:
        os.chown(agent.path, -1, 0)
    assert done.returncode == 4, done.stderr
    assert "usermod -aG daemon" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("explain", "nobody"), 1),
        (("containers", "nobody"), 1),
        (("whois", "99"), 1),
        (("events", "--since", "never"), 2),
        (("explain",), 2),
        (("events", "-n", "1"), 0),
        (("containers",), 0),
        (("status",), 0),
    ],
    ids=str,
)
def test_each_failure_has_its_exit_code(
    agent: Running, arguments: tuple[str, ...], code: int
) -> None:
    assert castoff(*arguments, socket=agent.path).returncode == code


STATUS_SECONDS = 0.2
ATTEMPTS = 20
"""The first ones read the modules from the disk, and others may slow the processor down."""


@pytest.mark.timed
def test_status_takes_less_than_200_ms(agent: Running) -> None:
    """Of a processor: it waits for nothing, and how long it waits for one is not its doing."""
    taken: list[float] = []
    while len(taken) < ATTEMPTS and min(taken, default=1.0) >= STATUS_SECONDS:
        before, began = unit_ms(), _used_by_children()
        castoff("status", socket=agent.path)
        spent = _used_by_children() - began
        taken.append(spent / slowness(before, unit_ms()))
    assert min(taken) < STATUS_SECONDS, taken


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
