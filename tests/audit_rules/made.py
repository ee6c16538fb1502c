"""A host and a kernel that stand for the real ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sensor.audit_rules.auditctl import AuditctlUnusable, AuditStatus, Loaded, sort_lines
from sensor.audit_rules.host import Host
from sensor.audit_rules.rule import PEOPLE, AuditRule

DOCKER = "-a always,exit -F arch=b64 -F perm=x -F path=/usr/bin/docker -F key=castoff_client"


@dataclass
class Kernel:
    """Stands for the kernel: keeps the rules it is given."""

    lines: list[str] = field(default_factory=list)
    enabled: int = 1
    auditd: int = 0
    reachable: bool = True
    refused: str | None = None
    reloads: int = 0

    def status(self) -> AuditStatus:
        if not self.reachable:
            raise AuditctlUnusable("auditctl is not installed", "Install it.")
        return AuditStatus(self.enabled, self.auditd, 0)

    def loaded(self) -> Loaded:
        return sort_lines(self.lines)

    def add(self, rule: AuditRule) -> str | None:
        if self.refused is not None and self.refused in str(rule):
            return "No such file or directory"
        assert self.enabled != 2
        assert str(rule) not in self.lines
        self.lines.insert(0 if rule == PEOPLE else len(self.lines), str(rule))
        return None

    def delete(self, rule: AuditRule) -> str | None:
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


def made_host(directory: Path) -> Host:
    """A host below a directory, with Docker's programs and a socket of containerd."""
    found = Host(
        root=directory / "root",
        rules_d=directory / "rules.d",
        state_dir=directory / "state",
        machine="x86_64",
    )
    touch(found, "/usr/bin/docker", "/usr/sbin/dockerd", "/run/containerd/containerd.sock")
    return found
