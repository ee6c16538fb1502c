"""The kernel's rules, asked and changed through auditctl(8): one rule at a time, never all of them.

Status, list, add and delete are all that is used. What sets how the host audits (-b, -e, -f, -r,
and -D without a key) is the site's.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Protocol

from sensor.audit_rules.rule import PEOPLE, AuditRule, RuleMalformed, parse
from sensor.dataclass import dataclass
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from collections.abc import Iterable

TIMEOUT = 20.0
"""Seconds that one call may take; augenrules of a large site loads thousands of rules."""

OUTPUT_MAX = 500
"""Characters of a tool's complaint that are passed on."""

IMMUTABLE = 2
"""``-e 2``: no change until the next boot."""


class AuditctlUnusable(CastoffError):
    """auditctl is missing, or the kernel does not answer it."""

    exit_code = 69


@dataclass(frozen=True, slots=True)
class AuditStatus:
    """``auditctl -s``."""

    enabled: int
    """0 nothing is recorded, 1 recording, 2 recording and immutable."""
    auditd: int
    """Pid of the daemon, 0 without one."""
    lost: int
    """Records that the kernel dropped since boot."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """``auditctl -l``, apart by owner."""

    ours: tuple[AuditRule, ...]
    """With keys of ours, by any loader."""
    people: bool
    """``-a never,task -F auid=unset`` is there. It bears no key, so its author is unknown."""
    foreign: tuple[str, ...]
    """All other lines."""

    @property
    def muted(self) -> bool:
        """A rule of the host exempts every task: no system call is ever recorded."""
        return any(line.split() == ["-a", "never,task"] for line in self.foreign)


class KernelAudit(Protocol):
    """What is asked of the kernel and changed in it."""

    def status(self) -> AuditStatus:
        """Ask for the state. Raises :class:`AuditctlUnusable`."""

    def loaded(self) -> Loaded:
        """Ask for the rules. Raises :class:`AuditctlUnusable`."""

    def add(self, rule: AuditRule) -> str | None:
        """Add one rule; return a complaint instead of raising."""

    def delete(self, rule: AuditRule) -> str | None:
        """Delete one rule; return a complaint instead of raising."""

    def reload(self) -> str | None:
        """Have auditd's tool build and load the host's whole set; return a complaint."""


def sort_lines(lines: Iterable[str]) -> Loaded:
    """Separate the lines of ``auditctl -l``."""
    ours: list[AuditRule] = []
    foreign: list[str] = []
    people = False
    for line in lines:
        if not line.startswith("-"):
            continue
        try:
            rule = parse(line)
        except RuleMalformed:
            foreign.append(line.strip())
            continue
        if rule == PEOPLE:
            people = True
        else:
            ours.append(rule)
    return Loaded(tuple(ours), people, tuple(foreign))


class Auditctl:
    """The tools of this host."""

    def __init__(self) -> None:
        path = "/usr/sbin:/sbin:/usr/bin:/bin"
        self._auditctl = shutil.which("auditctl", path=path)
        self._augenrules = shutil.which("augenrules", path=path)

    def status(self) -> AuditStatus:
        """Ask for the state. Raises :class:`AuditctlUnusable`."""
        values: dict[str, int] = {}
        for line in self._ask("-s").splitlines():
            name, _, value = line.partition(" ")
            if value.strip().isdigit():
                values[name] = int(value)
        if "enabled" not in values:
            problem = "auditctl -s does not show whether audit is enabled"
            raise AuditctlUnusable(problem, "Look at: auditctl -s")
        return AuditStatus(values["enabled"], values.get("pid", 0), values.get("lost", 0))

    def loaded(self) -> Loaded:
        """Ask for the rules. Raises :class:`AuditctlUnusable`."""
        return sort_lines(self._ask("-l").splitlines())

    def add(self, rule: AuditRule) -> str | None:
        """Add one rule; the people form's goes to the front of its list."""
        option = "-A" if rule == PEOPLE else "-a"
        return self._change(option, *rule.words())

    def delete(self, rule: AuditRule) -> str | None:
        """Delete one rule."""
        return self._change("-d", *rule.words())

    def reload(self) -> str | None:
        """Run ``augenrules --load``: what auditd itself runs when it starts."""
        if self._augenrules is None:
            return "augenrules is missing"
        return _complaint(_run(self._augenrules, "--load"))

    def _ask(self, option: str) -> str:
        if self._auditctl is None:
            problem = "auditctl is not installed"
            raise AuditctlUnusable(
                problem, "Install it: apt-get install auditd, dnf install audit."
            )
        done = _run(self._auditctl, option)
        complaint = _complaint(done)
        if complaint is not None:
            problem = f"auditctl {option}: {complaint}"
            raise AuditctlUnusable(problem, "Run as root on the host, with CAP_AUDIT_CONTROL.")
        return done.stdout

    def _change(self, *words: str) -> str | None:
        if self._auditctl is None:
            return "auditctl is not installed"
        return _complaint(_run(self._auditctl, *words))


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words, check=False, capture_output=True, text=True, errors="replace", timeout=TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(words, 1, "", str(error))


def _complaint(done: subprocess.CompletedProcess[str]) -> str | None:
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
    return " ".join(said.split())[:OUTPUT_MAX]
