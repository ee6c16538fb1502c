"""Numbers of the system calls that make a program run or a socket connect, by audit architecture.

From the kernel's tables (arch/*/entry/syscalls/*.tbl, include/uapi/asm-generic/unistd.h) and
AUDIT_ARCH_* of include/uapi/linux/audit.h: the ELF machine, with bit 31 for 64 bit and bit 30 for
little endian.
"""

from __future__ import annotations

from enum import Enum, auto, unique

from sensor.dataclass import dataclass


@unique
class SyscallKind(Enum):
    """What a record's system call does."""

    EXEC = auto()
    CONNECT = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class _Numbers:
    execs: frozenset[int]
    connect: int
    socketcall: int | None = None


_GENERIC = _Numbers(frozenset({221, 281}), 203)

_BY_ARCH = {
    0xC000003E: _Numbers(frozenset({59, 322}), 42),  # x86_64
    0x40000003: _Numbers(frozenset({11, 358}), 362, socketcall=102),  # i386
    0xC00000B7: _GENERIC,  # aarch64
    0xC00000F3: _GENERIC,  # riscv64
    0xC0000102: _GENERIC,  # loongarch64
    0xC0000008: _Numbers(frozenset({5057, 5316}), 5041),  # mips64el
    0x40000028: _Numbers(frozenset({11, 387}), 283),  # arm
    0x80000016: _Numbers(frozenset({11, 354}), 362, socketcall=102),  # s390x
    0xC0000015: _Numbers(frozenset({11, 362}), 328, socketcall=102),  # ppc64le
}

_X32_BIT = 1 << 30
_X32 = _Numbers(frozenset({_X32_BIT + 520, _X32_BIT + 545}), _X32_BIT + 42)

_SOCKETCALL_CONNECT = 3
"""SYS_CONNECT of include/uapi/linux/net.h."""


def classify(arch: int, number: int, first: int) -> SyscallKind | None:
    """Return what a call does; ``first`` is its argument 0. None for an unknown architecture."""
    numbers = _BY_ARCH.get(arch)
    if numbers is None:
        return None
    if number in numbers.execs or number in _X32.execs:
        return SyscallKind.EXEC
    if number in (numbers.connect, _X32.connect):
        return SyscallKind.CONNECT
    if number == numbers.socketcall and first == _SOCKETCALL_CONNECT:
        return SyscallKind.CONNECT
    return SyscallKind.OTHER
