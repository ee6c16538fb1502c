"""A new version finds the probes of an older one attached: nothing is missed, nothing is repeated.

The older probes come from the history of this checkout, where there is one. Beside them stands a
set whose records no version understands.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from lab import processes
from lab.agent import CHECKOUT, Agent, unload_probes
from lab.engines import Lab
from lab.runc import Runc
from lab.waiting import until
from sensor.bpf import pins
from tests.e2e.test_resilience import storm

pytestmark = pytest.mark.e2e

OLDER = {"layout-3": "19579c8"}
"""Commits whose probes differ from today's. Each costs a compilation more."""

UNKNOWN_LAYOUT = 99
STORM = 12
SWITCH_SECONDS = 60.0


def checked_out(lab: Lab, commit: str) -> Path:
    """Return the files of an earlier commit."""
    tree = lab.sub("older", commit)
    archive = tree / "tree.tar"
    done = subprocess.run(
        ["git", "-C", CHECKOUT, "archive", "-o", archive, commit, "bin", "probes", "sensor"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        # A checkout without history is not the machine's fault, and nothing installs one.
        pytest.skip(f"no history of {commit}: {done.stderr.strip()}")
    processes.run(["tar", "-xf", archive, "-C", tree])
    return tree


def of_unknown_layout(lab: Lab) -> Path:
    """Return today's files, with a layout of records that is not known."""
    tree = lab.sub("older", "unknown")
    for part in ("bin", "probes", "sensor"):
        shutil.copytree(CHECKOUT / part, tree / part, dirs_exist_ok=True)
    header = tree / "probes" / "record.h"
    text = header.read_text()
    before = next(line for line in text.splitlines() if line.startswith("#define CASTOFF_LAYOUT"))
    header.write_text(text.replace(before, f"#define CASTOFF_LAYOUT {UNKNOWN_LAYOUT}"))
    return tree


def load(tree: Path) -> str:
    """Attach the probes of another tree; returns their fingerprint."""
    unload_probes()
    processes.run([tree / "bin" / "castoff", "probes", "load"])
    (loaded,) = pins.loaded_sets()
    return loaded.fingerprint


def switched(older: str) -> bool:
    return [one.fingerprint for one in pins.loaded_sets() if one.fingerprint != older] == [
        one.fingerprint for one in pins.loaded_sets()
    ]


def switch(agent: Agent, runc: Runc, older: str) -> list[str]:
    """Start the agent while containers come and go, and wait for the end of the older set."""
    with storm(runc) as ran:
        until(lambda: len(ran) >= STORM, "containers ran before the agent")
        agent.launch()
        until(lambda: switched(older), "the older probes are gone", SWITCH_SECONDS)
        enough = len(ran) + STORM
        until(lambda: len(ran) >= enough, "containers ran after the switch")
    agent.settle()
    return ran


def started(agent: Agent) -> Counter[str]:
    """Count the starts of each container, as a collector does that drops equal ids."""
    events = {one["id"]: one for one in agent.events if one["type"] == "container.start"}
    return Counter(one["container"]["id"] for one in events.values())


@pytest.mark.parametrize("commit", OLDER.values(), ids=OLDER)
def test_a_switch_from_an_older_probe_set_misses_and_repeats_nothing(
    own_agent: Agent, runc: Runc, lab: Lab, commit: str
) -> None:
    older = load(checked_out(lab, commit))
    ran = switch(own_agent, runc, older)
    starts = started(own_agent)
    assert {name: starts[name] for name in ran} == dict.fromkeys(ran, 1)
    assert own_agent.repeated() == []
    assert own_agent.false_gaps() == []
    assert [one["start"]["trigger"] for one in own_agent.starts(ran[0])] == ["direct_runtime"]


def test_records_of_an_unknown_layout_are_a_gap_and_stop_nothing(
    own_agent: Agent, runc: Runc, lab: Lab
) -> None:
    older = load(of_unknown_layout(lab))
    before = len(own_agent.events)
    ran = switch(own_agent, runc, older)
    starts = started(own_agent)
    assert starts[ran[-1]] == 1, "the agent's own probes report"
    assert max(starts.values()) == 1
    gaps = [event["gap"] for event in own_agent.events[before:] if event["type"] == "gap"]
    assert any("not understood" in gap["reason"] for gap in gaps), gaps
