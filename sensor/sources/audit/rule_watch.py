"""Whether Castoff's audit rules stay in the kernel, by the kernel's own records of each change.

The kernel writes a CONFIG_CHANGE record for each rule that is added or removed, and for each change
of ``audit_enabled``, with the login that did it. A reload (augenrules, a new start of auditd)
removes all rules and adds them again at once. So a loss counts ``SETTLED`` after it began.

A rule whose directory goes is removed by the kernel: the source counts that, and this watch
does not report it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from sensor.model.witness_records import AuditRulesChanged
from sensor.sources.audit import decode

if TYPE_CHECKING:
    from sensor.sources.audit.assembly import AuditEvent
    from sensor.sources.audit.record import AuditRecord

SETTLED = 3_000_000_000
"""Nanoseconds in which a reload has to be through."""
UNSET = 0xFFFF_FFFF
KEYS_MAX = 64
"""Keys that are counted; the rules have eight."""
CHANGE = "CONFIG_CHANGE"
_RULE = re.compile(rb'op=(add|remove)_rule key="(castoff_[a-z_]{1,32})"')
_ENABLED = re.compile(rb"op=set audit_enabled=([0-2]) old=([0-2])")
_LOGIN = re.compile(rb"\bauid=([0-9]{1,10})\b")
_PROGRAM = re.compile(rb'\bexe=(".{0,4096}?"|[0-9A-F]{2,8192})(?: |$)')


class RuleWatch:
    """Fed with audit events; asked when something is due. Times are ns since boot."""

    def __init__(self) -> None:
        self._missing: Counter[str] = Counter()
        self._enabled = True
        self._since: int | None = None
        """When the first of what is missing went."""
        self._loginuid: int | None = None
        self._exe: str | None = None
        self.lost: AuditRulesChanged | None = None
        """What is missing now, once it was reported."""

    @staticmethod
    def concerns(record: AuditRecord) -> bool:
        """Whether a record is about rules of Castoff, or about audit as a whole."""
        return record.type == CHANGE and bool(
            _RULE.search(record.text) or _ENABLED.search(record.text)
        )

    def push(self, event: AuditEvent, now: int) -> None:
        """Take note of an event."""
        for record in event.records:
            if record.type == CHANGE:
                self._push(record, event, now)

    def _push(self, record: AuditRecord, event: AuditEvent, now: int) -> None:
        rule, enabled = _RULE.search(record.text), _ENABLED.search(record.text)
        if rule is not None:
            key = rule[2].decode("ascii")
            if rule[1] == b"remove":
                if key in self._missing or len(self._missing) < KEYS_MAX:
                    self._missing[key] += 1
                self._lose(record, event, now)
            elif self._missing[key] > 1:
                self._missing[key] -= 1
            else:
                del self._missing[key]
        elif enabled is not None:
            self._enabled = enabled[1] != b"0"
            if not self._enabled:
                self._lose(record, event, now)

    def _lose(self, record: AuditRecord, event: AuditEvent, now: int) -> None:
        if self._since is not None:
            return
        self._since = now
        login = _LOGIN.search(record.text)
        loginuid = int(login[1]) if login is not None else UNSET
        self._loginuid = loginuid if loginuid != UNSET else None
        found = (_PROGRAM.search(one.text) for one in event.records if one.type == "SYSCALL")
        program = next((match for match in found if match is not None), None)
        self._exe = decode.text(program[1].decode("ascii", "replace")) if program else None

    def deadline(self) -> int | None:
        """When :meth:`take` has something to say."""
        if self._since is None or self.lost is not None:
            return None
        return self._since + SETTLED

    def take(self, now: int) -> AuditRulesChanged | None:
        """Return what is lost for long enough, once, and that it is back."""
        if self._since is None:
            return None
        keys, missing = tuple(sorted(self._missing)), self._missing.total()
        if not missing and self._enabled:
            since, lost = self._since, self.lost
            self._since = self.lost = None
            return AuditRulesChanged(now, since, 0, enabled=True) if lost is not None else None
        if self.lost is not None or now < self._since + SETTLED:
            return None
        self.lost = AuditRulesChanged(
            now, self._since, missing, self._enabled, keys, self._loginuid, self._exe
        )
        return self.lost
