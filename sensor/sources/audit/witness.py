"""From a whole audit event to its testimony: a watched program's execve, a connect to an engine.

An event counts for what it says, not for the rule that recorded it: another file's rule may have
come first and put its own key on it. A program is watched by the base name of its file, of argument
0 or of the path that was executed (a script's exe is its interpreter); a socket is an engine's by
its path. Only where a container sees an engine's socket under another path does our key decide: the
rule that bears it matches by inode.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.api_calls import ApiConnect, Caller
from sensor.model.vocabulary import Witness
from sensor.model.witness_records import (
    AuditExec,
    AuditRulesChanged,
    EngineConfigWritten,
    ManifestWritten,
)
from sensor.sources.audit import decode
from sensor.sources.audit.syscalls import SyscallKind, classify

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.sources.audit.assembly import AuditEvent
    from sensor.sources.audit.fields import FieldParser, Parsed
    from sensor.sources.audit.programs import Programs

API_KEY = "castoff_api"
"""Key of the rules on engine sockets in rules/audit.rules."""

MANIFEST_KEY, CONFIG_KEY = "castoff_manifest", "castoff_config"
"""Keys of the rules on kubelet's directory of static pods, and on the configuration of engines. The
rules match by inode: the kernel says that the file is there, whatever path the caller used."""

Testimony = AuditExec | ApiConnect | ManifestWritten | EngineConfigWritten | AuditRulesChanged

_WANTED = frozenset({"SYSCALL", "EXECVE", "SOCKADDR", "CWD", "PATH"})
_CALL = re.compile(rb"arch=([0-9a-f]{1,8}) syscall=(\d{1,10}) (?:.*? )?a0=([0-9a-f]{1,16}) ")
_FIRST_PATH = b"item=0 "
_WRITTEN = re.compile(
    rb"key=(?:\"castoff_(?:manifest|config)\"|[0-9A-F]*(?:%s|%s))"
    % tuple(key.encode().hex().upper().encode() for key in (MANIFEST_KEY, CONFIG_KEY))
)
_ATTRIBUTES = {
    "c000003e": frozenset({90, 92, 94, 132, 188, 189, 197, 198, 235, 260, 261, 268, 280, 452}),
    "c00000b7": frozenset({5, 6, 14, 15, 53, 54, 88, 452}),
}
"""Calls that change a file's mode, owner, times or attributes and not its content, by machine:
chmod, chown, lchown, utime, (l)setxattr, (l)removexattr, utimes, fchownat, futimesat, fchmodat,
utimensat, fchmodat2 (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h)."""
_MADE = frozenset({"CREATE", "NORMAL"})
"""``nametype`` of a file that was made, moved there or opened for writing."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What an event says. ``partial``: something that belongs to it did not arrive."""

    testimony: Testimony | None = None
    partial: bool = False


_NOTHING = Statement()


