"""The host's audit rules: rendered for what is there, loaded with care, removed without a trace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sensor.audit_rules import inspection, memory, template
from sensor.audit_rules.auditctl import Auditctl, AuditctlUnusable, Loaded, Status, sort_lines
from sensor.audit_rules.foreign import core
from sensor.audit_rules.host import Host
from sensor.audit_rules.installer import Installer
from sensor.audit_rules.memory import MemoryFile
from sensor.audit_rules.report import State
from sensor.audit_rules.rule import PEOPLE, Rule, RuleMalformed, parse
from sensor.audit_rules.rules_file import NAME, compose
from sensor.audit_rules.template import Form, Rendered
from sensor.cli import audit_rules as verb
from sensor.errors import PermissionMissing

DOCKER = "-a always,exit -F arch=b64 -F perm=x -F path=/usr/bin/docker -F key=castoff_client"
OTHERS = "-a always,exit -F arch=b64 -S execve -F key=site"


@dataclass
class Kernel:
    """Stands for the kernel: keeps the rules it is given."""

    lines: list[str] = field(default_factory=list)
    enabled: int = 1
    auditd: int = 0
    reachable: bool = True
    refused: str | None = None
    reloads: int = 0

    def status(self) -> Status:
        if not self.reachable:
            raise AuditctlUnusable("auditctl is not installed", "Install it.")
        return Status(self.enabled, self.auditd, 0)

    def loaded(self) -> Loaded:
        return sort_lines(self.lines)

    def add(self, rule: Rule) -> str | None:
        if self.refused is not None and self.refused in str(rule):
            return "No such file or directory"
        assert self.enabled != 2
        assert str(rule) not in self.lines
        self.lines.insert(0 if rule == PEOPLE else len(self.lines), str(rule))
        return None

    def delete(self, rule: Rule) -> str | None:
        assert self.enabled != 2
        self.lines.remove(str(rule))
        return None

    def reload(self) -> str | None:
        self.reloads += 1
        return None


def touch(host: Host, *paths: str) -> None:
    for path in paths:
        place = host.root / path.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    found = Host(
        root=tmp_path / "root",
        rules_d=tmp_path / "rules.d",
        state_dir=tmp_path / "state",
        machine="x86_64",
    )
    touch(found, "/usr/bin/docker", "/usr/sbin/dockerd", "/run/containerd/containerd.sock")
    return found


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def texts(host: Host, form: Form = Form.ALL) -> list[str]:
    return [str(rule) for rule in host.render(form).rules]


# --------------------------------------------------------------------------- one rule


def test_a_rule_reads_back_as_itself() -> None:
    assert str(parse(DOCKER)) == DOCKER
    assert parse(f"{DOCKER} -S all") == parse(DOCKER)
    assert parse("-a exit,always -S connect -F arch=b64 -F path=/a -k castoff_api") == parse(
        "-a always,exit -F arch=b64 -F path=/a -S connect -F key=castoff_api"
    )
    for unset in ("unset", "-1", "4294967295"):
        assert parse(f"-a never,task -F auid={unset}") == PEOPLE
    assert parse("-a always,exit -F perm=aw -F dir=/a -F key=castoff_x").perm == "wa"


@pytest.mark.parametrize(
    "line",
    [
        "-D",
        "-b 8192",
        "-f 1",
        "-e 2",
        "-r 100",
        "-c",
        "-i",
        "-w /usr/bin/docker -p x -k castoff_client",
        "-a never,task",
        "-a never,exit -F path=/a -F perm=x -F key=castoff_client",
        "-a always,exit -F path=a -F perm=x -F key=castoff_client",
        "-a always,exit -F path=/a -F perm=x -F key=site",
        "-a always,exit -F path=/a -F perm=x",
        "-a always,exit -F path=/a -F key=castoff_client",
        "-a always,exit -F path=/a -F path=/b -F perm=x -F key=castoff_client",
        "-a always,exit -F exe=/a -F perm=x -F key=castoff_client",
        "-a always,exit -S execve -F key=castoff_client",
        "-a",
        "docker",
    ],
)
def test_what_castoff_must_not_load_is_refused(line: str) -> None:
    with pytest.raises(RuleMalformed):
        parse(line)


@given(st.text(max_size=80))
def test_any_line_is_read_or_refused(line: str) -> None:
    sort_lines([line, "-" + line])
    core(line)


def test_rules_of_others_are_compared_however_they_are_written() -> None:
    assert core("-w /etc/passwd -p wa -k id") == core(
        "-a exit,always -F path=/etc/passwd -F perm=aw -F key=id"
    )
    assert core("-a always,exit -S a,b -F auid!=unset") == core(
        "-a always,exit -S b -S a -F auid!=-1"
    )
    assert core("-w /etc/passwd -p wa -k id") != core("-w /etc/group -p wa -k id")


# --------------------------------------------------------------------------- rendering


def test_the_source_changes_nothing_but_adds_rules() -> None:
    rules = template.load()
    assert len(rules) > 80
    assert all(rule.key and rule.key.startswith("castoff_") for rule in rules)
    assert {rule.arch for rule in rules} == {"b64"}
    assert str(PEOPLE) in template.SOURCE.read_text()


def test_only_what_is_on_the_host_is_rendered(host: Host) -> None:
    found = texts(host)
    assert DOCKER in found
    assert DOCKER.replace("b64", "b32") in found
    assert not any("podman" in line for line in found)
    assert str(PEOPLE) not in found


def test_the_people_rule_comes_first(host: Host) -> None:
    assert texts(host, Form.PEOPLE)[0] == str(PEOPLE)


def test_other_machines_have_one_abi(host: Host) -> None:
    rendered = template.render(Form.ALL, template.load(), host.root, "aarch64")
    assert {rule.arch for rule in rendered.rules} == {"b64"}


def test_links_are_resolved_and_files_named_once(host: Host) -> None:
    touch(host, "/usr/libexec/docker/cli-plugins/docker-compose", "/usr/bin/snap")
    bin_dir = host.root / "usr/bin"
    (bin_dir / "docker-compose").symlink_to("../libexec/docker/cli-plugins/docker-compose")
    (bin_dir / "podman").symlink_to("snap")
    (bin_dir / "crictl").symlink_to("../local/bin/k3s")
    touch(host, "/usr/local/bin/k3s")
    found = [line for line in texts(host) if "b64" in line]
    assert sum("docker-compose" in line for line in found) == 1
    assert sum("k3s" in line for line in found) == 1
    assert not any("snap" in line for line in found)


def test_patterns_are_expanded(host: Host) -> None:
    touch(host, "/usr/bin/containerd-shim-runc-v2", "/usr/bin/containerd-shim-kata-v2")
    assert sum("containerd-shim-" in line for line in texts(host)) == 4


def test_a_path_with_a_space_is_left_out(host: Host) -> None:
    touch(host, "/home/a b/.docker/cli-plugins/docker-compose")
    assert not any("compose" in line for line in texts(host))


def test_a_socket_is_waited_for_but_not_below_run_at_boot(host: Host) -> None:
    rendered = host.render(Form.ALL)
    assert any("path=/run/docker.sock" in str(rule) for rule in rendered.lasting)
    assert not any("/run/containerd/" in str(rule) for rule in rendered.lasting)
    assert any("/run/containerd/" in str(rule) for rule in rendered.rules)
    text = compose(rendered)
    assert all(line.startswith("#") for line in text.splitlines() if "/run/containerd/" in line)


def test_a_rule_that_would_not_load_is_never_written() -> None:
    bad = Rule("always,exit", arch="b64", perm="x", path="/usr/bin/a -e 2", key="castoff_client")
    with pytest.raises(RuleMalformed):
        compose(Rendered(Form.ALL, (bad,), ()))


# --------------------------------------------------------------------------- installing


def test_a_host_without_rules_gets_the_people_form(host: Host, kernel: Kernel) -> None:
    report = Installer(host, kernel).install(None)
    assert (report.state, report.form) == (State.IN_FORCE, Form.PEOPLE)
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
    assert (report.state, report.form) == (State.IN_FORCE, Form.ALL)
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
    assert report.state is State.IN_FORCE
    assert str(PEOPLE) not in kernel.lines


def test_what_the_kernel_refuses_is_reported_and_the_rest_loaded(
    host: Host, kernel: Kernel
) -> None:
    kernel.refused = "/usr/bin/docker"
    report = Installer(host, kernel).install(Form.ALL)
    assert report.state is State.STALE
    assert any("No such file" in note for note in report.notes)
    assert any("dockerd" in line for line in kernel.lines)


def test_an_immutable_kernel_waits_for_the_reboot(host: Host, kernel: Kernel) -> None:
    kernel.enabled = 2
    report = Installer(host, kernel).install(Form.ALL)
    assert report.state is State.PENDING_REBOOT
    assert (host.rules_d / NAME).exists()
    assert Installer(host, kernel).uninstall().state is State.PENDING_REBOOT


def test_disabled_audit_is_distinguished(host: Host, kernel: Kernel) -> None:
    kernel.enabled = 0
    report = Installer(host, kernel).install(Form.ALL)
    assert report.state is State.NOT_RECORDING
    kernel.enabled = 1
    kernel.lines.append("-a never,task")
    report = inspection.check(host, kernel)
    assert report.state is State.NOT_RECORDING
    assert any("never,task" in note for note in report.notes)


def test_a_host_without_auditctl_gets_the_file(host: Host, kernel: Kernel) -> None:
    kernel.reachable = False
    assert Installer(host, kernel).install(None).state is State.UNAVAILABLE
    assert (host.rules_d / NAME).exists()
    assert inspection.check(host, kernel).state is State.UNAVAILABLE


def test_a_host_without_containers_gets_nothing(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(None)
    shutil.rmtree(host.root / "usr")
    assert Installer(host, kernel).install(None).state is State.NOTHING_TO_WATCH
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
    assert Installer(host, kernel).refresh().state is State.NOT_INSTALLED
    assert kernel.lines == []
    Installer(host, kernel).install(Form.ALL)
    touch(host, "/usr/bin/ctr")
    assert inspection.check(host, kernel).state is State.STALE
    assert Installer(host, kernel).refresh().state is State.IN_FORCE


def test_uninstalling_leaves_the_rules_of_others(host: Host, kernel: Kernel) -> None:
    kernel.lines += [OTHERS, str(PEOPLE)]
    Installer(host, kernel).install(Form.PEOPLE)
    report = Installer(host, kernel).uninstall()
    assert report.state is State.NOT_INSTALLED
    assert kernel.lines == [OTHERS, str(PEOPLE)]
    assert list(host.rules_d.iterdir()) == []


def test_uninstalling_takes_our_own_people_rule(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(Form.PEOPLE)
    Installer(host, kernel).install(Form.PEOPLE)
    Installer(host, kernel).uninstall()
    assert kernel.lines == []


# --------------------------------------------------------------------------- checking


def test_an_edited_file_is_stale(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(Form.ALL)
    with (host.rules_d / NAME).open("a") as file:
        file.write("-e 2\n")
    report = inspection.check(host, kernel)
    assert report.state is State.STALE
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
    assert report.state is State.IN_FORCE


def test_a_replaced_directory_is_a_dead_rule_until_it_is_loaded_again(
    host: Host, kernel: Kernel
) -> None:
    Installer(host, kernel).install(Form.ALL)
    (host.root / "run/containerd").rename(host.root / "run/old")
    touch(host, "/run/containerd/containerd.sock")
    report = inspection.check(host, kernel)
    assert report.state is State.STALE
    assert report.dead == ("/run/containerd/containerd.sock",)
    assert Installer(host, kernel).refresh().state is State.IN_FORCE


def test_memory_of_another_boot_or_a_broken_one_says_nothing(host: Host, kernel: Kernel) -> None:
    Installer(host, kernel).install(Form.ALL)
    file = host.state_dir / memory.NAME
    content = json.loads(file.read_text())
    content["boot_id"] = "another"
    content["places"] = {"/run/x/y": {"directory": [1, 2], "file": None}}
    file.write_text(json.dumps(content))
    assert inspection.check(host, kernel).state is State.IN_FORCE
    for broken in ("", "[]", "{}", '{"boot_id": 1, "owns_people_rule": 1, "places": {"a": 1}}'):
        file.write_text(broken)
        assert MemoryFile(host.state_dir).load() is None
        assert inspection.check(host, kernel).state is State.IN_FORCE


def test_a_directory_that_may_not_be_written_is_named(
    host: Host, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PermissionMissing, match=NAME):
        Installer(host, kernel).install(None)


# --------------------------------------------------------------------------- the verb


def run(host: Host, *words: str) -> tuple[int, str]:
    options = ["--root", str(host.root), "--state-dir", str(host.state_dir)]
    done = CliRunner().invoke(verb.command, [*words, *options])
    return done.exit_code, done.output


def test_every_state_has_an_exit_code() -> None:
    assert set(verb.CHECK_EXIT) == set(State)


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


# --------------------------------------------------------------------------- the real kernel


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
    assert report.state in (State.IN_FORCE, State.NOT_RECORDING)
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
    assert report.state is State.STALE
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
