"""Golden captures replay to the same bytes anywhere, and each still shows its story.

``python -m tests.golden.record`` makes them anew. A story is written in words below, one line an
event, so that a change of the events that makes a story wrong is seen however it is regenerated.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.agent import COMMAND, Event, validator
from sensor.errors import CaptureMalformed
from sensor.sources.capture import Arrival, CaptureReader
from tests.golden import captures
from tests.golden.behaviours import BEHAVIOURS

CUT_EVERY = 97
STRICT_EVERY = 10 * CUT_EVERY
NOBODY = "65534"
VERBS = frozenset({"run", "start", "restart", "create"})
GIVEN_NAMES = frozenset(
    {"web", "job", "report", "w", "batch", "shop", "main", "short", "fresh", "unseen"}
)
"""Names that behaviours give; others are Docker's choice, new with every recording."""

_MADE_UP_ID = re.compile(r"[0-9a-f]{64}")

FRESH = ("the probes are attached", "the inventory has 0")
BY_RUN = "user_command, inferred, inferred: docker run"
BY_RUN_NAMED = "user_command, exact, exact: docker run"
BY_START = "user_command, exact, exact: docker start"
BY_RESTART = "user_command, exact, exact: docker restart"
BY_RUNC = "direct_runtime, exact, exact"

