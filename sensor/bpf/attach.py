"""Load the compiled programs one by one, attach each, and pin its link."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Protocol

from sensor.bpf import cgroup_link, libbpf, pins
from sensor.bpf.programs import AttachKind, Program
from sensor.errors import KernelUnsupported, PermissionMissing

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_FIX = "Castoff needs Linux 5.8 or newer."


class BccTable(Protocol):
    """A map, as bcc has it."""

    map_fd: int


class BccFunction(Protocol):
    """A program that the kernel has taken, as bcc has it."""

    fd: int


class BccText(Protocol):
    """A compiled text: what is used of ``bcc.BPF``, which has no types."""

    def __getitem__(self, map_name: bytes, /) -> BccTable:
        """Return a map."""

    def load_func(self, name: bytes, kind: int, /) -> BccFunction:
        """Have the kernel take a program. Raises Exception where it does not."""

    def dump_func(self, name: bytes, /) -> bytes:
        """Return a program's instructions."""


class Attacher:
    """Attaches programs of one compiled text."""

    def __init__(self, bcc: ModuleType, compiled: BccText, staged: pins.PinSet) -> None:
        self._bcc = bcc
        self._compiled = compiled
        self._staged = staged
        self.links: dict[str, int] = {}
        """Names of what is attached, and the descriptors of the links."""
        self.missing: list[str] = []
        """Optional programs that this host does not take."""
        self._ways: dict[AttachKind, Callable[[Program], int]] = {
            AttachKind.RAW_TRACEPOINT: self._raw_tracepoint,
            AttachKind.CGROUP: self._cgroup,
            AttachKind.TRACING: self._tracing,
        }

    @property
    def attached(self) -> set[str]:
        """Names of what is attached."""
        return set(self.links)

    def attach(self, program: Program) -> bool:
        """Attach and pin a program; False where it is optional and the host refuses it.

        Raises :class:`KernelUnsupported` or :class:`PermissionMissing` for a required one.
        """
        try:
            descriptor = self._ways[program.kind](program)
        except Exception as error:  # bcc raises bare Exception for whatever is wrong
            if program.required:
                problem = f"the kernel refuses {program.name}: {error}"
                if os.geteuid() != 0:
                    raise PermissionMissing(problem, "Run as root.") from error
                raise KernelUnsupported(problem, _FIX) from error
            self.missing.append(program.name)
            return False
        libbpf.pin(descriptor, self._staged.map(f"{pins.LINK_PREFIX}{program.name}"))
        self.links[program.name] = descriptor
        return True

    def _load(self, program: Program, kind: int) -> int:
        return self._compiled.load_func(program.name.encode(), kind).fd

    def _raw_tracepoint(self, program: Program) -> int:
        loaded = self._load(program, self._bcc.BPF.RAW_TRACEPOINT)
        return _checked(self._bcc.lib.bpf_attach_raw_tracepoint(loaded, program.at.encode()))

    def _tracing(self, program: Program) -> int:
        loaded = self._load(program, self._bcc.BPF.TRACING)
        return _checked(self._bcc.lib.bpf_attach_kfunc(loaded))

    def _cgroup(self, program: Program) -> int:
        code = self._compiled.dump_func(program.name.encode())
        return cgroup_link.attach_connect_unix(program.name, code)


def _checked(descriptor: int) -> int:
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor
