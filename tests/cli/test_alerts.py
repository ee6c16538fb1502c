"""``castoff alerts``: listed, shown, acknowledged and suppressed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from lab.waiting import until
from sensor.api.client import RequestRefused
from sensor.api.limits import Limits
from sensor.cli.alerts import command
from sensor.errors import CastoffError
from tests.api.bridge import Running, running
from tests.api.sample_agent import Judged, Log, View, line
from tests.cli.asking import CASTOFF


@pytest.fixture
def agent() -> Iterator[Running]:
    with running(View(), Log(), judgement=Judged()) as one:
        yield one


def run(agent: Running, *words: str) -> Result:
    return CliRunner().invoke(
        command, [*words, "--socket", str(agent.path)], catch_exceptions=False
    )


def only(agent: Running) -> dict[str, object]:
    found: dict[str, object] = json.loads(run(agent, "list", "-o", "json").output)
    return found


def test_alerts_are_listed_and_shown(agent: Running) -> None:
    alert = only(agent)
    assert (alert["finding"], alert["severity"]) == ("unknown-runtime", "high")
    table = run(agent, "list").output
    assert "unknown-runtime" in table
    shown = run(agent, "show", str(alert["id"])[:6]).output
    assert "expected a directory of packages, seen /tmp/.x/runc" in shown
    assert "docs/findings/unknown-runtime.md" in shown
    assert json.loads(run(agent, "show", str(alert["id"]), "-o", "json").output) == alert
    assert run(agent, "list", "--class", "operational", "-o", "json").output == ""


def test_a_fact_is_wrapped_between_words_on_a_narrow_terminal(
    agent: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensor.cli.alerts.width", lambda **_: 60)
    shown = run(agent, "show", str(only(agent)["id"])).output.splitlines()
    at = next(number for number, line in enumerate(shown) if "expected a directory" in line)
    assert shown[at].startswith("  ")
    assert shown[at + 1].startswith("    ")
    assert max(map(len, shown[at : at + 2])) <= 60
    joined = f"{shown[at]} {shown[at + 1].strip()}"
    assert "expected a directory of packages, seen /tmp/.x/runc" in joined


def test_alerts_are_followed_beyond_the_end_of_an_answer() -> None:
    log = Log(2)
    with running(View(), log, Limits(follow_seconds=0.1)) as agent:
        words = [str(CASTOFF), "alerts", "follow", "-o", "json", "--socket", str(agent.path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                until(lambda: bool(agent.server.following), "it follows")
                for number in (3, 4):
                    log.events[number] = line(number, "alert")
                    agent.publish(number, log.events[number])
                    assert json.loads(process.stdout.readline())["id"] == f"id-{number}"
                    # The answer ends, and another one is asked for.
                    until(lambda: not agent.server.following, "the answer is over")
                    until(lambda: bool(agent.server.following), "it follows again")
            finally:
                process.terminate()


def test_an_alert_is_acknowledged_with_a_reason(agent: Running) -> None:
    id_ = str(only(agent)["id"])
    said = run(agent, "ack", id_[:8], "--reason", "our build", "--expected").output
    assert said == f"alert {id_[:12]} is acknowledged and learnt\n"
    assert run(agent, "list", "-o", "json").output == ""
    found = json.loads(run(agent, "list", "--all", "-o", "json").output)
    assert (found["state"], found["by"], found["reason"]) == ("acknowledged", "alice", "our build")
    assert run(agent, "ack", id_).exit_code == 2


def test_an_alert_is_suppressed_for_a_time(agent: Running) -> None:
    id_ = str(only(agent)["id"])
    said = run(agent, "suppress", id_, "--for", "30d", "--reason", "lab").output
    assert "is silent until" in said
    longer = run(agent, "suppress", id_, "--for", "91d", "--reason", "lab")
    assert longer.exit_code == 2
    assert "91d is longer than 90d" in longer.output


def test_an_unknown_alert_is_named(agent: Running) -> None:
    with pytest.raises(CastoffError, match="no alert 'zz'"):
        run(agent, "show", "zz")
    with pytest.raises(RequestRefused, match="no alert") as refused:
        run(agent, "ack", "zz", "--reason", "x")
    assert refused.value.fix == "See castoff alerts list --all."
