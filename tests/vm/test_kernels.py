"""The product on other kernels: real engines in a guest, exactly one start a container.

One guest a kernel plays every scenario of scenarios.py; each scenario is a test of its own. A guest
takes five to eight minutes under software emulation, so this runs on demand only: ``make vm``.

    CASTOFF_VM=1                 run it
    CASTOFF_VM_KERNELS=trixie    only these suites' kernels (space separated); bookworm@v1 is the
                                 same kernel with the controllers of cgroup v1, arm64 another
                                 processor with runtimes alone, arm64@engines with systemd too
    CASTOFF_VM_SCENARIOS="a b"   only scenarios whose names contain a or b, recorded as a part
    CASTOFF_VM_CACHE=DIRECTORY   where images are kept
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sensor.bpf import programs
from tests.vm import arm64, arm64_engines, clocks, image, machine, other_engines, support  # noqa: F401 - they have scenarios
from tests.vm.scenarios import SCENARIOS, wanted
from tests.vm.story import START, STOP, signal_name

KERNELS = {"bullseye": "5.10", "bookworm": "6.1", "trixie": "6.12", "sid": ""}
"""Debian suites and the version that their kernel's release begins with; sid's moves."""

ELSEWHERE = {arm64.ARCHITECTURE: arm64, f"{arm64.ARCHITECTURE}@engines": arm64_engines}
"""What plays on demand alone, on another processor."""

ELSEWHERE_VERSION = "6.1"

LEGACY = "@v1"
"""Behind a suite: the guest mounts the controllers of cgroup v1, as systemd does on request."""

LEGACY_WORDS = ("systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller=1")

SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "schema" / "castoff.event.1.schema.json"
CONNECT_SINCE = (6, 7)
"""The first kernel with cgroup/connect_unix."""

SENT_SINCE = (6, 3)
"""The first kernel with the tracepoint sock_send_length."""

FENTRY = (programs.REQUEST, programs.CONNECTED, programs.RELEASE)
FENTRY_ON_ARM64_SINCE = (6, 4)
"""The first kernel whose ftrace calls them there."""

KNOWN_BY_THEIR_COMMAND = {"docker"}
"""Clients that name the container in their command line; a curl is known by its request alone."""

UNKNOWN = ["", None, "none"]
"""The cause of a start whose request the kernel does not show."""

OF_THE_SENSOR = {"alert", "sensor"}
"""Types that no scenario causes by itself: the agent's own, and what it concludes of starts."""

OF_THE_GUEST = {"agent", "clock"}
"""Sources of gaps that an emulated guest causes: it starves the agent, and its clock is set."""

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(
        os.environ.get("CASTOFF_VM") != "1",
        reason="guests take minutes a kernel under emulation; run them with: make vm",
    ),
]


def chosen_kernels() -> tuple[str, ...]:
    return tuple(os.environ.get("CASTOFF_VM_KERNELS", " ".join(KERNELS)).split())


def version(release: str) -> tuple[int, int]:
    """Major and minor number of what uname -r says."""
    major, minor, *_ = release.split(".")
    return int(major), int(minor)


class Run:
    """All that one guest reported, by what it is about."""

    def __init__(self, reports: list[machine.Report]) -> None:
        self.reports = reports
        self.scenarios: dict[str, Any] = {
            str(report["name"]): report for report in reports if report["what"] == "scenario"
        }

    def one(self, what: str) -> machine.Report:
        """The report of a kind that comes once."""
        found = [report for report in self.reports if report["what"] == what]
        assert found, f"the guest did not report {what!r}; last: {self.last()}"
        return found[0]

    def last(self) -> str:
        """What the guest said at the end, without the events."""
        brief = ("what", "name", "text", "error")
        return str([{k: r[k] for k in brief if r.get(k)} for r in self.reports[-3:]])


