"""Load programs one by one, attach each, and pin its link."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from sensor.bpf import cgroup_link, libbpf, pins
from sensor.bpf.programs import AttachKind
from sensor.errors import KernelUnsupported, PermissionMissing

if TYPE_CHECKING:
    from sensor.bpf.programs import Program

_FIX = "Castoff needs Linux 5.8 or newer."


class Code(Protocol):
    """Programs and maps of one set, before they are loaded."""

    def map(self, name: str, /) -> int:
        """Return a map's descriptor."""

    def load(self, program: Program, /) -> int:
        """Have the kernel take a program; returns its descriptor.

        Raises an exception of any kind where it does not.
        """


class Attacher:
    """Attaches programs of one set."""

    def __init__(self, code: Code, staged: pins.PinSet) -> None:
        self._code = code
        self._staged = staged
        self.links: dict[str, int] = {}
        """Names of what is attached, and the descriptors of the links."""
        self.missing: list[str] = []
        """Optional programs that this host does not take."""

    @property
    def attached(self) -> set[str]:
        """Names of what is attached."""
        return set(self.links)

    def attach(self, program: Program) -> bool:
        """Attach and pin a program; False where it is optional and the host refuses it.

        Raises :class:`KernelUnsupported` or :class:`PermissionMissing` for a required one.
        """
        try:
            descriptor = link(program, self._code.load(program))
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


def link(program: Program, loaded: int) -> int:
    """Attach a loaded program where it belongs; returns the link's descriptor. Raises OSError."""
    if program.kind is AttachKind.CGROUP:
        return cgroup_link.attach_program(loaded)
    return libbpf.attach_raw(program.at, loaded)
