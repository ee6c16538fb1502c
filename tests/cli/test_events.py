"""Events are shown as tables or as the lines that they are, as far back as is asked."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from sensor.api.client import AgentClient
from sensor.api.limits import Limits
from sensor.cli import events
from sensor.cli.events import EventListing
from tests.api.bridge import Running, running
from tests.api.sample_agent import Log, View, line
from tests.cli.asking import CASTOFF, ask


def test_the_last_events_are_a_table(agent: Running) -> None:
    result = ask("events", agent)
    assert result.exit_code == 0
    header, day, *rows = result.output.splitlines()
    assert header.split()[:3] == ["TIME", "(UTC)", "EVENT"]
    assert day == "1970-01-01"
    assert len(rows) == 5
    assert rows[0].split()[:3] == ["00:00:01.000", "start", "4f2d4f2d4f2d"]
    assert rows[0].split()[-1] == "command"


def test_json_is_one_object_a_line_as_the_agent_sent_it(agent: Running) -> None:
    result = ask("events", agent, "-o", "json", "-n", "2")
    documents = [json.loads(one) for one in result.output.splitlines()]
    assert [one["id"] for one in documents] == ["id-4", "id-5"]
    assert documents[0]["cursor"] == "abc123-4"


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--since", "1000000000"], 0),
        (["--filter", "name=web", "--filter", "name=db"], 5),
        (["--filter", "name=web", "--filter", "runtime=podman"], 0),
        (["--type", "stop"], 0),
        (["--type", "start,stop"], 5),
        (["--until", "10m", "-n", "3"], 3),
    ],
    ids=str,
)
def test_what_is_asked_for(agent: Running, arguments: list[str], count: int) -> None:
    result = ask("events", agent, "-o", "json", *arguments)
    assert (result.exit_code, len(result.output.splitlines())) == (0, count)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--since", "yesterday"], "--since"),
        (["--until", "x"], "--until"),
        (["--filter", "nope=1"], "--filter"),
        (["--type", "nope"], "--type"),
        (["-n", "0"], "-n"),
    ],
)
def test_wrong_usage_names_the_option(agent: Running, arguments: list[str], option: str) -> None:
    result = ask("events", agent, *arguments)
    assert result.exit_code == 2
    assert option in result.output


def test_names_do_not_reach_the_terminal_as_they_are() -> None:
    log = Log()
    evil = "\x1b]0;owned\x07\u202e\n\r\tx" + "y" * 65536
    log.events[1] = line(1, name=evil, image={"name": evil, "id": None})
    with running(View(), log) as agent:
        for output in ("table", "json"):
            text = ask("events", agent, "-o", output, "--color", "never").output
            assert "\x1b" not in text
            assert "\x07" not in text
            assert "\u202e" not in text
        assert len(ask("events", agent).output.splitlines()) == 3


def test_colours_are_a_choice(agent: Running) -> None:
    assert "\x1b[" not in ask("events", agent, "--color", "auto").output
    assert "\x1b[" in ask("events", agent, "--color", "always").output


def test_a_long_answer_is_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "ROWS", 7)
    with running(View(), Log(50), Limits(query_seconds=0, page_rows=3)) as agent:
        session = EventListing(
            AgentClient(agent.path), [("since", "0000000001")], None, follow=False
        )
        ids = [document["id"] for _, document in session.events()]
    assert ids == [f"id-{number}" for number in range(1, 51)]


def test_a_follower_goes_on_where_it_was_cut() -> None:
    log = Log(2)
    with running(View(), log, Limits(follow_seconds=0.1)) as agent:
        following = EventListing(AgentClient(agent.path), [], 1, follow=True).events()
        assert next(following)[1]["id"] == "id-2"
        time.sleep(0.3)
        log.events[3] = line(3)
        agent.publish(3, line(3))
        assert next(following)[1]["id"] == "id-3"


def test_what_is_no_longer_kept_is_said_and_passed_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = Log(2)
    with running(View(), log, Limits(follow_seconds=0.1)) as agent:
        following = EventListing(AgentClient(agent.path), [], 1, follow=True).events()
        next(following)
        log.events = {8: line(8), 9: line(9)}
        log.dropped = 7
        assert next(following)[1]["id"] == "id-8"
    assert "the log no longer has" in capsys.readouterr().err


def test_a_new_event_is_shown_within_100_ms(agent: Running) -> None:
    command = [str(CASTOFF), "events", "-f", "-o", "json", "--socket", str(agent.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            while not agent.server.following:
                time.sleep(0.01)
            time.sleep(0.1)
            took = []
            for number in range(40, 45):
                began = time.monotonic()
                agent.publish(60 + number, line(number))
                shown = process.stdout.readline()
                took.append(time.monotonic() - began)
                assert json.loads(shown)["id"] == f"id-{number}"
        finally:
            process.terminate()
    assert min(took) < 0.1, took
