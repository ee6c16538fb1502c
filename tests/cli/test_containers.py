"""Containers are listed, found and completed by what people call them."""

from __future__ import annotations

import json

import pytest

from tests.api.bridge import Running
from tests.api.sample_agent import EVIL, WEB
from tests.cli.asking import ask, castoff


def test_those_that_run(agent: Running) -> None:
    result = ask("containers", agent)
    header, *rows = result.output.splitlines()
    assert header.split()[:4] == ["CONTAINER", "NAME", "IMAGE", "RUNTIME"]
    assert [row.split()[1] for row in rows] == ["web", "db"]
    assert rows[0].split()[:6] == [WEB[:12], "web", "nginx:1.25", "docker", "running", "4242"]


def test_all_of_them_with_names_made_safe(agent: Running) -> None:
    result = ask("containers", agent, "--all", "--no-trunc")
    assert len(result.output.splitlines()) == 5
    assert EVIL in result.output
    assert r"\x1b[2Jevil\u202e\x0arow" in result.output
    assert "stopped (1)" in result.output


def test_one_by_the_beginning_of_its_id(agent: Running) -> None:
    result = ask("containers", agent, WEB[:3], "-o", "json")
    assert json.loads(result.output)["id"] == WEB


@pytest.mark.parametrize(
    ("pid", "code", "said"),
    [("4243", 0, WEB), ("1", 1, "belongs to no container"), ("0", 2, "0 is not in the range")],
)
def test_whose_process_it_is(agent: Running, pid: str, code: int, said: str) -> None:
    result = ask("whois", agent, pid)
    assert (result.exit_code, said in result.output) == (code, True), result.output


def test_whois_in_json(agent: Running) -> None:
    assert json.loads(ask("whois", agent, "4243", "-o", "json").output)["container"]["id"] == WEB


def complete(agent: Running, words: str, shell: str = "bash") -> list[str]:
    done = castoff(
        socket=agent.path,
        _CASTOFF_COMPLETE=f"{shell}_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split(" ")) - 1),
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("castoff explain w", ["plain,web"]),
        ("castoff explain 4f", ["plain,4f2d4f2d4f2d", "plain,4f9a4f9a4f9a"]),
        ("castoff explain e0", ["plain,e0e0e0e0e0e0"]),
        ("castoff explain unknown", []),
        ("castoff events --filter ki", ["plain,kind="]),
        ("castoff events --type pa", ["plain,pause"]),
        ("castoff events --type start_f", ["plain,start_failed"]),
    ],
)
def test_completion_offers_the_names_that_begin_so(
    agent: Running, words: str, expected: list[str]
) -> None:
    assert complete(agent, words) == expected


def test_completion_without_an_agent_offers_nothing() -> None:
    done = castoff(
        _CASTOFF_COMPLETE="bash_complete",
        COMP_WORDS="castoff explain w",
        COMP_CWORD="2",
        CASTOFF_SOCKET="/nowhere/castoff.sock",
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_shell_s_part(shell: str) -> None:
    done = castoff("completion", shell)
    assert f"_CASTOFF_COMPLETE={shell}_complete" in done.stdout
