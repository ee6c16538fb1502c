"""How it stands with a host's audit rules, and what a person should know about it."""

from __future__ import annotations

from enum import StrEnum, unique
from typing import TYPE_CHECKING

from sensor.audit_rules.auditctl import IMMUTABLE
from sensor.audit_rules.template import Form
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.audit_rules.auditctl import AuditStatus, Loaded
    from sensor.audit_rules.rules_file import Installed
    from sensor.audit_rules.template import Rendered


@unique
class RulesState(StrEnum):
    """How it stands with the rules."""

    IN_FORCE = "in_force"
    STALE = "stale"
    """File or kernel differ from what this host needs now."""
    PENDING_REBOOT = "pending_reboot"
    """Kernel audit is immutable: the file takes effect at the next boot."""
    NOT_RECORDING = "not_recording"
    """The rules are loaded and audit is disabled, or the host's own rule exempts every task."""
    NOT_INSTALLED = "not_installed"
    NOTHING_TO_WATCH = "nothing_to_watch"
    """No container program is on this host."""
    UNAVAILABLE = "unavailable"
    """No auditctl, or no kernel audit within reach."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found or done. ``notes`` are sentences for a person."""

    state: RulesState
    form: Form | None
    path: str
    rules: int = 0
    missing: tuple[str, ...] = ()
    """Rules that should be in the kernel and are not."""
    surplus: tuple[str, ...] = ()
    """Rules of ours in the kernel that this host does not need (any more)."""
    dead: tuple[str, ...] = ()
    """Paths whose directory is another than at loading: their rules match nothing."""
    recreated: tuple[str, ...] = ()
    """Paths that are another file now; the kernel has followed."""
    notes: tuple[str, ...] = ()


NOTHING = "No container program is on this host: no rule is needed and none was written."
ORPHANS = "Rules of Castoff are in the kernel without their file: castoff audit-rules uninstall."
GONE_AT_BOOT = "Kernel audit is immutable (-e 2): the rules are gone after the next boot."


def notes(
    installed: Installed, rendered: Rendered, status: AuditStatus, loaded: Loaded
) -> tuple[str, ...]:
    """Say what the lists of a report do not."""
    found: list[str] = []
    if status.enabled == IMMUTABLE:
        found.append("Kernel audit is immutable (-e 2): changes take effect at the next boot.")
    if status.enabled == 0:
        found.append(
            "Kernel audit is disabled and records nothing: start auditd, or run auditctl -e 1."
        )
    if loaded.muted:
        found.append("This host's own rule -a never,task exempts every task: nothing is recorded.")
    if not installed.intact:
        found.append("The file was edited: castoff audit-rules install writes it anew.")
    if installed.form is Form.PEOPLE and loaded.foreign:
        found.append(
            f"The people form hides tasks without a login from {len(loaded.foreign)} rules of this"
            " host. To avoid that: castoff audit-rules install --all."
        )
    if rendered.volatile:
        found.append(
            f"{len(rendered.volatile)} rules on sockets below /run last until the next boot."
            " castoff-audit-rules.service loads them after it; without the packages, run:"
            " castoff audit-rules install --refresh."
        )
    return tuple(found)
