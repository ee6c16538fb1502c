"""``castoff policy``: check, test, explain, suggest, against a log of real starts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sensor.agent.policy_files import load_files
from sensor.agent.policy_trial import PolicyTrial
from sensor.cli import policy as policy_module
from sensor.cli.policy import command
from sensor.errors import ConfigError
from sensor.judge.policy import Policy
from sensor.schema.start_reader import wall_of
from sensor.schema.times import rfc3339
from sensor.store.query import Page, Query
from tests.api.bridge import Running, running
from tests.api.sample_agent import Judged, Log, View
from tests.golden import captures
from tests.outputs.batches import golden_lines
from tests.report import life

RULES = """
[expect.alice]
login = "alice"

[forbid.bob]
login = "bob"

[expect.everything-named-web]
name = "web"

[suppress.old]
finding = "direct-runtime"
until = 2020-01-01
reason = "gone"
"""


def starts() -> list[bytes]:
    """Return the starts of the golden captures, the one of a person's login among them."""
    found = []
    for name in ("docker_logins", "docker_restart_policy", "runc_by_hand", "cri_pod"):
        lines = captures.lines_of(captures.HERE / f"{name}.capture").read_bytes().splitlines()
        found += [line + b"\n" for line in lines if b'"container.start"' in line]
    return found


class Recorded(Log):
    """A log whose events happened at any time."""

    def page(self, query: Query) -> Page:
        return super().page(replace(query, since=None))


@pytest.fixture(scope="module")
def agent() -> Iterator[Running]:
    log = Recorded()
    log.events = dict(enumerate(starts(), 1))
    with running(View(), log, judgement=Judged()) as one:
        yield one


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


def run(*words: str | Path, agent: Running | None = None) -> Result:
    socket = ["--socket", str(agent.path)] if agent is not None else []
    return CliRunner().invoke(command, [*map(str, words), *socket], catch_exceptions=False)


def documents(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_check_counts_rules_and_warns_of_what_rests_on_names(rules: Path) -> None:
    output = run("check", rules).output
    assert "4 rules in 1 file, sha256 " in output
    assert "expect.everything-named-web: rests only on names that the starter" in output
    assert "suppress.old: ended and has no effect" in output
    assert "expect.alice" not in output
    (answer,) = documents(run("check", rules, "-o", "json"))
    assert answer["rules"] == 4


def test_check_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[expect.a]\nlogn = 'x'\n")
    with pytest.raises(ConfigError, match=r"bad\.toml:2: expect\.a\.logn: unknown key") as caught:
        run("check", path)
    assert caught.value.fix == "Did you mean login?"


def test_check_without_a_policy_says_that_none_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_module, "DIRECTORY", tmp_path)
    done = run("check")
    assert (done.output, done.exit_code) == (f"no policy is installed in {tmp_path}\n", 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="policy files belong to root")
def test_check_names_the_files_that_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_module, "DIRECTORY", tmp_path)
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d/.a.toml").write_text("[")
    output = " ".join(run("check").output.split())
    assert f"{tmp_path}/policy.d/.a.toml: not read, since its name begins with a dot" in output


def test_check_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        run("check", tmp_path / "none.toml")


def test_the_log_is_judged_by_a_policy(agent: Running, rules: Path) -> None:
    found = documents(run("test", "--policy", rules, "--since", "3650d", "-o", "json", agent=agent))
    counts = {(one["expected"], one["because"]): one["starts"] for one in found}
    assert counts[False, "forbidden"] == 1
    assert counts[False, "direct-runtime"] == 1
    assert sum(isinstance(one, int) for one in counts.values()) == len(counts)
    because = next(str(one["because"]) for one in found if one["expected"])
    assert because.startswith(f"policy rule alice ({rules}:2)")
    first = found[0]["examples"]
    assert isinstance(first, list)
    assert "by bob" in str(found)
    table = run("test", "--policy", rules, "--since", "3650d", agent=agent).output
    assert table.splitlines()[0].split() == ["EXPECTED", "BECAUSE", "STARTS", "EXAMPLE"]
    assert table.splitlines()[-1].endswith("1 of them expected")


@pytest.mark.parametrize(("room", "examples"), [(80, False), (policy_module.WIDE, True)])
def test_on_a_narrow_terminal_the_reasons_have_the_room_of_the_examples(
    agent: Running, rules: Path, monkeypatch: pytest.MonkeyPatch, room: int, *, examples: bool
) -> None:
    monkeypatch.setattr(policy_module, "width", lambda **_: room)
    table = run("test", "--policy", rules, "--since", "3650d", agent=agent).output
    assert ("EXAMPLE" in table.splitlines()[0]) is examples
    assert "BECAUSE" in table.splitlines()[0]


@pytest.mark.parametrize(
    ("ended", "expected"),
    [(None, True), (1, None), (-1, True)],
    ids=["went on", "ended before the start", "ended after it"],
)
def test_a_change_that_was_ended_by_hand_explains_nothing_after_it(
    ended: int | None, expected: bool | None
) -> None:
    by_alice = next(one for one in map(json.loads, starts()) if "alice" in json.dumps(one))
    wall = wall_of(by_alice["time"])
    assert wall is not None
    change = {
        "id": "CHG-1",
        "by": "carol",
        "selector": {"login": ["alice"]},
        "not_before": rfc3339(wall - 10**12),
        "not_after": rfc3339(wall + 10**12),
        "ended": None if ended is None else rfc3339(wall - ended * 10**9),
    }
    trial = PolicyTrial(Policy(), [change])
    trial.feed(by_alice)
    (group,) = trial.groups()
    assert group.expected is expected


def test_each_rule_says_yes_or_no_and_why(agent: Running, rules: Path) -> None:
    by_bob = next(one for one in map(json.loads, starts()) if "bob" in json.dumps(one))
    found = documents(run("explain", by_bob["id"], "--policy", rules, "-o", "json", agent=agent))
    said = {one["rule"]: (one["applies"], one["why"]) for one in found}
    assert said["bob"] == (True, ["every condition is met"])
    assert said["alice"] == (False, ["login: expected alice, seen bob, 4243"])
    assert said["old"] == (False, ["it ended before this start"])
    output = run("explain", by_bob["id"], "--policy", rules, agent=agent).output
    assert "recorded verdict: no explanation on file" in output


def test_a_suggestion_is_a_policy_that_explains_what_was_seen(
    agent: Running, tmp_path: Path
) -> None:
    text = run("suggest", "--since", "3650d", agent=agent).output
    path = tmp_path / "suggested.toml"
    path.write_text(text)
    rules = load_files((path,), 0).policy.expect.rules
    assert rules
    assert 'login = "alice"' in text
    found = documents(run("test", "--policy", path, "--since", "3650d", "-o", "json", agent=agent))
    expected = [one for one in found if one["expected"]]
    assert any("restart_policy" in str(one["because"]) for one in expected)
    assert any("-alice" in str(one["because"]) or "policy rule" in str(one) for one in expected)


def logged(lines: Iterable[bytes]) -> Recorded:
    log = Recorded()
    log.events = dict(enumerate(lines, 1))
    return log


def test_a_suggestion_of_a_whole_week_is_accepted_and_explains_nearly_all_of_it(
    tmp_path: Path,
) -> None:
    lines = [line for line in life.lines() if b'"container.start"' in line]
    with running(View(), logged(lines), judgement=Judged()) as agent:
        text = run("suggest", "--since", "3650d", agent=agent).output
        path = tmp_path / "suggested.toml"
        path.write_text(text)
        checked = run("check", path)
        assert checked.exit_code == 0, checked.output
        assert "in 1 file, sha256 " in checked.output
        # It rests on who asked, not on names alone.
        assert "rests only on names" not in checked.output
        words = ("test", "--policy", path, "--since", "3650d", "-o", "json")
        groups = documents(run(*words, agent=agent))
    # What was found when it happened is not proposed as expected.
    assert "Starts that were not expected when they happened: " in text
    assert "registry.evil.example" not in text
    assert "docker.io/xmrig" not in text
    expected = sum(int(str(one["starts"])) for one in groups if one["expected"])
    total = sum(int(str(one["starts"])) for one in groups)
    assert total > 3000
    assert expected > 0.98 * total
    # What no policy may explain is not proposed away.
    assert "direct-runtime" in {one["because"] for one in groups if one["expected"] is False}


def test_a_suggestion_of_every_recorded_engine_is_accepted(tmp_path: Path) -> None:
    lines = [line for line in golden_lines() if b'"container.start"' in line]
    with running(View(), logged(lines), judgement=Judged()) as agent:
        path = tmp_path / "suggested.toml"
        path.write_text(run("suggest", "--since", "3650d", agent=agent).output)
    assert run("check", path).exit_code == 0
