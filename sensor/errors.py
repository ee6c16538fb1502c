"""Every error that Castoff raises on purpose, with its exit code and the fix it suggests.

CastoffError
├── ConfigError            78  unreadable or wrong configuration (sysexits EX_CONFIG)
├── PermissionMissing      77  root or a capability is missing (EX_NOPERM)
├── KernelUnsupported      71  no BTF, a missing field, no ring buffer (EX_OSERR)
├── PackageMissing         69  what was asked for is in a package of its own (optional_packages.py)
├── CompilerMissing        69  bcc cannot be imported or cannot compile (EX_UNAVAILABLE)
├── ProbesBusy             75  another agent owns the probes of this node (EX_TEMPFAIL)
├── ProbesAbsent           69  probes are asked about and none are loaded
├── SensorImpaired          1  the probes were taken away, or the agent stalled (agent/status.py)
├── AuditUnavailable       69  no audit records are to be had (sources/audit/unavailable.py)
├── AuditctlUnusable       69  auditctl is missing or fails (audit_rules/auditctl.py)
├── RuleMalformed          65  rules/audit.rules cannot be read (audit_rules/rule.py)
├── RecordMalformed        70  a kernel record that does not follow record.h (EX_SOFTWARE)
├── CaptureMalformed       65  a capture file that cannot be replayed (EX_DATAERR)
├── CursorExpired           1  a cursor before the oldest event (store/query.py)
├── TooManyMatches          1  a prefix that names too many containers (store/query.py)
├── SocketForbidden         4  the socket is not for this user (api/client.py)
├── RequestRefused          1  the agent refused a request (api/client.py)
├── RuntimeMissing         69  no runtime to prove a start with (cli/selftest.py)
├── AgentUnreachable        3  no agent answers on the socket
└── StateUnusable          74  the state directory cannot be read or written (EX_IOERR)
"""

from __future__ import annotations


class CastoffError(Exception):
    """An error with a message for a person, the fix, and the process's exit code.

    ``problem`` names the offending key, path or kernel; ``fix`` is one sentence that
    says how to fix it.
    """

    exit_code = 1

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


class ConfigError(CastoffError):
    """The configuration cannot be read, or a key in it is unknown or of a wrong type."""

    exit_code = 78


class PermissionMissing(CastoffError):
    """The process lacks root or one of the capabilities that a step needs."""

    exit_code = 77


class KernelUnsupported(CastoffError):
    """The running kernel lacks BTF, a structure field or a BPF feature that the probes need."""

    exit_code = 71


class CompilerMissing(CastoffError):
    """The bcc bindings are not importable, or the compilation of the probes failed."""

    exit_code = 69


class ProbesBusy(CastoffError):
    """Another agent on this node holds the probes."""

    exit_code = 75


class ProbesAbsent(CastoffError):
    """No probe set is pinned where one was expected."""

    exit_code = 69


class SensorImpaired(CastoffError):
    """The sensor itself has a problem: it may be blind, or was a moment ago."""

    exit_code = 1


class RecordMalformed(CastoffError):
    """A record from the ring buffer does not follow the layout of ``probes/record.h``."""

    exit_code = 70


class CaptureMalformed(CastoffError):
    """A capture file is cut, of another version, or no capture at all."""

    exit_code = 65


class AgentUnreachable(CastoffError):
    """No agent listens on the socket."""

    exit_code = 3


class StateUnusable(CastoffError):
    """The state directory or a file in it cannot be used."""

    exit_code = 74
