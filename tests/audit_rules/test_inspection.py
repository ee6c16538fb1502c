"""What differs between the host, the file and the kernel is found."""

from __future__ import annotations

from sensor.audit_rules import inspection
from sensor.audit_rules.host import Host
from sensor.audit_rules.installer import Installer
from sensor.audit_rules.report import RulesState
from sensor.audit_rules.rules_file import NAME
from sensor.audit_rules.template import Form
from tests.audit_rules.made import DOCKER, Kernel, touch


def test_an_edited_file_is_stale(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(Form.ALL)
    with (host.rules_d / NAME).open("a") as file:
        file.write("-e 2\n")
    report = inspection.check(host, kernel)
    assert report.state is RulesState.STALE
    assert any("edited" in note for note in report.notes)


def test_a_dropped_rule_is_missing_and_an_old_one_surplus(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(Form.ALL)
    kernel.lines.remove(DOCKER)
    old = DOCKER.replace("docker", "podman")
    kernel.lines.append(old)
    report = inspection.check(host, kernel)
    assert (report.missing, report.surplus) == ((DOCKER,), (old,))


def test_a_re_created_socket_is_noticed_and_is_not_a_fault(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(Form.ALL)
    sock = host.root / "run/containerd/containerd.sock"
    sock.with_suffix(".new").touch()
    sock.with_suffix(".new").replace(sock)
    report = inspection.check(host, kernel)
    assert report.recreated == ("/run/containerd/containerd.sock",)
    assert report.state is RulesState.IN_FORCE


def test_a_replaced_directory_is_a_dead_rule_until_it_is_loaded_again(
    host: Host, kernel: Kernel
) -> None:
    Installer(host, kernel).install(Form.ALL)
    (host.root / "run/containerd").rename(host.root / "run/old")
    touch(host, "/run/containerd/containerd.sock")
    report = inspection.check(host, kernel)
    assert report.state is RulesState.STALE
    assert report.dead == ("/run/containerd/containerd.sock",)
    assert Installer(host, kernel).refresh().state is RulesState.IN_FORCE
