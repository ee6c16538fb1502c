"""A system call's number means what the kernel's table of that architecture says."""

from __future__ import annotations

import pytest

from sensor.sources.audit.syscalls import SyscallKind, classify

X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
X32 = 1 << 30

CALLS = {
    "execve": (X86_64, 59, 0, SyscallKind.EXEC),
    "execveat": (X86_64, 322, 0, SyscallKind.EXEC),
    "connect": (X86_64, 42, 0, SyscallKind.CONNECT),
    "x32-execve": (X86_64, X32 + 520, 0, SyscallKind.EXEC),
    "x32-connect": (X86_64, X32 + 42, 0, SyscallKind.CONNECT),
    "i386-socketcall-of-connect": (I386, 102, 3, SyscallKind.CONNECT),
    "i386-socketcall-of-bind": (I386, 102, 2, SyscallKind.OTHER),
    "aarch64-execve": (AARCH64, 221, 0, SyscallKind.EXEC),
    "loongarch64-execve": (0xC0000102, 221, 0, SyscallKind.EXEC),
    "mips64el-execveat": (0xC0000008, 5316, 0, SyscallKind.EXEC),
    "mips64el-connect": (0xC0000008, 5041, 0, SyscallKind.CONNECT),
    "another": (X86_64, 0, 3, SyscallKind.OTHER),
    "number-of-another-architecture": (AARCH64, 59, 0, SyscallKind.OTHER),
    "unknown-architecture": (0x1234, 59, 0, None),
}


@pytest.mark.parametrize(("arch", "number", "first", "call"), CALLS.values(), ids=CALLS)
def test_a_call_is_known_by_its_architecture(
    arch: int, number: int, first: int, call: SyscallKind | None
) -> None:
    assert classify(arch, number, first) is call
