"""``castoff change``: what is sent, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from sensor.api.client import RequestRefused
from sensor.cli.change import command
from sensor.errors import CastoffError
from tests.api.bridge import Running, running
from tests.api.sample_agent import Judged, Log, View
from tests.judge.samples import initiator, policy, start
from tests.judge.test_late_change import seen_of


@pytest.fixture
def agent() -> Iterator[Running]:
    with running(View(), Log(), judgement=Judged()) as one:
        yield one


def run(agent: Running, *words: str) -> Result:
    return CliRunner().invoke(
        command, [*words, "--socket", str(agent.path)], catch_exceptions=False
    )


ADD = ("add", "CHG-1", "--for", "1h30m", "--by", "carol")


def test_a_change_is_added_listed_shown_and_ended(agent: Running) -> None:
    words = (
        *ADD, "--selector", "workload=compose/shop/*", "--selector", "login=alice",
        "--selector", "login=deploy", "--allow", "cap:NET_ADMIN", "--max-starts", "3",
        "--reason", "new release", "--url", "https://example.com/1", "-o", "json",
    )  # fmt: skip
    change = json.loads(run(agent, *words).output)
    assert change["selector"] == {"workload": ["compose/shop/*"], "login": ["alice", "deploy"]}
    assert (change["allows"], change["max_starts"]) == (["cap:NET_ADMIN"], 3)
    table = run(agent, "list").output
    assert "CHG-1" in table
    assert "0 of 3" in table
    assert "workload=compose/shop/* login=alice,deploy" in table
    assert "reason: new release" in run(agent, "show", "CHG-1").output
    assert run(agent, "end", "CHG-1").output == "change CHG-1 has ended\n"
    assert "ended" in run(agent, "list").output
    with pytest.raises(RequestRefused):
        run(agent, "end", "CHG-1")


def test_a_change_for_everything_is_recorded_with_a_warning(agent: Running) -> None:
    result = run(agent, *ADD)
    assert result.exit_code == 0
    assert "warning: it is wide: it selects every start" in result.output


def test_what_a_change_acknowledged_of_before_is_said() -> None:
    judged = Judged()
    judged.judge.policy = policy("[require_explanation.all]\nname = 'late'\n")
    judged.seen = seen_of(judged.judge.judge(start("late", by=initiator("bob"))))
    words = (*ADD, "--selector", "name=late", "--from", "2026-11-30T09:30:00Z")
    with running(View(), Log(), judgement=judged) as agent:
        output = run(agent, *words).output
        assert output.endswith("; it acknowledged 1 open alert of 1 earlier start\n")
        assert "late alerts: 1" in run(agent, "show", "CHG-1").output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--selector", "web"), "is not KEY=PATTERN"),
        (("--selector", "by=x"), "is not KEY=PATTERN"),
        (("--selector", "allows=privileged"), "is not KEY=PATTERN"),
        (("--allow", "cap:BPF", "--selector", "allows=privileged"), "is not KEY=PATTERN"),
        (("--for", "soon"), "is not a length of time"),
        (("--for", "8d"), "8d is longer than 7d"),
        (("--max-starts", "0"), "max-starts"),
    ],
)
def test_what_makes_no_sense_is_refused_here(
    agent: Running, words: tuple[str, ...], problem: str
) -> None:
    result = run(agent, *ADD, *words)
    assert result.exit_code == 2
    assert problem in result.output


def test_what_the_agent_refuses_is_named(agent: Running) -> None:
    with pytest.raises(RequestRefused, match=r"nam: unknown key$") as refused:
        run(agent, *ADD, "--selector", "nam=web")
    assert refused.value.fix == "Did you mean name?"
    run(agent, *ADD)
    with pytest.raises(RequestRefused, match=r"CHG-1 exists already$") as refused:
        run(agent, *ADD)
    assert refused.value.fix == "Choose another id, or end that one first."
    with pytest.raises(RequestRefused, match="no change 'CHG-2' goes on") as refused:
        run(agent, "end", "CHG-2")
    assert refused.value.fix == "See castoff change list."


def test_an_unknown_change_cannot_be_shown(agent: Running) -> None:
    with pytest.raises(CastoffError, match="no change 'CHG-9'"):
        run(agent, "show", "CHG-9")