class AuditWitness:
    """Judges events. ``start_time``: from a pid and the record's time to the process's start."""

    def __init__(
        self,
        parser: FieldParser,
        programs: Programs,
        engine_socket: Callable[[str], bool],
        start_time: Callable[[int, int], int | None],
    ) -> None:
        self._parser = parser
        self._programs = programs
        self._engine_socket = engine_socket
        self._start_time = start_time

    def statement_of(self, event: AuditEvent, realtime_offset: int) -> Statement:
        """Read one event; ``realtime_offset`` is CLOCK_REALTIME - CLOCK_BOOTTIME in ns."""
        types = {record.type for record in event.records}
        call = _call_of(event, types)
        if call is None and any(
            record.type == "SYSCALL" and _WRITTEN.search(record.text) for record in event.records
        ):
            return self._written(event, realtime_offset)
        if call is None:
            # An exec's or a connect's details without the call itself, or nothing of either.
            return Statement(partial="SYSCALL" not in types and "EXECVE" in types)
        wanted = [
            record
            for record in event.records
            if record.type in _WANTED and (record.type != "PATH" or _FIRST_PATH in record.text)
        ]
        parsed = self._parser.parse(wanted)
        facts = _Facts(event, parsed, event.stamp.wall - realtime_offset)
        if facts.pid is None:
            return Statement(partial=True)
        return self._exec(facts) if call is SyscallKind.EXEC else self._connect(facts)

    def _exec(self, facts: _Facts) -> Statement:
        arguments = facts.arguments
        # A call that failed has no EXECVE record, and its exe is still the caller's.
        names = (facts.path, arguments.first, facts.exe) if facts.success else (facts.path,)
        partial = facts.success and arguments.argv is None
        if not any(self._programs.match(name) for name in names):
            return Statement(partial=partial)
        caller = self._caller(facts, arguments.argv)
        return Statement(
            AuditExec(
                time=facts.time,
                ref=facts.ref,
                key=facts.key,
                caller=caller,
                success=facts.success,
            ),
            partial,
        )

    def _connect(self, facts: _Facts) -> Statement:
        if facts.saddr is None:
            return Statement(partial=facts.success)
        path = decode.unix_path(facts.saddr)
        if path is None or not facts.success:
            return _NOTHING
        if not path.startswith(("/", "@")) and facts.cwd is not None:
            path = posixpath.normpath(posixpath.join(facts.cwd, path))
        ours = facts.key is not None and API_KEY in facts.key.split(",")
        if not ours and not self._engine_socket(path):
            return _NOTHING
        return Statement(
            ApiConnect(
                time=facts.time,
                witness=Witness.AUDIT,
                ref=facts.ref,
                caller=self._caller(facts, None),
                socket=path,
            )
        )

    def _written(self, event: AuditEvent, realtime_offset: int) -> Statement:
        wanted = [record for record in event.records if record.type in _WANTED]
        parsed = self._parser.parse(wanted)
        facts = _Facts(event, parsed, event.stamp.wall - realtime_offset)
        keys = facts.key.split(",") if facts.key is not None else []
        if facts.pid is None or not {MANIFEST_KEY, CONFIG_KEY} & set(keys):
            return Statement(partial=facts.pid is None)
        made = [
            name
            for record in parsed
            if record.type == "PATH"
            and record.get("nametype") in _MADE
            and (name := decode.text(record.get("name"))) is not None
        ]
        call = decode.number(facts.call("syscall"))
        if not facts.success or not made or call in _ATTRIBUTES.get(facts.call("arch") or "", ()):
            return _NOTHING
        path = made[-1]
        if not path.startswith("/") and facts.cwd is not None:
            path = posixpath.normpath(posixpath.join(facts.cwd, path))
        kind = ManifestWritten if MANIFEST_KEY in keys else EngineConfigWritten
        return Statement(kind(facts.time, facts.ref, self._caller(facts, None), path))

    def _caller(self, facts: _Facts, argv: tuple[str, ...] | None) -> Caller:
        pid = facts.pid or 0
        return Caller(
            pid=pid,
            start_time=self._start_time(pid, facts.time),
            uid=decode.number(facts.call("uid")),
            loginuid=decode.number(facts.call("auid")),
            session=decode.number(facts.call("ses")),
            comm=decode.text(facts.call("comm")),
            exe=facts.exe,
            tty=decode.plain(facts.call("tty")),
            parent=decode.number(facts.call("ppid")),
            argv=argv,
            cwd=facts.cwd,
        )


class _Facts:
    """The fields of one event that matter here."""

    def __init__(self, event: AuditEvent, parsed: tuple[Parsed, ...], time: int) -> None:
        self.time = time
        self.ref = event.stamp.ref
        self._first = {record.type: record for record in reversed(parsed)}
        self.pid = decode.number(self.call("pid"))
        self.success = self.call("success") == "yes"
        self.exe = decode.text(self.call("exe"))
        self.cwd = decode.text(self._get("CWD", "cwd"))
        self.path = decode.text(self._get("PATH", "name"))
        self.saddr = self._get("SOCKADDR", "saddr")
        syscall = self._first.get("SYSCALL")
        self.key = decode.keys(
            value for name, value in (syscall.fields if syscall else ()) if name == "key"
        )
        self.arguments = decode.arguments(
            (field for record in parsed if record.type == "EXECVE" for field in record.fields),
            cut=event.cut,
        )

    def _get(self, record: str, name: str) -> str | None:
        found = self._first.get(record)
        return None if found is None else found.get(name)

    def call(self, name: str) -> str | None:
        """Return a field of the SYSCALL record."""
        return self._get("SYSCALL", name)


def _call_of(event: AuditEvent, types: set[str]) -> SyscallKind | None:
    """Separate an exec from a connect before anything is parsed; None for what is neither."""
    for record in event.records:
        if record.type != "SYSCALL":
            continue
        match = _CALL.match(record.text)
        if match is None:
            # Cut in the middle: the other records still show what it was.
            found = None
        else:
            found = classify(int(match[1], 16), int(match[2]), int(match[3], 16))
        if found is None and "EXECVE" in types:
            return SyscallKind.EXEC
        if found is None and "SOCKADDR" in types:
            return SyscallKind.CONNECT
        return found if found is not SyscallKind.OTHER else None
    return None
