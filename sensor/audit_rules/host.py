"""Where the files of a host's audit rules are."""

from __future__ import annotations

import os
from dataclasses import field
from pathlib import Path

from sensor.audit_rules import template
from sensor.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Host:
    """A host, or a test's directory that stands for one."""

    root: Path = Path("/")
    """Where programs, sockets and configuration are looked for."""
    rules_d: Path = Path("/etc/audit/rules.d")
    state_dir: Path = Path("/var/lib/castoff")
    machine: str = field(default_factory=lambda: os.uname().machine)
    source: Path = template.SOURCE

    def boot_id(self) -> str:
        """Return this boot's id."""
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()

    def render(self, form: template.Form) -> template.Rendered:
        """Choose the rules for what is on the host now."""
        rules = template.load(self.source)
        return template.render(form, rules, self.root, self.machine)
