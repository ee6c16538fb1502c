"""Rules are loaded with care, and removed without a trace."""

from __future__ import annotations

import shutil

import pytest

from sensor.audit_rules import inspection
from sensor.audit_rules.host import Host
from sensor.audit_rules.installer import Installer
from sensor.audit_rules.report import RulesState
from sensor.audit_rules.rule import PEOPLE
from sensor.audit_rules.rules_file import NAME
from sensor.audit_rules.template import Form
from tests.audit_rules.made import Kernel, touch

OTHERS = "-a always,exit -F arch=b64 -S execve -F key=site"


def test_a_host_without_rules_gets_the_people_form(host: Host, kernel: Kernel) -> None:
    report = Installer(host, kernel).install(None)
    assert (report.state, report.form) == (RulesState.IN_FORCE, Form.PEOPLE)
    assert kernel.lines[0] == str(PEOPLE)
    written = host.rules_d / NAME
    assert written.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in host.rules_d.iterdir()] == [NAME]


@pytest.mark.parametrize("where", ["kernel", "file"])
def test_a_host_with_rules_is_joined(host: Host, kernel: Kernel, where: str) -> None:
    if where == "kernel":
        kernel.lines.append(OTHERS)
    else:
        host.rules_d.mkdir()
        (host.rules_d / "cis.rules").write_text("-D\n-w /usr/bin/docker -p rwxa -k docker\n")
    report = Installer(host, kernel).install(None)
    assert (report.state, report.form) == (RulesState.IN_FORCE, Form.ALL)
    assert str(PEOPLE) not in kernel.lines


def test_a_default_of_the_distribution_is_not_a_rule(host: Host, kernel: Kernel) -> None:
    host.rules_d.mkdir()
    (host.rules_d / "audit.rules").write_text("## First rule\n-D\n-b 8192\n-f 1\n")
    assert Installer(host, kernel).install(None).form is Form.PEOPLE


def test_installing_again_changes_nothing_and_keeps_the_form(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(Form.ALL)
    before = list(kernel.lines)
    assert Installer(host, kernel).install(None).form is Form.ALL
    assert kernel.lines == before


def test_the_form_can_be_changed(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(Form.PEOPLE)
    report = Installer(host, kernel).install(Form.ALL)
    assert report.state is RulesState.IN_FORCE
    assert str(PEOPLE) not in kernel.lines


def test_what_the_kernel_refuses_is_reported_and_the_rest_loaded(
    host: Host, kernel: Kernel
) -> None:
    kernel.refused = "/usr/bin/docker"
    report = Installer(host, kernel).install(Form.ALL)
    assert report.state is RulesState.STALE
    assert any("No such file" in note for note in report.notes)
    assert any("dockerd" in line for line in kernel.lines)


def test_an_immutable_kernel_waits_for_the_reboot(host: Host, kernel: Kernel) -> None:
    kernel.enabled = 2
    report = Installer(host, kernel).install(Form.ALL)
    assert report.state is RulesState.PENDING_REBOOT
    assert (host.rules_d / NAME).exists()
    assert Installer(host, kernel).uninstall().state is RulesState.PENDING_REBOOT


def test_disabled_audit_is_distinguished(host: Host, kernel: Kernel) -> None:
    kernel.enabled = 0
    report = Installer(host, kernel).install(Form.ALL)
    assert report.state is RulesState.NOT_RECORDING
    kernel.enabled = 1
    kernel.lines.append("-a never,task")
    report = inspection.check(host, kernel)
    assert report.state is RulesState.NOT_RECORDING
    assert any("never,task" in note for note in report.notes)


def test_a_host_without_auditctl_gets_the_file(host: Host, kernel: Kernel) -> None:
    kernel.reachable = False
    assert Installer(host, kernel).install(None).state is RulesState.UNAVAILABLE
    assert (host.rules_d / NAME).exists()
    assert inspection.check(host, kernel).state is RulesState.UNAVAILABLE


def test_a_host_without_containers_gets_nothing(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(None)
    shutil.rmtree(host.root / "usr")
    assert Installer(host, kernel).install(None).state is RulesState.NOTHING_TO_WATCH
    assert kernel.lines == []
    assert not (host.rules_d / NAME).exists()


def test_auditds_own_loader_is_used_only_where_it_wipes_nothing(host: Host, kernel: Kernel) -> None:
    kernel.auditd = 7
    kernel.lines.append(OTHERS)
    Installer(host, kernel).install(None)
    assert kernel.reloads == 0
    (host.rules_d / "site.rules").write_text("-D\n-a exit,always -S execve -F arch=b64 -k site\n")
    Installer(host, kernel).install(None)
    assert kernel.reloads == 1


def test_refresh_touches_only_hosts_that_have_rules(host: Host, kernel: Kernel) -> None:
    assert Installer(host, kernel).refresh().state is RulesState.NOT_INSTALLED
    assert kernel.lines == []
    Installer(host, kernel).install(Form.ALL)
    touch(host, "/usr/bin/ctr")
    assert inspection.check(host, kernel).state is RulesState.STALE
    assert Installer(host, kernel).refresh().state is RulesState.IN_FORCE


def test_uninstalling_leaves_the_rules_of_others(host: Host, kernel: Kernel) -> None:
    kernel.lines += [OTHERS, str(PEOPLE)]
    Installer(host, kernel).install(Form.PEOPLE)
    report = Installer(host, kernel).uninstall()
    assert report.state is RulesState.NOT_INSTALLED
    assert kernel.lines == [OTHERS, str(PEOPLE)]
    assert list(host.rules_d.iterdir()) == []


def test_uninstalling_takes_our_own_people_rule(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(Form.PEOPLE)
    Installer(host, kernel).install(Form.PEOPLE)
    Installer(host, kernel).uninstall()
    assert kernel.lines == []
