"""``castoff selftest --findings``: harmless instances of findings, and which were raised.

Each trial starts throw-away containers of the host's own files. What it raises is acknowledged by a
person, like any other alert. Findings that need an engine's image, days of learning or a dead agent
are named with the reason for which they are not tried.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.cli import proof
from sensor.cli.reading import nanoseconds
from sensor.model.vocabulary import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sensor.api.client import AgentClient

PATIENCE = 10.0
"""Seconds until an alert must have been raised."""
LOOK_SECONDS = 0.2
FAILURES = 6
"""Starts that fail, one more than the finding needs."""
CRASHES = "needs a container with a restart policy, and an image"
LEARNT = "needs what the node has learnt in a week"
RULES = "follows from the site's own policy"


@dataclass(frozen=True, slots=True)
class Trial:
    """One finding that can be triggered; ``run`` returns why it could not."""

    finding: Finding
    what: str
    run: Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a finding. ``ok`` is None where it was not tried."""

    name: str
    ok: bool | None
    detail: str


def trials() -> tuple[Trial, ...]:
    """Return what can be triggered without changing the host."""
    return (
        Trial(Finding.DIRECT_RUNTIME, "a runtime run by hand", _by_hand),
        Trial(Finding.UNKNOWN_RUNTIME, "a copy of the runtime in a temporary place", _renamed),
        Trial(Finding.FAILED_STARTS, f"{FAILURES} starts of a program that does not exist", _fail),
    )


def run(client: AgentClient) -> list[Outcome]:
    """Trigger all that can be triggered; returns an outcome for every finding."""
    where = _runtime()
    began = time.time_ns()
    problems: dict[Finding, str | None] = {}
    for one in trials():
        problems[one.finding] = "no runc or crun" if where is None else one.run(where)
    raised = _wait(client, [one for one, problem in problems.items() if problem is None], began)
    found = []
    for one in trials():
        problem, alert = problems[one.finding], raised.get(one.finding)
        ok, detail = None, f"not tried: {problem}"
        if problem is None:
            ok = alert is not None
            said = f"alert {alert}" if ok else f"not within {PATIENCE:g} s"
            detail = f"{one.what}: {said}"
        found.append(Outcome(one.finding, ok, detail))
    return found + [
        Outcome(finding, ok=None, detail=f"not tried: {reason}")
        for finding, reason in _others(problems)
    ]


def _others(tried: Iterable[Finding]) -> list[tuple[Finding, str]]:
    rules = {
        Finding.FORBIDDEN,
        Finding.OUTSIDE_WINDOW,
        Finding.UNAPPROVED_IMAGE,
        Finding.UNPINNED_IMAGE,
        Finding.NO_EXPLANATION,
        Finding.WIDE_CHANGE,
    }
    reasons = {
        Finding.HIDDEN_START: "needs an engine that hides a container",
        Finding.ENGINE_NAMESPACE: "needs an image in containerd",
        Finding.SENSOR_TAMPERING: "would switch the sensor off",
        Finding.CRASH_LOOP: CRASHES,
        Finding.RESTART_STORM: CRASHES,
    }
    names = set(tried)
    return [
        (one, RULES if one in rules else reasons.get(one, LEARNT))
        for one in Finding
        if one not in names
    ]


def _wait(client: AgentClient, wanted: list[Finding], began: int) -> dict[str, str]:
    """Return the ids of the alerts that were raised, or seen again, since a wall-clock time."""
    end = time.monotonic() + PATIENCE
    while True:
        alerts: list[dict[str, Any]] = client.document("/v1/alerts")["alerts"]
        raised = {
            str(one["finding"]): str(one["id"])[:12]
            for one in alerts
            if (nanoseconds(str(one["last"])) or 0) >= began
        }
        if all(one in raised for one in wanted) or time.monotonic() >= end:
            return raised
        time.sleep(LOOK_SECONDS)


def _runtime() -> str | None:
    found = proof.runtimes()
    return found.get("runc") or found.get("crun")


def _by_hand(where: str) -> str | None:
    return proof.start("runc", where, proof.new_name()).problem


def _renamed(where: str) -> str | None:
    with tempfile.TemporaryDirectory(prefix="castoff-selftest-") as directory:
        copy = Path(directory) / "helper"
        try:
            shutil.copy2(where, copy)
            copy.chmod(0o755)
        except OSError as error:
            return f"{copy} cannot be written: {error.strerror}"
        return proof.start("runc", str(copy), proof.new_name()).problem


def _fail(where: str) -> str | None:
    name = proof.new_name()
    for _ in range(FAILURES):
        proof.start("runc", where, name, program="/castoff/does-not-exist")
    return None
