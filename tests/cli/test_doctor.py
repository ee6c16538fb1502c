"""``castoff doctor``: every check is a line with its fix."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sensor.cli import doctor, surroundings
from sensor.cli.finding import Health
from tests.api.bridge import Running
from tests.cli.asking import castoff

CHECKS = [
    *(
        "kernel",
        "btf",
        "bcc",
        "rights",
        "lockdown",
        "bpffs",
        "cpus",
        "probes",
        "api callers",
        "api requests",
    ),
    *("audit", "policy", "engines", "lock", "disk", "scheduling", "clock", "socket"),
]


def test_every_check_is_a_line_and_json_has_them_all(agent: Running) -> None:
    done = castoff("doctor", "-o", "json", socket=agent.path)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["check"] for one in found] == CHECKS
    failed = [one for one in found if one["health"] == "fail"]
    assert done.returncode == (1 if failed else 0)
    assert all(one["fix"] for one in found if one["health"] != "ok")
    text = castoff("doctor", socket=agent.path).stdout
    assert [name for name in CHECKS if f" {name} " not in text] == []


@pytest.mark.parametrize(
    ("kernel", "health"),
    [((6, 1), Health.NOTE), ((6, 3), Health.OK), ((6, 6), Health.OK), ((6, 18), Health.OK)],
)
def test_api_callers_are_seen_without_the_hook_of_the_cgroup(
    kernel: tuple[int, int], health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_kernel_version", lambda: kernel)
    (found,) = [one() for one in doctor.CHECKS if one.__name__ == "_connects"]
    assert found.health is health
    assert "are not seen" not in found.text


@pytest.mark.skipif(os.geteuid() != 0, reason="policy files belong to root")
def test_a_policy_with_a_wrong_setting_fails_with_the_nearest_name(tmp_path: Path) -> None:
    assert surroundings.policy(tmp_path).health is Health.OK
    (tmp_path / "policy.toml").write_text("[findings.burst]\nstart = 3\n")
    (tmp_path / "policy.toml").chmod(0o644)
    found = surroundings.policy(tmp_path)
    assert (found.health, found.fix) == (Health.FAIL, "Did you mean starts?")
    assert found.text == f"{tmp_path}/policy.toml:2: findings.burst.start: unknown key"
