"""Outputs are listed for people and programs, and commanded by root."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sensor.errors import PermissionMissing
from tests.api.bridge import Running, running
from tests.api.sample_agent import Log, Outputs, View
from tests.cli.asking import ask, castoff


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    return Outputs()


@pytest.fixture(scope="module")
def agent(outputs: Outputs) -> Iterator[Running]:
    with running(View(), Log(5), deliveries=outputs) as one:
        yield one


def test_the_list_shows_what_each_does_and_what_went_wrong(agent: Running) -> None:
    result = ask("outputs", agent, "list")
    header, row = result.output.splitlines()
    assert header.split()[:4] == ["OUTPUT", "TYPE", "STATE", "LAG"]
    assert row.split()[:5] == ["local", "jsonl", "waits", "4", "s"]
    assert "No space left on device" in row


def test_the_list_in_json(agent: Running) -> None:
    document = json.loads(ask("outputs", agent, "list", "-o", "json").output)
    assert (document["name"], document["lag_events"]) == ("local", 7)


def test_events_are_shipped_again_from_a_time_on(agent: Running, outputs: Outputs) -> None:
    result = ask("outputs", agent, "rewind", "local", "--since", "1700000000")
    assert result.output == "output local ships 38 events again\n"
    assert outputs.commands[-1] == ("rewind", "local", 1_700_000_000 * 1_000_000_000)
    result = ask("outputs", agent, "retry-dead", "local", "-o", "json")
    assert json.loads(result.output) == {"output": "local", "events": 1}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("rewind", "other", "--since", "1h"), 1, "no output 'other'"),
        (("rewind", "local", "--since", "soon"), 1, "is not a time"),
        (("rewind", "local"), 2, "--since"),
        (("rewind", "../x", "--since", "1h"), 1, "no output"),
    ],
)
def test_what_cannot_be_done_is_said(
    agent: Running, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = castoff("outputs", *arguments, socket=agent.path)
    assert (ended.returncode, said in ended.stderr) == (code, True), ended.stderr


def test_only_root_is_not_taken_for_a_missing_group(
    agent: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensor.linux.peer.Peer.may_control", lambda _: False)
    result = ask("outputs", agent, "retry-dead", "local")
    assert isinstance(result.exception, PermissionMissing)
    assert "only root" in result.exception.problem
