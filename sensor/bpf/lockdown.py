"""The kernel's lockdown, which may forbid BPF to read kernel memory."""

from __future__ import annotations

from pathlib import Path

from sensor.errors import KernelUnsupported

FILE = Path("/sys/kernel/security/lockdown")
FIX = "Boot with lockdown=integrity: confidentiality forbids BPF to read kernel memory."

_FORBIDS_READING = "confidentiality"


def mode() -> str | None:
    """Return the mode in force; None where the kernel does not show one."""
    try:
        text = FILE.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # All modes, the one in force in brackets: security/lockdown/lockdown.c.
    return text.partition("[")[2].partition("]")[0] or None


def forbids_reading(found: str | None) -> bool:
    """Return whether probes cannot work in this mode."""
    return found == _FORBIDS_READING


def require_reading() -> None:
    """Raise :class:`KernelUnsupported` where BPF may not read kernel memory."""
    found = mode()
    if forbids_reading(found):
        raise KernelUnsupported(f"the kernel's lockdown is {found}", FIX)
