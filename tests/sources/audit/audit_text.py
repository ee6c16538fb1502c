"""Builders of audit text, and where the corpora lie."""

from __future__ import annotations

from pathlib import Path

from sensor.sources.audit.record import AuditRecord, from_line

CORPORA = Path(__file__).parents[2] / "corpora/audit"

MS = 1_000_000
"""Nanoseconds of a millisecond."""


def corpus(name: str) -> Path:
    """A file of the corpora."""
    return CORPORA / name


def line(kind: str, text: str, serial: int = 1, seconds: int = 1000, node: str = "") -> bytes:
    prefix = f"node={node} " if node else ""
    return f"{prefix}type={kind} msg=audit({seconds}.000:{serial}): {text}".encode()


def record(kind: str, text: str = "", serial: int = 1, seconds: int = 1000) -> AuditRecord:
    found = from_line(line(kind, text, serial, seconds))
    assert found is not None
    return found


def syscall(number: int = 59, serial: int = 1, **changes: str) -> AuditRecord:
    fields = {
        "arch": "c000003e",
        "syscall": str(number),
        "success": "yes",
        "exit": "0",
        "a0": "5",
        "a1": "0",
        "a2": "0",
        "a3": "0",
        "items": "2",
        "ppid": "41",
        "pid": "42",
        "auid": "4242",
        "uid": "0",
        "tty": "pts1",
        "ses": "7",
        "comm": '"docker"',
        "exe": '"/usr/bin/docker"',
        "key": '"castoff_client"',
    } | changes
    return record("SYSCALL", " ".join(f"{k}={v}" for k, v in fields.items()), serial)
