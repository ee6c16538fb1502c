"""Verdicts of real starts: a change, a policy, a restart policy, and an agent that is killed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.agent import COMMAND, Agent
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.image import IMAGE
from lab.runc import Runc
from lab.waiting import until
from sensor.api.client import AgentClient

pytestmark = pytest.mark.e2e

Verdict = dict[str, Any]


@pytest.fixture
def place(own_agent: Agent) -> Path:
    """The directory of the agent's configuration and policy."""
    directory = own_agent.state_dir.parent / "etc"
    directory.mkdir(mode=0o755)
    (directory / "castoff.toml").write_text("")
    own_agent.options = ["--config", directory / "castoff.toml"]
    return directory


def castoff(agent: Agent, *words: str) -> str:
    done = subprocess.run(
        [COMMAND, *words, "--socket", agent.socket], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def verdict_of(agent: Agent, container: str) -> Verdict:
    verdict: Verdict = agent.one_start(container)["verdict"]
    return verdict


def notes(agent: Agent, action: str) -> list[dict[str, Any]]:
    return [
        event["sensor"]
        for event in agent.events
        if event["type"] == "sensor" and event["sensor"]["action"] == action
    ]


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)


def test_a_start_carries_what_it_is_judged_by(own_agent: Agent, docker: Dockerd) -> None:
    own_agent.start()
    container = docker.run("-w", "/tmp", "--restart", "on-failure", IMAGE)
    start = own_agent.one_start(container)
    assert start["container"]["namespace"] == "moby"
    assert start["container"]["restart_policy"] == "on-failure"
    assert start["container"]["cwd"] == "/tmp"
    assert start["container"]["oci_runtime_path"].endswith("/runc")
    assert start["container"]["security"]["devices"] == []
    assert start["verdict"]["expected"] is None
    assert start["verdict"]["reasons"] == ["no explanation on file"]
    assert start["verdict"]["workload"] == f"image/{IMAGE.partition(':')[0]}"


def test_a_change_explains_a_start_and_what_the_restart_policy_makes_of_it(
    own_agent: Agent, docker: Dockerd, place: Path
) -> None:
    assert place.exists()
    own_agent.start()
    name = unique("crash")
    castoff(
        own_agent, "change", "add", "CHG-1", "--selector", f"name={name}", "--for", "1h",
        "--by", "carol", "--max-starts", "1",
    )  # fmt: skip
    container = docker.run("--name", name, "--restart", "on-failure:2", IMAGE, "sh", "-c", "exit 3")
    until(lambda: len(own_agent.starts(container)) >= 3, "it was restarted twice")
    first, *restarts = own_agent.starts(container)
    assert first["verdict"]["explanation"] == "change"
    assert first["verdict"]["change"] == "CHG-1"
    for restart in restarts:
        assert restart["verdict"]["expected"] is True
        assert restart["verdict"]["explanation"] == "restart_policy"
    until(lambda: notes(own_agent, "change_used_up"), "the change is used up")
    assert notes(own_agent, "change_added")[0]["detail"] == "CHG-1: approved by carol"
    filtered = castoff(
        own_agent, "events", "-o", "json", "--since", "1h", "--filter", "change=CHG-1"
    )
    (line,) = filtered.splitlines()
    assert json.loads(line)["container"]["id"] == container
    assert "expected: yes, by restart policy" in castoff(own_agent, "explain", name)


def test_a_policy_takes_effect_with_a_signal_and_a_broken_one_changes_nothing(
    own_agent: Agent, docker: Dockerd, place: Path
) -> None:
    own_agent.start()
    name = unique("forbidden")
    write(place / "policy.toml", f'[forbid.it]\nname = "{name}*"\n')
    own_agent.hang_up()
    until(lambda: notes(own_agent, "policy_loaded"), "the policy is loaded")
    verdict = verdict_of(own_agent, docker.run("--name", f"{name}-1", IMAGE))
    assert (verdict["expected"], verdict["findings"]) == (False, ["forbidden"])
    write(place / "policy.toml", "[forbdi.it]\n")
    own_agent.hang_up()
    until(lambda: notes(own_agent, "policy_refused"), "the policy is refused")
    assert "forbdi: unknown key" in notes(own_agent, "policy_refused")[0]["detail"]
    assert verdict_of(own_agent, docker.run("--name", f"{name}-2", IMAGE))["expected"] is False
    own_agent.kill()
    own_agent.start()
    assert verdict_of(own_agent, docker.run("--name", f"{name}-3", IMAGE))["expected"] is False
    (began,) = notes(own_agent, "probes_attached")[1:]
    assert began["last_end"] == "killed"
    assert 0 < began["down_seconds"] < 120


