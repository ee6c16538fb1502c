"""``castoff selftest --findings``: harmless instances of findings, and which were raised.

What it raises is acknowledged by a person, like any other alert. It ends with every finding that
was not tried, and the reason.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from sensor.cli import proof
from sensor.cli.reading import nanoseconds
from sensor.cli.selftest_trials import TRIALS, UNTRIED, FindingTrial, Need, TrialHost, TrialPhase
from sensor.cli.throw_away import ThrowAway
from sensor.dataclass import dataclass
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.api.client import AgentClient
    from sensor.model.vocabulary import Finding

PATIENCE = 15.0
"""Seconds until an alert must have been raised."""
LOOK_SECONDS = 0.2
NS_PER_DAY = 86_400_000_000_000
ENGINES = ("docker", "podman")
DEFAULT_ORGANISATION = "docker.io/library"
_LATER = {
    TrialPhase.LEARNING: "reported from the second day of learning on",
    TrialPhase.ACTIVE: "reported once the node has learnt for its days",
}


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """What became of a finding. ``ok`` is None where it was not tried."""

    name: str
    ok: bool | None
    detail: str


def run(client: AgentClient) -> list[TrialOutcome]:
    """Trigger all that can be triggered; returns an outcome for every finding."""
    phase = _phase(client)
    began = time.time_ns()
    problems: dict[Finding, str | None] = {}
    with _host(client) as host:
        for trial in TRIALS:
            problems[trial.finding] = _tried(trial, host, phase)
        wanted = [finding for finding, problem in problems.items() if problem is None]
        raised = _wait(client, wanted, began)
    found = [_outcome(trial, problems[trial.finding], raised) for trial in TRIALS]
    return found + [
        TrialOutcome(finding, ok=None, detail=f"not tried: {reason}")
        for finding, reason in UNTRIED.items()
    ]


def _tried(trial: FindingTrial, host: TrialHost, phase: TrialPhase) -> str | None:
    """Run a trial; returns why it could not be run."""
    if phase < trial.since:
        return _LATER[trial.since]
    if trial.needs is Need.ENGINE and host.engine is None:
        return host.no_engine
    if trial.needs is Need.RUNTIME and host.runtime is None:
        return "no runc or crun"
    try:
        return trial.run(host)
    except CastoffError as error:
        return error.problem
    except OSError as error:
        return str(error)


def _outcome(trial: FindingTrial, problem: str | None, raised: dict[str, str]) -> TrialOutcome:
    if problem is not None:
        return TrialOutcome(trial.finding, None, f"not tried: {problem}")
    alert = raised.get(trial.finding)
    said = f"alert {alert}" if alert is not None else f"not raised within {PATIENCE:g} s"
    return TrialOutcome(trial.finding, alert is not None, f"{trial.what}: {said}")


@contextlib.contextmanager
def _host(client: AgentClient) -> Iterator[TrialHost]:
    programs = proof.runtimes()
    runtime = programs.get("runc") or programs.get("crun")
    with contextlib.ExitStack() as stack:
        engine, reason = None, "no docker or podman"
        organisation = _organisation(client)
        if os.geteuid() != 0:
            yield TrialHost(client, runtime, None, "needs root")
            return
        for name in ENGINES:
            if name not in programs or engine is not None:
                continue
            try:
                engine = stack.enter_context(ThrowAway(name, programs[name], organisation))
            except OSError as error:
                reason = f"{name}: {error}"
        yield TrialHost(client, runtime, engine, reason)


def _organisation(client: AgentClient) -> str:
    """Return the registry and organisation from which the node started most."""
    rows = client.document("/v1/baseline")["rows"]
    known = [one for one in rows if one["feature"] == "organisation" and not one["profile"]]
    most = max(known, key=lambda one: float(one["starts"]), default=None)
    return str(most["value"]) if most is not None else DEFAULT_ORGANISATION


def _phase(client: AgentClient) -> TrialPhase:
    """Return how far the node has learnt."""
    header = client.document("/v1/baseline")["header"] or {}
    if header.get("phase") == "active":
        return TrialPhase.ACTIVE
    began = nanoseconds(str(header.get("from")))
    first_day = began is None or time.time_ns() - began < NS_PER_DAY
    return TrialPhase.FIRST_DAY if first_day else TrialPhase.LEARNING


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
