"""One audit rule: read from auditctl(8)'s syntax, compared as a value, written back.

Only the rules that Castoff makes have a value; every other line on a host belongs to its author.
"""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.errors import CastoffError

KEY_PREFIX = "castoff_"

_LISTS = frozenset({"always,exit", "exit,always", "never,task", "task,never"})
_FIELDS = frozenset({"arch", "perm", "path", "dir", "key", "auid"})
_ALL = "all"
_UNSET = frozenset({"unset", "-1", "4294967295"})
"""How versions of auditctl name a login uid that is not set."""


class RuleMalformed(CastoffError):
    """A line of an audit rules file that Castoff must not load."""

    exit_code = 65


@dataclass(frozen=True, slots=True)
class AuditRule:
    """``-a LIST -F arch=… -S … -F perm=… -F path=… -F key=…``; what is absent is None."""

    list: str
    """``always,exit`` or ``never,task``."""
    arch: str | None = None
    syscall: str | None = None
    perm: str | None = None
    path: str | None = None
    dir: str | None = None
    key: str | None = None
    auid: str | None = None

    @property
    def target(self) -> str | None:
        """The path or directory that it watches."""
        return self.path or self.dir

    def words(self) -> tuple[str, ...]:
        """Return the rule without ``-a``, as arguments of auditctl."""
        found: list[str] = [self.list]
        if self.arch is not None:
            found += ["-F", f"arch={self.arch}"]
        if self.syscall is not None:
            found += ["-S", self.syscall]
        for name in ("perm", "path", "dir", "auid", "key"):
            value = getattr(self, name)
            if value is not None:
                found += ["-F", f"{name}={value}"]
        return tuple(found)

    def __str__(self) -> str:
        return " ".join(("-a", *self.words()))


PEOPLE = AuditRule("never,task", auid="unset")
"""Tasks without a login are not audited: what makes the people form cheap. It cannot bear a key."""


def parse(line: str) -> AuditRule:
    """Read one line, of a file or of ``auditctl -l``.

    Raises :class:`RuleMalformed` for anything but the rules that Castoff makes: ``-D``, ``-e``,
    ``-b``, ``-f``, ``-r``, ``-w`` and unknown fields among them.
    """
    words = line.split()
    values: dict[str, str] = {}
    if len(words) % 2:
        raise _malformed(line, "an option without its value")
    for option, value in zip(words[::2], words[1::2], strict=True):
        if option in ("-a", "-A"):
            name, _, content = "list", "", value
        elif option == "-S":
            name, _, content = "syscall", "", value
        elif option == "-k":
            name, _, content = "key", "", value
        elif option == "-F":
            name, _, content = value.partition("=")
            if name not in _FIELDS:
                raise _malformed(line, f"the field {name}")
        else:
            raise _malformed(line, f"the option {option}")
        if name in values or not content:
            raise _malformed(line, f"{name} twice, or without a value")
        values[name] = content
    return _rule(values, line)


def _rule(values: dict[str, str], line: str) -> AuditRule:
    where = values.get("list", "")
    if where not in _LISTS:
        raise _malformed(line, f"the list {where or 'that is missing'}")
    task = "task" in where
    rule = AuditRule(
        list="never,task" if task else "always,exit",
        arch=values.get("arch"),
        syscall=None if values.get("syscall") == _ALL else values.get("syscall"),
        perm="".join(sorted(values["perm"], reverse=True)) if "perm" in values else None,
        path=values.get("path"),
        dir=values.get("dir"),
        key=values.get("key"),
        auid="unset" if values.get("auid") in _UNSET else values.get("auid"),
    )
    if task and rule != PEOPLE:
        raise _malformed(line, "a rule on tasks other than the people form's")
    if not task:
        _check_exit_rule(rule, line)
    return rule


def _check_exit_rule(rule: AuditRule, line: str) -> None:
    target = rule.target
    if target is None or not target.startswith("/") or (rule.path and rule.dir):
        raise _malformed(line, "no single absolute path to watch")
    if rule.key is None or not rule.key.startswith(KEY_PREFIX):
        raise _malformed(line, f"a key that does not begin with {KEY_PREFIX}")
    if (rule.perm is None) == (rule.syscall is None) or rule.auid is not None:
        raise _malformed(line, "neither permissions nor a system call, or a login uid")


def _malformed(line: str, what: str) -> RuleMalformed:
    return RuleMalformed(
        f"audit rule with {what}: {line!r}",
        "Reinstall Castoff, or write the rule to your own file.",
    )
