"""``/etc/audit/rules.d/50-castoff.rules``: what auditd loads at boot. Mode 0640, replaced whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.audit_rules.rule import PEOPLE, AuditRule, RuleMalformed, parse
from sensor.audit_rules.template import Form
from sensor.dataclass import dataclass
from sensor.errors import PermissionMissing, StateUnusable

if TYPE_CHECKING:
    from sensor.audit_rules.template import Rendered

NAME = "50-castoff.rules"
MODE = 0o640

_HEADER = """\
# Written by `castoff audit-rules install --{form}`; do not edit.
# Remove with `castoff audit-rules uninstall`.
"""
_VOLATILE = """\
# Not for auditd: castoff-audit-rules.service loads these after boot.
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """The file as it stands."""

    form: Form
    rules: tuple[AuditRule, ...]
    intact: bool
    """False when it holds a line that Castoff would not write."""


class RulesFile:
    """The file in the directory that augenrules builds from."""

    def __init__(self, rules_d: Path) -> None:
        self.path = rules_d / NAME

    def read(self) -> Installed | None:
        """Return what is installed, None when nothing is. Raises :class:`PermissionMissing`."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused(self.path, error) from error
        rules: list[AuditRule] = []
        intact = True
        for line in lines:
            if not line.strip() or line.startswith("#"):
                continue
            try:
                rules.append(parse(line))
            except RuleMalformed:
                intact = False
        form = Form.PEOPLE if PEOPLE in rules else Form.ALL
        return Installed(form, tuple(rules), intact)

    def write(self, rendered: Rendered) -> None:
        """Replace the file. Raises :class:`PermissionMissing` or :class:`StateUnusable`."""
        text = compose(rendered)
        directory = self.path.parent
        try:
            directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            # augenrules takes every name that ends in .rules, so the draft's must not.
            descriptor, draft = tempfile.mkstemp(prefix=f".{NAME}.", suffix=".new", dir=directory)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                    os.fchmod(file.fileno(), MODE)
                    os.fsync(file.fileno())
                Path(draft).replace(self.path)
            except OSError:
                Path(draft).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _refused(self.path, error) from error

    def remove(self) -> bool:
        """Remove the file; returns whether there was one."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _refused(self.path, error) from error
        return True

    def others(self) -> tuple[str, ...]:
        """Rules of the host's own in the files beside ours."""
        found: list[str] = []
        try:
            files = sorted(self.path.parent.glob("*.rules"))
            for file in files:
                if file.name != NAME:
                    text = file.read_text(encoding="utf-8", errors="replace")
                    found += [line.strip() for line in text.splitlines() if _is_rule(line)]
        except OSError as error:
            raise _refused(self.path.parent, error) from error
        return tuple(found)


def compose(rendered: Rendered) -> str:
    """Write the file's text, and read it again: a line that would not load raises here.

    Raises :class:`RuleMalformed`.
    """
    lasting = "".join(f"{rule}\n" for rule in rendered.lasting)
    text = _HEADER.format(form=rendered.form) + lasting
    if rendered.volatile:
        text += _VOLATILE + "".join(f"# {rule}\n" for rule in rendered.volatile)
    for line, rule in zip(lasting.splitlines(), rendered.lasting, strict=True):
        if parse(line) != rule:
            raise RuleMalformed(
                f"audit rule that reads back as another: {line!r}", "Report this path to Castoff."
            )
    return text


def _is_rule(line: str) -> bool:
    return line.lstrip().startswith(("-a", "-A", "-w"))


def _refused(path: Path, error: OSError) -> PermissionMissing | StateUnusable:
    problem = f"{path}: {error.strerror}"
    if isinstance(error, PermissionError):
        return PermissionMissing(problem, "Run as root: sudo castoff audit-rules …")
    return StateUnusable(problem, "Make room, or make the file system writable.")
