"""Whether the rules of a host are in force: the file, the kernel and the host, compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.audit_rules import memory, report
from sensor.audit_rules.auditctl import IMMUTABLE, AuditctlUnusable
from sensor.audit_rules.memory import MemoryFile
from sensor.audit_rules.report import Report, RulesState
from sensor.audit_rules.rule import PEOPLE
from sensor.audit_rules.rules_file import RulesFile
from sensor.audit_rules.template import Form

if TYPE_CHECKING:
    from sensor.audit_rules.auditctl import AuditStatus, KernelAudit, Loaded
    from sensor.audit_rules.host import Host
    from sensor.audit_rules.memory import RulesLoading


def ask(control: KernelAudit) -> tuple[AuditStatus, Loaded] | AuditctlUnusable:
    """Return the kernel's state and rules, or why they cannot be had."""
    try:
        return control.status(), control.loaded()
    except AuditctlUnusable as error:
        return error


def dead_places(host: Host, known: RulesLoading | None) -> tuple[str, ...]:
    """Paths whose directory was removed or mounted over since loading: the rule matches nothing."""
    return tuple(
        target
        for target, place in _places(host, known).items()
        if memory.look(host.root, target).directory != place.directory
    )


def recreated_places(host: Host, known: RulesLoading | None) -> tuple[str, ...]:
    """Paths that are another file since loading; the kernel follows those."""
    found: list[str] = []
    for target, place in _places(host, known).items():
        now = memory.look(host.root, target)
        both = place.file is not None and now.file is not None
        if both and now.directory == place.directory and now.file != place.file:
            found.append(target)
    return tuple(found)


def _places(host: Host, known: RulesLoading | None) -> dict[str, memory.PathIdentity]:
    if known is None or known.boot_id != host.boot_id():
        return {}
    return known.places


def check(host: Host, control: KernelAudit) -> Report:
    """Compare. Changes nothing; raises only when the file may not be read."""
    file = RulesFile(host.rules_d)
    installed = file.read()
    form = None if installed is None else installed.form
    asked = ask(control)
    if isinstance(asked, AuditctlUnusable):
        note = f"{asked.problem}. {asked.fix}"
        return Report(RulesState.UNAVAILABLE, form, str(file.path), notes=(note,))
    status, loaded = asked
    if installed is None:
        notes = (report.ORPHANS,) if loaded.ours else ()
        return Report(RulesState.NOT_INSTALLED, None, str(file.path), notes=notes)
    rendered = host.render(installed.form)
    wanted = [rule for rule in rendered.rules if rule != PEOPLE]
    missing = [str(rule) for rule in wanted if rule not in loaded.ours]
    if installed.form is Form.PEOPLE and not loaded.people:
        missing.insert(0, str(PEOPLE))
    surplus = [str(rule) for rule in loaded.ours if rule not in wanted]
    known = MemoryFile(host.state_dir).load()
    dead = dead_places(host, known)
    current = installed.intact and installed.rules == rendered.lasting
    state = RulesState.IN_FORCE
    if missing or surplus or dead or not current:
        state = RulesState.PENDING_REBOOT if status.enabled == IMMUTABLE else RulesState.STALE
    elif status.enabled == 0 or loaded.muted:
        state = RulesState.NOT_RECORDING
    return Report(
        state=state,
        form=installed.form,
        path=str(file.path),
        rules=len(rendered.rules),
        missing=tuple(missing),
        surplus=tuple(surplus),
        dead=dead,
        recreated=recreated_places(host, known),
        notes=report.notes(installed, rendered, status, loaded),
    )
