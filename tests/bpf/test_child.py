"""A child's answer is one line of JSON; anything else is reported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sensor.bpf import child
from sensor.bpf.child import NoAnswer
from sensor.bpf.probe_set import Built


def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """Let a script stand in for the child's interpreter."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.mark.parametrize(
    "script",
    [
        "exit 3",
        "echo no json; echo oops >&2; exit 3",
        "echo '[]'; exit 3",
        "echo '{}'; exit 3",
        """echo '{"missing": [], "odd": 1}'; exit 3""",
        "kill -9 $$",
    ],
)
def test_a_child_that_dies_without_an_answer_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    stand_in(monkeypatch, tmp_path, script)
    with pytest.raises(NoAnswer, match="process ended with"):
        child.ask("module", {}, 10)


def test_what_a_dying_child_said_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, "echo 'cannot open shared object' >&2; exit 1")
    with pytest.raises(NoAnswer, match="cannot open shared object"):
        child.ask("module", {}, 10)


def test_messages_before_the_answer_do_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, """echo warning; echo '{"path": "/x", "missing": ["a"]}'""")
    assert child.ask("module", {}, 10) == Built(path="/x", missing=("a",))


def test_the_compilers_first_error_is_added_to_the_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = "echo 'a.c:1:2: error: odd' >&2; echo 'b.c:1:2: error: odd' >&2"
    stand_in(monkeypatch, tmp_path, f"""{said}; echo '{{"missing": [], "problem": "no"}}'""")
    assert child.ask("module", {}, 10).problem == "no: a.c:1:2: error: odd"


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "exec sleep 60")
    with pytest.raises(subprocess.TimeoutExpired):
        child.ask("module", {}, 0.1)
