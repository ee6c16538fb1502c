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
from tests.golden.sanitise import PACKAGES
from tests.golden.stories import AT_ONCE, STORIES

CUTS_MAX, CUT_EVERY = 50, 97
"""Places where a capture is cut, and the fewest bytes between two of them."""
STRICT_EVERY = 10
"""Cuts of which one is read strictly, too."""
PLAIN_UID = "65534"
VERBS = frozenset({"run", "start", "restart", "create"})
GIVEN_NAMES = frozenset(
    {"web", "job", "report", "w", "batch", "shop", "main", "short", "fresh", "unseen"}
)
"""Names that behaviours give; others are Docker's choice, new with every recording."""

COMMON = frozenset({"bash", "containerd-shim", "python", "runc", "sh", "sshd", "systemd"})
"""Programs that any node has."""

_PACKAGES = re.compile(r"[\w./-]+-packages\b")
_MADE_UP_ID = re.compile(r"[0-9a-f]{64}")


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
    seen = castoff("--help", user=PLAIN_UID)
    if seen.returncode != 0:
        pytest.skip(f"this checkout is not readable by others: {seen.stderr.decode().strip()}")
    done = castoff("replay", capture, user=PLAIN_UID)
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
            assert ancestor["comm"] in COMMON
    assert set(_PACKAGES.findall(repr(captures.read(capture)))) <= {PACKAGES}


@every_capture
def test_a_cut_capture_is_refused_or_replays_to_a_prefix(capture: Path) -> None:
    data = capture.read_bytes()
    whole = captures.read(capture)
    golden = captures.lines_of(capture).read_bytes()
    shown: dict[int, bytes] = {}
    step = max(CUT_EVERY, len(data) // CUTS_MAX)
    for number, size in enumerate(range(0, len(data), step)):
        try:
            kept, cut = _read(data[:size])
        except CaptureMalformed:
            assert not shown, "only a capture without a whole header is refused"
            continue
        if cut and number % STRICT_EVERY == 0:
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
