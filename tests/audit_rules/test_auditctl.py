"""The rules in the real kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.audit_rules import inspection
from sensor.audit_rules.auditctl import Auditctl, Loaded
from sensor.audit_rules.host import Host
from sensor.audit_rules.installer import Installer
from sensor.audit_rules.report import RulesState
from sensor.audit_rules.rule import PEOPLE
from sensor.audit_rules.template import Form


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Host]:
    """A host whose only program and sockets lie in a directory of the test."""
    if shutil.which("auditctl") is None or os.geteuid() != 0:
        pytest.skip("needs root and auditctl")
    control = Auditctl()
    if control.status().enabled == 2:
        pytest.skip("kernel audit is immutable here")
    if control.loaded() != Loaded((), people=False, foreign=()):
        pytest.skip("this host has audit rules")
    rules = tmp_path / "audit.rules"
    rules.write_text(
        f"-a always,exit -F arch=b64 -F perm=x -F path={tmp_path}/bin/docker -F key=castoff_test\n"
        f"-a always,exit -F arch=b64 -S connect -F path={tmp_path}/run/s.sock -F key=castoff_test\n"
    )
    for name in ("bin", "run"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/docker").touch()
    host = Host(rules_d=tmp_path / "rules.d", state_dir=tmp_path / "state", source=rules)
    yield host
    Installer(host, control).uninstall()
    subprocess.run(["auditctl", "-D", "-k", "castoff_test"], check=False, capture_output=True)


@pytest.mark.kernel
@pytest.mark.parametrize("form", Form)
def test_rules_are_loaded_and_unloaded(real: Host, form: Form) -> None:
    control = Auditctl()
    report = Installer(real, control).install(form)
    assert report.state in (RulesState.IN_FORCE, RulesState.NOT_RECORDING)
    assert (report.missing, report.surplus, report.dead) == ((), (), ())
    loaded = control.loaded()
    assert loaded.people is (form is Form.PEOPLE)
    assert len(loaded.ours) == len([r for r in real.render(form).rules if r != PEOPLE])
    Installer(real, control).uninstall()
    assert control.loaded() == Loaded((), people=False, foreign=())


@pytest.mark.kernel
def test_the_kernel_drops_a_rule_with_its_directory(real: Host, tmp_path: Path) -> None:
    control = Auditctl()
    Installer(real, control).install(Form.ALL)
    (tmp_path / "run").rmdir()
    (tmp_path / "run").mkdir()
    report = inspection.check(real, control)
    assert report.state is RulesState.STALE
    assert report.missing
    refreshed = Installer(real, control).refresh()
    assert (refreshed.missing, refreshed.dead) == ((), ())


@pytest.mark.kernel
def test_a_mount_over_the_directory_leaves_a_dead_rule(real: Host, tmp_path: Path) -> None:
    control = Auditctl()
    Installer(real, control).install(Form.ALL)
    run_dir = tmp_path / "run"
    subprocess.run(["mount", "-t", "tmpfs", "none", run_dir], check=True)
    try:
        report = inspection.check(real, control)
        assert report.missing == ()
        assert report.dead == (f"{run_dir}/s.sock",)
        assert Installer(real, control).refresh().dead == ()
    finally:
        subprocess.run(["umount", run_dir], check=True)


AUGENRULES = """
set -e
mount -t tmpfs castoff-test /etc/audit
mkdir /etc/audit/rules.d
printf -- '-D\\n' >/etc/audit/rules.d/00-site.rules
cp "$1" /etc/audit/rules.d/
augenrules --load
"""
"""In a mount namespace of its own: the host's /etc/audit is not touched."""


@pytest.mark.kernel
@pytest.mark.parametrize("form", Form)
def test_auditd_s_own_loader_takes_the_file_among_those_of_the_site(real: Host, form: Form) -> None:
    if shutil.which("augenrules") is None:
        pytest.skip("needs augenrules: apt-get install auditd")
    control = Auditctl()
    Installer(real, control).install(form)
    (written,) = real.rules_d.glob("*.rules")
    wanted = control.loaded()
    subprocess.run(["auditctl", "-D"], check=True, capture_output=True)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", AUGENRULES, "sh", written],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    if "mount" in done.stderr:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    loaded = control.loaded()
    assert set(loaded.ours) == set(wanted.ours)
    assert loaded.people is wanted.people
    assert loaded.foreign == ()