BY_KUBELET = "by orchestrator, exact, none"
ASKED_BY_KUBELET = "by orchestrator, exact, exact: kubelet"
STORIES: dict[str, tuple[str, ...]] = {
    "docker_run": (*FRESH, f"web starts, first, attempt 0, by {BY_RUN_NAMED}"),
    "docker_short_lived": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: exit 0",
    ),
    "docker_restart_command": (
        *FRESH,
        f"web starts, first, attempt 0, by {BY_RUN_NAMED}",
        "web stops: signal 9",
        f"web starts, restart after signal 9, attempt 0, by {BY_RESTART}",
    ),
    "docker_start_stopped": (
        *FRESH,
        f"job starts, first, attempt 0, by {BY_RUN_NAMED}",
        "job stops: exit 7",
        f"job starts, reactivation after exit 7, attempt 0, by {BY_START}",
        "job stops: exit 7",
    ),
    "docker_restart_policy": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: exit 8",
        "#1 starts, restart after exit 8, attempt 1, by restart_policy, exact, none",
        "#1 stops: exit 8",
    ),
    "docker_engine_boot": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: signal 9",
        "#1 starts, restart after signal 9, attempt 0, by engine_boot, inferred, none",
    ),
    "docker_exec": (*FRESH, f"#1 starts, first, attempt 0, by {BY_RUN}"),
    "docker_pause": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 sees pause",
        "#1 sees unpause",
    ),
    "docker_failed_start": (
        *FRESH,
        f"#1 fails: its init ended before its first execve: first, attempt 0, by {BY_RUN}",
        f"#2 fails: its init ended before its first execve: first, attempt 0, by {BY_RUN}",
    ),
    "docker_kill": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: signal 9",
    ),
    "docker_pid_host": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: exit 3",
    ),
    "docker_renamed_runtime": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}, with harmless-helper",
        "#1 stops: exit 3",
    ),
    "docker_api_start": (
        *FRESH,
        "#1 starts, first, attempt 0, by api_client, inferred, inferred: curl, as alice",
        "#1 stops: exit 0",
    ),
    "docker_parallel": (
        *FRESH,
        *(f"w{number} starts, first, attempt 0, by {BY_RUN_NAMED}" for number in range(8)),
        *(f"w{number} stops: exit 0" for number in range(8)),
    ),
    "docker_logins": (
        *FRESH,
        f"report starts, first, attempt 0, by {BY_RUN_NAMED}, as alice",
        "report stops: exit 0",
        f"#1 starts, first, attempt 0, by {BY_RUN}, as bob",
        "#1 stops: exit 0",
    ),
    "unshare": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: exit 6",
    ),
    "ctr_run_named": (
        *FRESH,
        "My_Box.v1.2 starts, first, by user_command, exact, exact: ctr run",
        "My_Box.v1.2 stops: exit 0",
    ),
    "cri_pod": (
        *FRESH,
        "shop starts, first, by orchestrator, exact, none",
        "main starts, first, attempt 0, by orchestrator, exact, none",
        "main stops: exit 5",
        "main starts, restart after exit 5, attempt 1, by orchestrator, exact, none",
    ),
    "kubelet_pods": (
        *FRESH,
        *(
            line
            for number in (1, 2, 3)
            for line in (
                f"#{number} starts, first, {ASKED_BY_KUBELET}",
                f"main starts, first, attempt 0, {ASKED_BY_KUBELET}",
            )
        ),
    ),
    "kubelet_causes": (
        *FRESH,
        f"#1 starts, first, {BY_KUBELET}",
        f"main starts, first, attempt 0, {BY_KUBELET}",
        "main stops: exit 3",
        f"main starts, restart after exit 3, attempt 1, {BY_KUBELET}",
        "main stops: signal 9",
        f"main starts, restart after signal 9, attempt 2, {BY_KUBELET}",
        "#1 stops: signal 9",
        "main stops: signal 9",
        f"#2 starts, restart after signal 9, {BY_KUBELET}",
        f"main starts, restart after signal 9, attempt 3, {BY_KUBELET}",
        f"#3 fails: its init ended before its first execve: first, attempt 0, {BY_KUBELET}",
    ),
    "kubelet_kills": (
        *FRESH,
        f"#1 starts, first, {ASKED_BY_KUBELET}",
        f"main starts, first, attempt 0, {ASKED_BY_KUBELET}",
        "main stops: signal 9",
        f"main starts, restart after signal 9, attempt 1, {ASKED_BY_KUBELET}",
        f"#2 starts, first, attempt 0, {ASKED_BY_KUBELET}",
    ),
    "kubelet_and_another": (
        *FRESH,
        f"#1 starts, first, {ASKED_BY_KUBELET}",
        "#2 starts, first, by api_client, exact, exact: injector",
        "main starts, first, attempt 0, by api_client, exact, exact: injector",
        "main stops: signal 9",
        "#2 stops: signal 9",
    ),
    "forged_annotations": (
        *FRESH,
        f"#1 starts, first, {BY_KUBELET}",
        f"main starts, first, attempt 0, {BY_KUBELET}",
        "main starts, first, by user_command, exact, exact: ctr run",
        "main stops: exit 0",
    ),
    "kubelet_without_agent": (
        "the probes are attached still",
        *(
            line
            for attempt in (1, 2, 3)
            for line in (
                f"main starts, restart after exit 1, attempt {attempt}, {BY_KUBELET}",
                "main stops: exit 1",
            )
        ),
        "the inventory has 1",
    ),
    "podman_run": (
        *FRESH,
        "batch starts, first, by user_command, exact, exact: podman run",
        "batch stops: exit 0",
    ),
    "podman_restart": (
        *FRESH,
        "web starts, first, by user_command, exact, exact: podman run",
        "web stops: signal 9",
        "web starts, restart after signal 9, by user_command, exact, exact: podman restart",
    ),
    "runc_by_hand": (
        *FRESH,
        f"byhand starts, first, by {BY_RUNC}: runc run",
        "byhand is an alert: direct-runtime",
        "byhand stops: exit 3",
    ),
    "runc_renamed_by_hand": (
        *FRESH,
        f"byfoo starts, first, by {BY_RUNC}: foo run, with foo",
        "byfoo is an alert: direct-runtime",
        "byfoo stops: exit 4",
    ),
    "runc_shared_pid": (
        *FRESH,
        f"shares starts, first, by {BY_RUNC}: runc run",
        "shares is an alert: direct-runtime",
        "shares stops: signal 9",
    ),
    "agent_upgrade": (
        "the probes are attached still",
        "the inventory has 2",
        f"short starts, first, attempt 0, by {BY_RUN_NAMED}",
        "short stops: exit 0",
        f"fresh starts, first, attempt 0, by {BY_RUN_NAMED}",
    ),
    "agent_blind": (
        "the probes are attached",
        "gap of kernel: None lost",
        "the inventory has 2",
        "unseen starts, first, attempt 0, by unknown, none, none, late by procfs",
    ),
    "kernel_loss": (
        *FRESH,
        "#1 starts, first, attempt 0, by user_command, inferred, inferred: docker run",
        "#1 stops: exit 0",
        "gap of kernel.lifecycle: 1 lost",
        "gap of kernel.commands: 200 lost",
    ),
}

