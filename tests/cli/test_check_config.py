"""``castoff run --check-config`` looks at the outputs, too, and shows no secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.asking import castoff

FORWARD = """
[outputs.collector]
type = "forward"
servers = ["127.0.0.1:9"]
shared_key = "{key}"
"""

WEBHOOK = """
[sources]
kubernetes_audit = "webhook"

[webhook]
listen = "127.0.0.1:0"
certificate = "/nowhere/webhook.pem"
key = "/nowhere/webhook.key"
client_ca = "/nowhere/ca.pem"
"""


def checked(path: Path, text: str, **variables: str) -> tuple[int, str]:
    path.write_text(text, encoding="utf-8")
    ended = castoff("run", "--check-config", "--config", str(path), socket=None, **variables)
    return ended.returncode, ended.stdout + ended.stderr


def test_what_is_right_connects_nowhere(tmp_path: Path) -> None:
    text = FORWARD.format(key="${env:CASTOFF_TEST_KEY}")
    code, said = checked(tmp_path / "c.toml", text, CASTOFF_TEST_KEY="hunter22")
    assert (code, said) == (0, "the configuration is valid\n")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (FORWARD.format(key="${env:CASTOFF_NOT_SET}"), "CASTOFF_NOT_SET"),
        (FORWARD.format(key="file:/nowhere/key"), "/nowhere/key"),
        (FORWARD.format(key="k") + "[outputs.collector.tls]\nca = 7\n", "tls.ca"),
        (
            FORWARD.format(key="k") + '[outputs.collector.tls]\nca = "/nowhere/ca.pem"\n',
            "[outputs.collector.tls]: /nowhere/ca.pem: No such file",
        ),
        ('[outputs.local]\ntype = "jsonl"\n', "path"),
        (WEBHOOK, "webhook.certificate: /nowhere/webhook.pem is not a file"),
    ],
)
def test_a_mistake_ends_with_the_code_of_the_configuration(
    tmp_path: Path, text: str, named: str
) -> None:
    code, said = checked(tmp_path / "c.toml", text)
    assert code == 78
    assert named in said
    assert "Traceback" not in said


def test_a_policy_beside_the_configuration_is_checked_with_it(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("policy files belong to root")
    config = tmp_path / "castoff.toml"
    config.write_text("")
    policy = tmp_path / "policy.toml"
    policy.write_text("[expect.a]\nlogn = 'x'\n")
    done = castoff("run", "--check-config", "--config", str(config))
    assert done.returncode == 78
    assert "policy.toml:2: expect.a.logn: unknown key" in done.stderr
    policy.write_text("[expect.a]\nlogin = 'x'\n")
    assert castoff("run", "--check-config", "--config", str(config)).returncode == 0
