"""``castoff selftest``: starts a harmless container and sees whether the agent reports it.

Exit codes: 0 everything held; 1 something did not; 3 no agent; 4 no right to ask it; 69 no runtime.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from sensor.api.client import AgentClient
from sensor.api.coverage import CoverageReport
from sensor.cli import proof, selftest_findings
from sensor.cli.answer import print_json
from sensor.cli.columns import wrapped
from sensor.cli.options import output_option, socket_option, width
from sensor.dataclass import dataclass
from sensor.errors import AgentUnreachable, CastoffError
from sensor.model.vocabulary import EvidenceKind, Witness
from sensor.schema.text import visible

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 10.0
"""Seconds until the start must have been reported."""
READY_SECONDS = 2.0
AGREE_SECONDS = 5.0
"""Seconds in which the sources have to agree: an engine's own event comes after the start."""
PERIOD = "2m"
WAIT_MAX = 600
LOOK_SECONDS = 0.1
INDENT = 6
"""Between two tries to reach an agent that is starting."""


class RuntimeMissing(CastoffError):
    """No container runtime is installed."""

    exit_code = 69


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that had to hold."""

    name: str
    ok: bool
    detail: str


@click.command()
@click.option(
    "--runtime",
    type=click.Choice(["runc", "crun", "podman", "docker"]),
    help="Start it by this one, not by the first that is installed.",
)
@click.option(
    "--wait",
    type=click.IntRange(0, WAIT_MAX),
    default=0,
    metavar="SECONDS",
    help="First wait up to SECONDS for an agent.  [default: 0]",
)
@click.option(
    "--findings",
    is_flag=True,
    help="Also trigger harmless instances of findings, and show which alerts were raised.",
)
@output_option
@socket_option
def command(runtime: str | None, wait: int, *, findings: bool, output: str, socket: Path) -> None:
    """Start a harmless container and check that it is reported, and by which sources.

    Needs root, or the rights to run containers.
    """
    found = proof.runtimes()
    if not found or (runtime is not None and runtime not in found):
        raise RuntimeMissing(
            f"{runtime or 'runc, crun, podman or docker'} is not installed", "Install one of them."
        )
    chosen = runtime or next(iter(found))
    client = AgentClient(socket)
    _await_agent(client, wait)
    checks = _run(client, chosen, found[chosen])
    for check in checks:
        if output == "json":
            print_json(asdict(check))
        else:
            _show("ok  " if check.ok else "FAIL", check.name, check.detail)
    outcomes = selftest_findings.run(client) if findings else []
    for one in outcomes:
        if output == "json":
            print_json(asdict(one))
        else:
            mark = {True: "ok  ", False: "FAIL", None: "-   "}[one.ok]
            _show(mark, one.name, one.detail)
    if not all(check.ok for check in checks) or any(one.ok is False for one in outcomes):
        sys.exit(1)


def _show(mark: str, name: str, detail: str) -> None:
    for line in wrapped(f"{mark}  {name}: {visible(detail)}", width(no_trunc=False), INDENT):
        click.echo(line)


def _await_agent(client: AgentClient, seconds: float) -> None:
    """Return once an agent answers; raises :class:`AgentUnreachable` if none does in time."""
    end = time.monotonic() + seconds
    while True:
        try:
            client.status()
        except AgentUnreachable:
            if time.monotonic() >= end:
                raise
            time.sleep(LOOK_SECONDS)
        else:
            return


def _run(client: AgentClient, runtime: str, where: str) -> list[Check]:
    status = client.status()
    agent = f"castoff {status.version}, pid {status.pid}"
    checks = [Check("agent", ok=True, detail=agent)]
    name = proof.new_name()
    watch = _Watch(client, name)
    watch.ready()
    began = time.time()
    ran = proof.start(runtime, where, name)
    detail = ran.problem or f"{' '.join(ran.command)} ran by {runtime} as {name}"
    checks.append(Check("container", ran.problem is None, detail))
    if ran.problem is not None:
        return checks
    event = watch.wait(PATIENCE)
    if event is None:
        detail = f"not within {PATIENCE:g} s of its end"
        return [*checks, Check("reported", ok=False, detail=detail)]
    took = watch.arrived - began
    detail = f"{took * 1000:.0f} ms after the command"
    checks.append(Check("reported", ok=True, detail=detail))
    return [*checks, *_judge(event, runtime), _agreed(client, event["container"]["id"])]


def _judge(event: dict[str, Any], runtime: str) -> list[Check]:
    """Check what the event says."""
    evidence = [(one["source"], one["what"]) for one in event["evidence"]]
    seen = {(one["source"], one["kind"]) for one in event["evidence"]}
    kernel = (Witness.KERNEL, EvidenceKind.INIT_EXEC) in seen
    oci_runtime = event["container"]["oci_runtime"]
    commanded = (Witness.KERNEL, EvidenceKind.RUNTIME_COMMAND) in seen
    start, sure = event["start"], event["confidence"]
    process = (event["initiator"] or {}).get("process") or {}
    caused = any(part.rpartition("/")[2] == runtime for part in (process.get("argv") or [])[:1])
    caller = " ".join(process.get("argv") or ["unknown"])
    said = "; ".join(f"{source}: {what}" for source, what in evidence) or "no evidence"
    return [
        Check("kernel saw the init", kernel, said),
        Check("runtime's command seen", commanded, str(oci_runtime)),
        Check("kind of start", start["kind"] == "first", str(start["kind"])),
        Check(
            "cause",
            caused and start["trigger"] != "unknown",
            f"{start['trigger']} ({sure['trigger']}), {caller}",
        ),
    ]


def _agreed(client: AgentClient, id_: str) -> Check:
    """Check that no source that should have seen the start has missed it."""
    end = time.monotonic() + AGREE_SECONDS
    while True:
        report = CoverageReport.from_json(client.get(f"/v1/coverage?since={PERIOD}"))
        missed = next((row for row in report.disagreements if row.id == id_), None)
        if missed is None:
            return Check("sources agree", ok=True, detail="no source missed it")
        if time.monotonic() >= end:
            missing = ", ".join(missed.missing)
            why = f"not {missing}: {missed.reason}"
            return Check("sources agree", ok=False, detail=why)
        time.sleep(0.2)


class _Watch:
    """Follows the starts of one container in a thread; the process's end ends it."""

    def __init__(self, client: AgentClient, name: str) -> None:
        self.arrived = 0.0
        self._client = client
        self._begun = threading.Event()
        self._found: queue.Queue[dict[str, Any]] = queue.Queue()
        query = urlencode({"follow": 1, "type": "start", "filter": f"container={name}"})
        self._target = f"/v1/events?{query}"
        threading.Thread(target=self._follow, daemon=True).start()

    def ready(self) -> None:
        """Wait until the agent has taken the follower."""
        self._begun.wait(READY_SECONDS)

    def wait(self, seconds: float) -> dict[str, Any] | None:
        """Return the start, None when it does not come."""
        try:
            return self._found.get(timeout=seconds)
        except queue.Empty:
            return None

    def _follow(self) -> None:
        try:
            for line in self._client.lines(self._target, self._begun.set):
                document = json.loads(line)
                if document["type"] == "container.start":
                    self.arrived = time.time()
                    self._found.put(document)
        except CastoffError:
            # The checks say that nothing was reported.
            self._begun.set()