AT_ONCE = frozenset({"docker_parallel", "agent_upgrade", "agent_blind"})
"""Stories whose lines come in any order: of eight at once, of an inventory beside the rings."""


def name(path: Path) -> str:
    return path.stem


def story(events: list[Event]) -> Iterator[str]:
    """Put events into words, one line each."""
    called: dict[str, str] = {}
    unnamed = 0
    for event in events:
        container = event["container"]
        if container is not None and container["id"] not in called:
            given = _given_name(container)
            unnamed += given is None
            called[container["id"]] = given or f"#{unnamed}"
        yield _line(event, called[container["id"]] if container is not None else None)


def _given_name(container: dict[str, Any]) -> str | None:
    """Return the name or the id, unless the engine has made it up."""
    given: str = container["name"] or container["id"]
    if container["name"] is None:
        return None if _MADE_UP_ID.fullmatch(given) else given
    return given if given.rstrip("01234567") in GIVEN_NAMES else None


def _line(event: Event, who: str | None) -> str:
    kind = event["type"].removeprefix("container.")
    if kind in ("start", "stop", "start_failed"):
        emitted = {
            "start": lambda: f"starts, {_start(event)}",
            "stop": lambda: f"stops: {_end(event['stop'])}",
            "start_failed": lambda: f"fails: {event['stop']['reason']}: {_start(event)}",
        }
        return f"{who} {emitted[kind]()}"
    if kind == "gap":
        about = f" about {who}" if who else ""
        return f"gap of {event['gap']['source']}{about}: {event['gap']['lost']} lost"
    if kind == "sensor" and event["sensor"]["action"] == "inventory_taken":
        return f"the inventory has {event['sensor']['containers']}"
    if kind == "sensor":
        still = " still" if event["sensor"]["probes_surviving"] else ""
        return f"the probes are attached{still}"
    if kind == "alert":
        return f"{who} is an alert: {event['alert']['finding']}"
    return f"{who} sees {kind}"


def _start(event: Event) -> str:
    start, confidence = event["start"], event["confidence"]
    words = start["kind"]
    if start["previous"] is not None:
        words += f" after {_end(start['previous'])}"
    if start["attempt"] is not None:
        words += f", attempt {start['attempt']}"
    words += f", by {start['trigger']}, {confidence['trigger']}, {confidence['initiator']}"
    if (initiator := event["initiator"]) is not None:
        program, *rest = initiator["process"]["argv"]
        verb = next((word for word in rest if word in VERBS), None)
        words += ": " + " ".join(filter(None, (Path(program).name, verb)))
        if initiator["user"]["auid_name"] is not None:
            words += f", as {initiator['user']['auid_name']}"
    if event["container"]["oci_runtime"] not in ("runc", None):
        words += f", with {event['container']['oci_runtime']}"
    if {one["source"] for one in event["evidence"]} == {"procfs"}:
        words += ", late by procfs"
    return str(words)


def _end(end: dict[str, Any]) -> str:
    return f"exit {end['exit_code']}" if end["signal"] is None else f"signal {end['signal']}"


