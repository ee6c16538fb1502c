"""What the steps of a package's life ask of systemd and of the agent."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.vm.engines import run

JOB = Path("/run/castoff-vm")
SERVICE, PROBES = "castoff.service", "castoff-probes.service"
PATIENCE = float(os.environ.get("CASTOFF_VM_PATIENCE", "180"))
"""Seconds that a condition may take."""

NESTED = os.environ.get("CASTOFF_VM_NESTED") == "1"
"""Whether these are namespaces of another kernel, not a guest: no memory limits, no audit rules."""

DROP_IN = Path("/etc/castoff/castoff.d/50-test.toml")
PINS = Path("/sys/fs/bpf/castoff")

Step = Callable[[], str]


class Failed(AssertionError):
    """A step found something else than it should."""


def need(condition: object, detail: object) -> None:
    if not condition:
        raise Failed(str(detail))


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"not within {patience:.0f} s: {what}; {journal(12)}")
        time.sleep(0.1)


def quiet(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)


def show(key: str, unit: str = SERVICE) -> str:
    return run("systemctl", "show", "--property", key, "--value", unit)


def active(unit: str = SERVICE) -> bool:
    return show("ActiveState", unit) == "active"


def journal(lines: int = 40, unit: str = SERVICE) -> str:
    return run("journalctl", "--no-pager", "-o", "cat", "-n", str(lines), "-u", unit, check=False)


def castoff(*words: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    return quiet(*(("runuser", "-u", user, "--") if user else ()), "castoff", *words)


def starts(prefix: str = "life-") -> Counter[str]:
    """How often each container of this job was reported as started."""
    done = castoff("events", "--since", "3h", "--type", "start", "-o", "json")
    need(done.returncode == 0, done.stderr)
    ids = [json.loads(line)["container"]["id"] for line in done.stdout.splitlines()]
    return Counter(id_ for id_ in ids if (id_ or "").startswith(prefix))


def install(package: str) -> None:
    command = (
        ["dpkg", "-i"] if package.endswith(".deb") else ["rpm", "-U", "--nodeps", "--oldpackage"]
    )
    done = quiet(*command, str(JOB / package))
    need(done.returncode == 0, done.stdout + done.stderr)


def back_to_work() -> None:
    run("systemctl", "reset-failed", check=False)
    run("systemctl", "restart", PROBES)
    run("systemctl", "restart", SERVICE)
    until(active, "the service is active again")
