"""The file that auditd loads at boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.audit_rules.host import Host
from sensor.audit_rules.installer import Installer
from sensor.audit_rules.rule import AuditRule, RuleMalformed
from sensor.audit_rules.rules_file import NAME, compose
from sensor.audit_rules.template import Form, Rendered
from sensor.errors import PermissionMissing
from tests.audit_rules.made import Kernel


def test_a_socket_is_waited_for_but_not_below_run_at_boot(host: Host) -> None:
    rendered = host.render(Form.ALL)
    assert any("path=/run/docker.sock" in str(rule) for rule in rendered.lasting)
    assert not any("/run/containerd/" in str(rule) for rule in rendered.lasting)
    assert any("/run/containerd/" in str(rule) for rule in rendered.rules)
    text = compose(rendered)
    assert all(line.startswith("#") for line in text.splitlines() if "/run/containerd/" in line)


def test_a_rule_that_would_not_load_is_never_written() -> None:
    bad = AuditRule(
        "always,exit", arch="b64", perm="x", path="/usr/bin/a -e 2", key="castoff_client"
    )
    with pytest.raises(RuleMalformed):
        compose(Rendered(Form.ALL, (bad,), ()))


def test_a_directory_that_may_not_be_written_is_named(
    host: Host, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PermissionMissing, match=NAME):
        Installer(host, kernel).install(None)
