"""The agent asks for a short wait: a low nice value and a short slice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sensor.linux.priority import NICE

RAISE = """
import os, sys
from sensor.linux.priority import raise_own
if len(sys.argv) > 1:
    os.setgid(65534); os.setuid(65534)
print(raise_own(), os.getpriority(os.PRIO_PROCESS, 0))
"""


def raised(*arguments: str) -> tuple[str, int]:
    """Raise a process of its own, with and without rights."""
    command = [sys.executable, "-c", RAISE, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    worked, nice = done.stdout.split()
    return worked, int(nice)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may lower a nice value")
def test_root_gets_the_nice_value() -> None:
    assert raised() == ("True", NICE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_without_the_right_nothing_changes_and_the_caller_knows() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert raised("as-another-user") == ("False", before)