def test_what_was_explained_outlasts_the_agent(
    own_agent: Agent, docker: Dockerd, place: Path
) -> None:
    assert place.exists()
    own_agent.start()
    name = unique("steady")
    castoff(
        own_agent, "change", "add", "CHG-2", "--selector", f"name={name}", "--for", "1h",
        "--by", "carol",
    )  # fmt: skip
    container = docker.run("--name", name, "--restart", "always", IMAGE, "sleep", "600")
    assert verdict_of(own_agent, container)["change"] == "CHG-2"
    castoff(own_agent, "change", "end", "CHG-2")
    own_agent.stop()
    own_agent.start()
    (began,) = notes(own_agent, "probes_attached")[1:]
    assert began["last_end"] == "clean"
    kill_init(own_agent, container)
    until(lambda: len(own_agent.starts(container)) >= 2, "it was restarted")
    again = own_agent.starts(container)[-1]
    assert again["verdict"]["explanation"] == "restart_policy", again["verdict"]
    (line,) = castoff(own_agent, "change", "list", "-o", "json").splitlines()
    change = json.loads(line)
    assert (change["state"], change["starts"]) == ("ended", 1)


def test_a_boot_of_the_engine_carries_on_what_was_explained_and_no_more(
    own_agent: Agent, docker: Dockerd, place: Path
) -> None:
    write(place / "policy.toml", '[expect.web]\nname = "castoff-web*"\ntrigger = "user_command"\n')
    own_agent.start()
    known, stray = unique("web"), unique("stray")
    options = ("--restart", "always", "--stop-signal", "KILL")
    containers = {
        name: docker.run("--name", name, *options, IMAGE, "sleep", "600") for name in (known, stray)
    }
    first = {name: verdict_of(own_agent, id_) for name, id_ in containers.items()}
    assert [first[name]["explanation"] for name in (known, stray)] == ["policy", None]
    docker.stop()
    docker.start()
    again = {name: own_agent.exactly(2, "start", id_)[-1] for name, id_ in containers.items()}
    assert {one["start"]["trigger"] for one in again.values()} == {"engine_boot"}
    assert again[known]["verdict"]["explanation"] == "engine_boot"
    assert again[known]["verdict"]["expected"] is True
    assert again[stray]["verdict"]["expected"] is None
    docker.remove(containers.values())


def alerts(agent: Agent, *words: str) -> list[dict[str, Any]]:
    said = castoff(agent, "alerts", "list", "-o", "json", *words)
    return [json.loads(line) for line in said.splitlines()]


def test_an_alert_is_raised_acknowledged_and_outlasts_the_agent(
    own_agent: Agent, runc: Runc
) -> None:
    own_agent.start()
    name = unique("box")
    runc.run(name, "true")
    verdict = verdict_of(own_agent, name)
    assert (verdict["expected"], verdict["findings"]) == (False, ["direct-runtime"])
    (alert,) = alerts(own_agent)
    assert (alert["finding"], alert["severity"], alert["class"]) == (
        "direct-runtime",
        "high",
        "security",
    )
    # The lab's own first container was run by hand, too: one alert for both.
    assert alert["count"] >= 1
    event = next(one for one in own_agent.events if one["type"] == "alert")
    assert event["alert"]["id"] == alert["id"]
    assert event["alert"]["facts"][0]["expected"] == "an engine above the runtime"
    castoff(own_agent, "alerts", "ack", alert["id"][:8], "--reason", "the lab", "--expected")
    own_agent.stop()
    own_agent.start()
    listed = alerts(own_agent, "--all")
    (kept,) = [one for one in listed if one["id"] == alert["id"]]
    assert (kept["state"], kept["reason"]) == ("acknowledged", "the lab"), listed
    again = unique("box")
    runc.run(again, "true")
    verdict = verdict_of(own_agent, again)
    assert verdict["findings"] == [], verdict
    shown = castoff(own_agent, "baseline", "show")
    assert "runtime without an engine" in shown


def kill_init(agent: Agent, container: str) -> None:
    """End a container's init from outside, as a crash does."""
    pid = agent.starts(container)[0]["container"]["pid"]
    subprocess.run(["kill", "-9", str(pid)], check=True)


def test_what_was_acknowledged_outlasts_a_kill_right_after_the_answer(
    own_agent: Agent, runc: Runc
) -> None:
    own_agent.start()
    identity = unique("byhand")
    runc.run(identity, "true")
    own_agent.one_start(identity)

    def alerts() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = AgentClient(own_agent.socket).document("/v1/alerts")["alerts"]
        return [one for one in found if one["finding"] == "direct-runtime"]

    until(lambda: bool(alerts()), "the alert is there")
    (alert,) = alerts()
    body: dict[str, object] = {"reason": "by hand", "expected": True}
    AgentClient(own_agent.socket).post(f"/v1/alerts/{alert['id']}/ack", body)
    own_agent.kill()
    own_agent.start()
    (after,) = alerts()
    assert (after["state"], after["reason"], after["held_back"]) == ("acknowledged", "by hand", 0)