def castoff(*words: str | Path, user: str | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command, as another user if one is given."""
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
    return subprocess.run(
        [*become, COMMAND, *words], capture_output=True, check=False, timeout=60, cwd="/"
    )


def events_in(capture: Path) -> list[Event]:
    return [json.loads(line) for line in captures.lines_of(capture).read_bytes().splitlines()]


every_capture = pytest.mark.parametrize("capture", captures.captures(), ids=name)


def test_every_behaviour_has_a_capture_its_lines_and_a_story() -> None:
    found = {capture.stem for capture in captures.captures()}
    assert found == set(BEHAVIOURS) == set(STORIES)
    assert {path.stem for path in captures.HERE.glob("*.jsonl")} == found


@every_capture
def test_a_replay_by_the_command_gives_the_golden_lines(capture: Path) -> None:
    done = castoff("replay", capture)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == captures.lines_of(capture).read_bytes()


@every_capture
def test_a_replay_in_this_process_gives_the_golden_lines_twice(capture: Path) -> None:
    arrivals = captures.read(capture)
    golden = captures.lines_of(capture).read_bytes()
    assert captures.replay(arrivals) == golden
    assert captures.replay(arrivals) == golden


@pytest.mark.parametrize("behaviour", ["docker_run", "agent_upgrade", "kernel_loss"])
def test_any_user_can_replay(behaviour: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("not root: every other test here replays as a user already")
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv (util-linux) to become another user with")
    capture = captures.HERE / f"{behaviour}.capture"
    seen = castoff("--help", user=NOBODY)
    if seen.returncode != 0:
        pytest.skip(f"this checkout is not readable by others: {seen.stderr.decode().strip()}")
    done = castoff("replay", capture, user=NOBODY)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == captures.lines_of(capture).read_bytes()


@every_capture
def test_every_golden_event_is_reported_once(capture: Path) -> None:
    ids = Counter(event["id"] for event in events_in(capture))
    assert set(ids.values()) == {1}


@every_capture
def test_every_golden_event_is_of_the_schema(capture: Path) -> None:
    events = events_in(capture)
    problems = [
        f"{problem.json_path}: {problem.message}"
        for event in events
        for problem in validator().iter_errors(event)
    ]
    assert not problems


@pytest.mark.parametrize("behaviour", STORIES)
def test_every_capture_shows_its_story(behaviour: str) -> None:
    emitted = list(story(events_in(captures.HERE / f"{behaviour}.capture")))
    wanted = STORIES[behaviour]
    if behaviour in AT_ONCE:
        assert sorted(emitted) == sorted(wanted)
    else:
        assert tuple(emitted) == wanted


def test_a_start_whose_record_was_lost_is_known_by_its_end() -> None:
    events = events_in(captures.HERE / "kernel_loss.capture")
    (start,) = [event for event in events if event["type"] == "container.start"]
    assert start["evidence"][0]["what"] == "exit of an init that had run"


@every_capture
def test_captures_are_small_and_name_no_machine(capture: Path) -> None:
    assert capture.stat().st_size <= captures.SIZE_MAX
    for event in events_in(capture):
        assert event["host"]["name"] == "node-1"
        initiator = event["initiator"] or {"ancestors": []}
        for ancestor in initiator["ancestors"]:
            assert ancestor["comm"] in {"python", "sh", "bash", "systemd", "sshd", "runc"}


@every_capture
def test_a_cut_capture_is_refused_or_replays_to_a_prefix(capture: Path) -> None:
    data = capture.read_bytes()
    whole = captures.read(capture)
    golden = captures.lines_of(capture).read_bytes()
    shown: dict[int, bytes] = {}
    for size in range(0, len(data), CUT_EVERY):
        try:
            kept, cut = _read(data[:size])
        except CaptureMalformed:
            assert not shown, "only a capture without a whole header is refused"
            continue
        if cut and size % STRICT_EVERY == 0:
            with pytest.raises(CaptureMalformed):
                list(CaptureReader(io.BytesIO(data[:size]), name="cut"))
        assert kept == whole[: len(kept)]
        if len(kept) not in shown:
            shown[len(kept)] = captures.replay(kept)
        assert golden.startswith(shown[len(kept)])
    assert shown


def _read(data: bytes) -> tuple[list[Arrival], bool]:
    """Read as ``--cut`` does: what is there, and whether the last entry was cut."""
    reader = CaptureReader(io.BytesIO(data), name="cut", tolerate_cut=True)
    return list(reader), reader.cut


def test_the_command_says_when_a_capture_is_cut(tmp_path: Path) -> None:
    capture = captures.HERE / "docker_start_stopped.capture"
    cut = tmp_path / "cut.capture"
    cut.write_bytes(capture.read_bytes()[:-CUT_EVERY])
    refused = castoff("replay", cut)
    assert refused.returncode == CaptureMalformed.exit_code
    assert b"cut short" in refused.stderr
    accepted = castoff("replay", "--cut", cut)
    assert accepted.returncode == 0
    assert b"ends in the middle" in accepted.stderr
    assert captures.lines_of(capture).read_bytes().startswith(accepted.stdout)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_golden_capture_with_a_changed_byte_never_raises_anything_else(
    data: st.DataObject,
) -> None:
    capture = data.draw(st.sampled_from(captures.captures()))
    changed = bytearray(capture.read_bytes())
    position = data.draw(st.integers(0, len(changed) - 1))
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        captures.replay(_read(bytes(changed))[0])
    except CaptureMalformed:
        return
