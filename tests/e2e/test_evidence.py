"""A running agent's log proves itself: through kills, at a collector, and after a forgery."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.agent import COMMAND, Agent
from lab.engines import unique
from lab.runc import Runc
from lab.waiting import until
from tests.evidence.logs import rename, rewrite

pytestmark = pytest.mark.e2e


@pytest.fixture
def collected(own_agent: Agent) -> Path:
    """The file of an output that ships everything."""
    home = own_agent.state_dir.parent
    file, config = home / "collected.jsonl", home / "castoff.toml"
    config.write_text(
        '[agent]\nheartbeat_seconds = 1\n[outputs.collector]\ntype = "jsonl"\n'
        f'path = "{file}"\nstart = "oldest"\n'
    )
    own_agent.options = ["--config", config]
    return file


def verify(agent: Agent, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    command = [COMMAND, "verify", "--log", agent.state_dir, "-o", "json", *arguments]
    done = subprocess.run(list(map(str, command)), check=False, stdout=subprocess.PIPE)
    return done.returncode, json.loads(done.stdout)


def documents(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [
        json.loads(line)
        for line in file.read_bytes().splitlines(keepends=True)
        if line[-1:] == b"\n"
    ]


def actions(file: Path) -> list[str]:
    return [one["sensor"]["action"] for one in documents(file) if one["sensor"] is not None]


def test_the_log_of_an_agent_that_was_killed_and_stopped_is_one_chain(
    own_agent: Agent, runc: Runc, collected: Path
) -> None:
    own_agent.start()
    for _ in range(3):
        runc.run(unique("before"), "true")
    until(lambda: "alive" in actions(collected), "a sign of life is shipped")
    own_agent.kill()
    runc.run(unique("meanwhile"), "true")
    own_agent.start()
    last = unique("after")
    runc.run(last, "true")
    own_agent.one_start(last)
    # A look at a log that is being written.
    code, _ = verify(own_agent)
    assert code == 0
    own_agent.stop()
    code, verdict = verify(own_agent, "--against", collected)
    assert code == 0, verdict["findings"]
    shipped = documents(collected)
    # Delivery is at least once: after a kill some come twice.
    numbers = sorted({one["log"]["sequence"] for one in shipped})
    assert numbers == list(range(1, numbers[-1] + 1))
    assert verdict["compared"] == len(numbers)
    assert verdict["heads"] >= 3
    said = actions(collected)
    assert said.count("log_opened") == 2
    assert said[-1] == "agent_stopped"
    head = [one["sensor"]["log"] for one in shipped if (one["sensor"] or {}).get("log")][-1]
    assert head["sequence"] == shipped[-1]["log"]["sequence"] - 1

    page = own_agent.state_dir.parent / "report.html"
    command = [COMMAND, "report", "--log", own_agent.state_dir, "-o", page]
    subprocess.run(list(map(str, command)), check=True)
    text = page.read_text()
    assert "The chain of every source is whole." in text
    assert last in text

    start = next(one for one in shipped if one["type"] == "container.start")
    rewrite(
        own_agent.state_dir / "castoff.db",
        start["log"]["sequence"],
        rename,
        digests=True,
        heads=True,
    )
    code, _ = verify(own_agent)
    assert code == 0
    code, verdict = verify(own_agent, "--against", collected)
    assert code == 1
    assert verdict["findings"]["listed"][0]["first"] == start["log"]["sequence"]
