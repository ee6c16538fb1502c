"""From ``rules/audit.rules`` to the rules of one host: the paths that are there, for each ABI.

What the kernel makes of a path decides what is rendered (audit_get_nd() of kernel/audit_watch.c):
the directory must exist when the rule is loaded, the file need not; a symbolic link at the end is
not followed, so it is resolved here.
"""

from __future__ import annotations

import os
from dataclasses import replace
from enum import StrEnum, unique
from pathlib import Path

from sensor.audit_rules.rule import PEOPLE, AuditRule, parse
from sensor.dataclass import dataclass
from sensor.errors import StateUnusable

SOURCE = Path(__file__).resolve().parents[2] / "rules/audit.rules"
"""It lies beside the package, in a checkout as in an installed tree."""

PATHS_MAX = 64
"""Paths that one pattern may stand for."""

_VOLATILE = "/run/"
"""What lies here is gone after a reboot."""

_TWINS = {"x86_64": ("b64", "b32")}
"""Machines whose kernel serves two ABIs; auditctl of others refuses the second."""


@unique
class Form(StrEnum):
    """Whose commands are recorded."""

    PEOPLE = "people"
    """Those of logged-in people: everything else runs at full speed."""
    ALL = "all"
    """Every task on the host passes through audit."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The rules of one host."""

    form: Form
    rules: tuple[AuditRule, ...]
    """In loading order."""
    volatile: tuple[AuditRule, ...]
    """Those among them whose directory is made anew at each boot, too late for auditd's own load:
    the file must not hold them, for auditctl stops at the first rule that it cannot load."""

    @property
    def lasting(self) -> tuple[AuditRule, ...]:
        """What the file holds."""
        return tuple(rule for rule in self.rules if rule not in self.volatile)

    @property
    def empty(self) -> bool:
        """Nothing that Castoff watches is on this host: a socket's place alone does not count."""
        return not any(rule.perm == "x" for rule in self.rules)


def load(source: Path = SOURCE) -> tuple[AuditRule, ...]:
    """Read the template; the people form's own rule is known and left out.

    Raises :class:`StateUnusable` or :class:`RuleMalformed`.
    """
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        problem = f"{source}: {error.strerror}"
        raise StateUnusable(problem, "Reinstall Castoff: this file is part of it.") from error
    rules = (parse(line) for line in lines if line.strip() and not line.startswith("#"))
    return tuple(rule for rule in rules if rule != PEOPLE)


def render(form: Form, rules: tuple[AuditRule, ...], root: Path, machine: str) -> Rendered:
    """Choose and adapt the rules for the host whose files lie under ``root``."""
    found: dict[tuple[str, str | None, str], AuditRule] = {}
    for rule in rules:
        for target in _targets(rule, root):
            adapted = (
                replace(rule, path=target) if rule.path is not None else replace(rule, dir=target)
            )
            # A program under two names (k3s, kubectl) is one file: the first rule has it.
            found.setdefault((target, rule.syscall, rule.perm or ""), adapted)
    people = (PEOPLE,) if form is Form.PEOPLE else ()
    abis = _TWINS.get(machine, ("b64",))
    twins = tuple(replace(rule, arch=abi) for rule in found.values() for abi in abis)
    volatile = tuple(rule for rule in twins if _is_volatile(rule.target or ""))
    return Rendered(form, people + twins, volatile)


def _is_volatile(target: str) -> bool:
    return target.startswith(_VOLATILE) and "/" in target.removeprefix(_VOLATILE)


def _targets(rule: AuditRule, root: Path) -> list[str]:
    """Absolute paths on the host, resolved, that a rule of the template stands for."""
    pattern = (rule.target or "").removeprefix("/")
    if rule.syscall is not None and "*" not in pattern:
        # A socket's rule waits for the socket.
        place = root / pattern
        return _inside([place.parent / place.name], root) if place.parent.is_dir() else []
    places = sorted(root.glob(pattern))[:PATHS_MAX] if "*" in pattern else [root / pattern]
    here = [place for place in places if place.exists()]
    if rule.dir is not None:
        here = [place for place in here if place.is_dir()]
    return [
        target
        for place in here
        for target in _inside([place], root)
        # A link to a program of many names (snap, busybox) would watch all of them.
        if rule.perm != "x" or _same_program(place.name, target.rpartition("/")[2])
    ]


def _same_program(name: str, resolved: str) -> bool:
    """Whether a file is the program that a link names: ``docker`` and ``docker-24.0``, or k3s."""
    return resolved.startswith(name) or resolved in ("k3s", "k0s", "rke2")


def _inside(places: list[Path], root: Path) -> list[str]:
    base = os.path.realpath(root)
    found: list[str] = []
    for place in places:
        resolved = os.path.realpath(place)
        inside = "/" + os.path.relpath(resolved, base)
        if not inside.startswith("/..") and not any(c.isspace() for c in inside):
            found.append(inside)
    return found
