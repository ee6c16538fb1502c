"""``castoff audit-rules``: exit codes and output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sensor.audit_rules.host import Host
from sensor.audit_rules.report import RulesState
from sensor.cli import audit_rules as verb
from tests.audit_rules.made import Kernel, made_host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return made_host(tmp_path)


def run(host: Host, *words: str) -> tuple[int, str]:
    options = ["--root", str(host.root), "--state-dir", str(host.state_dir)]
    done = CliRunner().invoke(verb.command, [*words, *options])
    return done.exit_code, done.output


def test_every_state_has_an_exit_code() -> None:
    assert set(verb.CHECK_EXIT) == set(RulesState)


def test_check_shows_by_its_exit_code_what_is_there(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel()
    monkeypatch.setattr("sensor.audit_rules.auditctl.Auditctl", lambda: kernel)
    assert run(host, "check")[0] == 6
    code, output = run(host, "install", "--all", "-o", "json")
    assert code == 0
    assert json.loads(output)["form"] == "all"
    assert run(host, "check")[0] == 0
    kernel.lines.pop()
    code, output = run(host, "check")
    assert code == 1
    assert "missing in the kernel" in output
    assert run(host, "install", "--refresh")[0] == 0
    assert run(host, "uninstall")[0] == 0
    assert kernel.lines == []
