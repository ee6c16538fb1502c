"""Put the rules in force and take them away, never at the host's expense.

Loading goes through auditd's own tool where auditd runs and every rule in the kernel also stands in
a file: augenrules begins with the site's ``-D`` and would wipe rules that were loaded by hand.
Otherwise, and for whatever that left out, each rule is added by itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.audit_rules import memory, report
from sensor.audit_rules.auditctl import IMMUTABLE, AuditctlUnusable
from sensor.audit_rules.foreign import core
from sensor.audit_rules.inspection import ask, check, dead_places
from sensor.audit_rules.memory import MemoryFile, RulesLoading
from sensor.audit_rules.report import Report, RulesState
from sensor.audit_rules.rule import PEOPLE
from sensor.audit_rules.rules_file import RulesFile
from sensor.audit_rules.template import Form

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.audit_rules.auditctl import AuditStatus, KernelAudit, Loaded
    from sensor.audit_rules.host import Host
    from sensor.audit_rules.rule import AuditRule
    from sensor.audit_rules.template import Rendered


class Installer:
    """Works on one host through one control of its kernel."""

    def __init__(self, host: Host, control: KernelAudit) -> None:
        self._host = host
        self._control = control
        self._file = RulesFile(host.rules_d)
        self._memory = MemoryFile(host.state_dir)

    def install(self, form: Form | None) -> Report:
        """Write the file and load the rules; ``form`` None chooses.

        Raises only where the disk or the user's rights forbid it. A refusal of the kernel is
        reported in the result.
        """
        asked = ask(self._control)
        loaded = None if isinstance(asked, AuditctlUnusable) else asked[1]
        form = form or self._default_form(loaded)
        rendered = self._host.render(form)
        path = str(self._file.path)
        if rendered.empty:
            if self._file.read() is not None:
                self.uninstall()
            return Report(RulesState.NOTHING_TO_WATCH, form, path, notes=(report.NOTHING,))
        self._file.write(rendered)
        if isinstance(asked, AuditctlUnusable):
            note = f"{asked.problem}: the file waits for auditd."
            return Report(RulesState.UNAVAILABLE, form, path, len(rendered.rules), notes=(note,))
        status, loaded = asked
        if status.enabled == IMMUTABLE:
            return check(self._host, self._control)
        complaints = self._load(rendered, status, loaded)
        found = check(self._host, self._control)
        return replace(found, notes=complaints + found.notes)

    def refresh(self) -> Report:
        """Bring file and kernel up to date, if rules are installed: for a start of the service."""
        installed = self._file.read()
        if installed is None:
            return Report(RulesState.NOT_INSTALLED, None, str(self._file.path))
        return self.install(installed.form)

    def uninstall(self) -> Report:
        """Remove the file and the rules with our keys; all others stay."""
        notes = [] if self._file.remove() else ["There was no file to remove."]
        state = RulesState.NOT_INSTALLED
        asked = ask(self._control)
        if isinstance(asked, AuditctlUnusable):
            notes.append(f"{asked.problem}. {asked.fix}")
        elif asked[0].enabled == IMMUTABLE:
            notes.append(report.GONE_AT_BOOT)
            state = RulesState.PENDING_REBOOT
        else:
            known = self._memory.load()
            ours = list(asked[1].ours)
            if asked[1].people and known is not None and known.owns_people_rule:
                ours.append(PEOPLE)
            notes += self._each(self._control.delete, ours)
        self._memory.forget()
        return Report(state, None, str(self._file.path), notes=tuple(notes))

    def _default_form(self, loaded: Loaded | None) -> Form:
        """Keep what is installed; else people, where that blinds no other rule."""
        installed = self._file.read()
        if installed is not None:
            return installed.form
        foreign = loaded is not None and bool(loaded.foreign)
        return Form.ALL if foreign or self._file.others() else Form.PEOPLE

    def _load(self, rendered: Rendered, status: AuditStatus, loaded: Loaded) -> tuple[str, ...]:
        """Make the kernel's rules ours; return what it refused."""
        complaints: list[str] = []
        known = self._memory.load()
        owns = not loaded.people or (known is not None and known.owns_people_rule)
        if status.auditd and not self._by_hand(loaded):
            complaint = self._control.reload()
            if complaint is not None:
                complaints.append(f"augenrules --load: {complaint}")
            loaded = self._control.loaded()
        wanted = [rule for rule in rendered.rules if rule != PEOPLE]
        dead = frozenset(dead_places(self._host, known))
        old = [rule for rule in loaded.ours if rule not in wanted or rule.target in dead]
        if rendered.form is Form.ALL and loaded.people and owns:
            old.append(PEOPLE)
        complaints += self._each(self._control.delete, old)
        kept = frozenset(loaded.ours) - frozenset(old)
        new = [rule for rule in wanted if rule not in kept]
        if rendered.form is Form.PEOPLE and not loaded.people:
            new.insert(0, PEOPLE)
        complaints += self._each(self._control.add, new)
        self._remember(rendered, owns=owns and rendered.form is Form.PEOPLE)
        return tuple(complaints)

    @staticmethod
    def _each(change: Callable[[AuditRule], str | None], rules: list[AuditRule]) -> list[str]:
        answers = [(rule, change(rule)) for rule in rules]
        return [f"{rule}: {answer}" for rule, answer in answers if answer is not None]

    def _by_hand(self, loaded: Loaded) -> bool:
        """Whether the kernel has rules that no file holds."""
        filed = {core(line) for line in self._file.others()}
        return any(core(line) not in filed for line in loaded.foreign)

    def _remember(self, rendered: Rendered, *, owns: bool) -> None:
        targets = {rule.target for rule in rendered.rules if rule.target is not None}
        places = {target: memory.look(self._host.root, target) for target in sorted(targets)}
        self._memory.save(RulesLoading(self._host.boot_id(), owns, places))
