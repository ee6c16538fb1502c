"""Rules are rendered for what is on the host."""

from __future__ import annotations

from sensor.audit_rules import template
from sensor.audit_rules.host import Host
from sensor.audit_rules.rule import PEOPLE
from sensor.audit_rules.template import Form
from tests.audit_rules.made import DOCKER, touch


def texts(host: Host, form: Form = Form.ALL) -> list[str]:
    return [str(rule) for rule in host.render(form).rules]


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