def progress(suite: str) -> Callable[[machine.Report], None]:
    """Show how far the guest is; pytest shows it with -s, and when a test fails."""
    began = time.monotonic()

    def show(report: machine.Report) -> None:
        words = [str(report[key]) for key in ("what", "name", "kernel", "error") if report.get(key)]
        sys.stderr.write(f"{suite} {time.monotonic() - began:6.1f} s  {' '.join(words)}\n")
        sys.stderr.flush()

    return show


def play(suite: str, directory: Path) -> Run:
    """Boot a kernel and play all scenarios in it."""
    job = directory / "job"
    words = os.environ.get("CASTOFF_VM_SCENARIOS", "")
    job.write_text(f"#!/bin/sh\ncd castoff && exec python3 -m tests.vm.guest {words}\n")
    console = directory / "console.log"
    if suite in ELSEWHERE:
        with ELSEWHERE[suite].boot(job, console) as running:
            return Run(running.read(progress(suite)))
    kernel = image.kernel(suite.removesuffix(LEGACY))
    more = LEGACY_WORDS if suite.endswith(LEGACY) else ()
    with machine.boot(kernel, image.root_image(), job, console, words=more) as running:
        return Run(running.read(progress(suite)))


@pytest.fixture(scope="module", params=chosen_kernels())
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What happened in the guest; a guest that broke down fails each of its tests."""
    missing = ELSEWHERE.get(request.param, image).missing_tools()
    assert not missing, f"not installed: {', '.join(missing)}; run: make vm"
    played = play(request.param, tmp_path_factory.mktemp(f"vm-{request.param}"))
    support.booted(request.node.nodeid, request.param, played.reports)
    return played


def test_the_kernel_is_the_one_that_was_meant(run: Run, request: pytest.FixtureRequest) -> None:
    suite = request.node.callspec.params["run"]
    meant = ELSEWHERE_VERSION if suite in ELSEWHERE else KERNELS[suite.removesuffix(LEGACY)]
    assert str(run.one("boot")["kernel"]).startswith(meant)
    assert run.one("boot")["legacy"] == suite.endswith(LEGACY)


def test_the_kernel_takes_all_programs(run: Run) -> None:
    load = run.one("load")
    assert load["code"] == 0, load["text"]
    status = json.loads(str(run.one("agent")["probes"]))
    release = str(run.one("boot")["kernel"])
    connects = version(release) >= CONNECT_SINCE
    traced = not release.endswith(arm64.ARCHITECTURE) or version(release) >= FENTRY_ON_ARM64_SINCE
    assert set(status["programs"]) == {
        *(program.name for program in programs.CORE),
        *(one.name for one in FENTRY if traced),
        programs.TCP_STATE.name,
        *([programs.CONNECT.name] if connects else []),
        *([programs.SENT.name] if version(release) >= SENT_SINCE else []),
    }
    assert status["current"]


def test_programs_are_kept_for_the_next_boot(run: Run) -> None:
    assert "compiled and attached" in str(run.one("load")["text"])
    assert "attached from kept programs" in str(run.one("reload")["text"])


def test_the_agent_ends_with_zero(run: Run) -> None:
    agent = run.one("agent")
    assert agent["code"] == 0, agent["errors"]


def test_every_event_follows_the_schema(run: Run) -> None:
    validator = Draft202012Validator(json.loads(SCHEMA_PATH.read_text()))
    for report in run.scenarios.values():
        for event in report["events"]:
            problems = [f"{e.json_path}: {e.message}" for e in validator.iter_errors(event)]
            assert not problems, (report["name"], problems)


def is_of_the_guest(event: dict[str, Any]) -> bool:
    """Whether the event is about the agent or the guest's own state, and not about a container."""
    if event["type"] in OF_THE_SENSOR:
        return True
    return event["gap"] is not None and event["gap"]["source"] in OF_THE_GUEST


def chosen_scenarios() -> list[str]:
    parts = os.environ.get("CASTOFF_VM_SCENARIOS", "").split()
    return [one.__name__ for one in SCENARIOS if wanted(one.__name__, parts)]


@pytest.mark.parametrize("name", chosen_scenarios())
def test_each_scenario_is_reported_as_it_was_and_nothing_else_is(run: Run, name: str) -> None:
    report = run.scenarios.get(name)
    assert report is not None, f"the guest did not come so far; last: {run.last()}"
    if report["skipped"]:
        pytest.skip(report["skipped"])
    assert report["error"] is None, (report["error"], outline(report["events"]))
    left = [event for event in report["events"] if not is_of_the_guest(event)]
    for expected in report["expected"]:
        mine = [event for event in left if is_about(event, expected)]
        left = [event for event in left if event not in mine]
        check(expected, mine, requests_are_seen=requests_are_seen(run))
    assert not left, f"unexpected: {outline(left)}"


def requests_are_seen(run: Run) -> bool:
    """Whether this kernel shows what clients ask of engines, without audit rules."""
    status = json.loads(str(run.one("agent")["probes"]))
    return not {programs.REQUEST.name, programs.SENT.name}.isdisjoint(status["programs"])


def is_about(event: dict[str, Any], expected: dict[str, Any]) -> bool:
    container = event["container"]
    if container is None:
        return False
    if expected["id"] is None:
        return bool(container["name"] == expected["name"])
    return bool(container["id"] == expected["id"])


def check(
    expected: dict[str, Any], events: list[dict[str, Any]], *, requests_are_seen: bool
) -> None:
    """Compare one container's events with what its scenario said of it."""
    seen = outline(events)
    kinds = [event["start"]["kind"] for event in events if event["type"] == START]
    assert kinds == expected["starts"], seen
    ends = [how_it_ended(event) for event in events if event["type"] == STOP]
    assert ends == expected["stops"], seen
    others = [e["type"] for e in events if e["type"] not in (START, STOP)]
    assert others == expected["others"], seen
    for event in events:
        container = event["container"]
        assert len({event["id"] for event in events}) == len(events), seen
        assert container["name"] == expected["name"], seen
        image_of = container["image"]
        assert (image_of and image_of["name"]) == expected["image"], seen
        if event["type"] == START and expected["cgroup"] is not None:
            assert container["cgroup"] == expected["cgroup"], seen
        if event["type"] == START and expected["caused_by"] is not None:
            assert who_caused(event) == cause(expected, requests_are_seen=requests_are_seen), event


def cause(expected: dict[str, Any], *, requests_are_seen: bool) -> list[Any]:
    """Program, login uid and confidence that a start's initiator must have."""
    client = expected["caused_by"]
    if requests_are_seen:
        return [*client, "exact"]
    return [*client, "inferred"] if client[0] in KNOWN_BY_THEIR_COMMAND else UNKNOWN


def who_caused(event: dict[str, Any]) -> list[Any]:
    """Program and login uid of a start's initiator, and how sure the sensor is of it."""
    initiator = event["initiator"] or {}
    argv = (initiator.get("process") or {}).get("argv") or [""]
    login = (initiator.get("user") or {}).get("auid")
    return [Path(argv[0]).name, login, event["confidence"]["initiator"]]


def how_it_ended(event: dict[str, Any]) -> int | str | None:
    """Exit code, or the signal's name as guest.py writes it."""
    stop = event["stop"]
    if stop["signal"] is not None:
        return signal_name(stop["signal"])
    code: int | None = stop["exit_code"]
    return code


def outline(events: list[dict[str, Any]]) -> str:
    """Events without what no test here looks at."""
    kept = ("id", "name", "image", "cgroup", "runtime", "oci_runtime", "pid")
    return json.dumps(
        [
            {
                "type": event["type"],
                "container": {key: (event["container"] or {}).get(key) for key in kept},
                "start": event["start"] and event["start"]["kind"],
                "stop": event["stop"],
                "gap": event["gap"],
            }
            for event in events
        ],
        indent=1,
    )
