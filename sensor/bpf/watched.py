"""The watched programs: which names the probes report, and in which role."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.model.vocabulary import Role

if TYPE_CHECKING:
    from pathlib import Path

NAME_MAX = 31
"""Longest name in bytes that a map key of ``struct name`` holds with its NUL."""

PREFIX_LEN = 15
"""Bytes of a name in task->comm; an entry of this length matches every name that it begins."""

PROGRAMS_MAX = 256
"""Size of the ``watched`` map."""

ROLE_CODES = {
    Role.RUNTIME: 1,
    Role.SHIM: 2,
    Role.MONITOR: 3,
    Role.ENGINE: 4,
    Role.CLIENT: 5,
    Role.ORCHESTRATOR: 6,
}
"""``enum watched_role`` of probes/record.h."""


@dataclass(frozen=True, slots=True)
class WatchedProgram:
    """A base name and what a program of that name is to a container start."""

    name: str
    role: Role


def read(path: Path) -> tuple[WatchedProgram, ...]:
    """Read the table from ``path`` (``probes/watched.toml``).

    Raises :class:`ConfigError` naming the file and the key.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = f"{path}: {error}"
        raise ConfigError(problem, "Reinstall Castoff: this file is part of it.") from error
    programs: list[WatchedProgram] = []
    for key, names in table.items():
        try:
            role = Role(key)
        except ValueError as error:
            problem = f"{path}: {key} is not a role"
            raise ConfigError(problem, f"Use one of: {', '.join(Role)}.") from error
        if not isinstance(names, list):
            problem = f"{path}: {key} is not a list of names"
            raise ConfigError(problem, 'Write it as ["runc", "crun"].')
        for name in names:
            if not isinstance(name, str) or not 0 < len(name.encode()) <= NAME_MAX:
                problem = f"{path}: {key}: {name!r} is not a program name"
                raise ConfigError(problem, f"Give a base name of 1 to {NAME_MAX} bytes.")
            programs.append(WatchedProgram(name, role))
    if len(programs) > PROGRAMS_MAX:
        problem = f"{path}: {len(programs)} programs, {PROGRAMS_MAX} fit"
        raise ConfigError(problem, "Remove some.")
    return tuple(programs)


def map_entry(program: WatchedProgram) -> tuple[bytes, bytes]:
    """Key and value in the ``watched`` map."""
    key = program.name.encode().ljust(NAME_MAX + 1, b"\0")
    return key, ROLE_CODES[program.role].to_bytes(4, "little")


class Roles:
    """Looks programs up as role_of() in task.bpf.h does."""

    def __init__(self, programs: tuple[WatchedProgram, ...]) -> None:
        self._roles = {program.name: program.role for program in programs}

    def of_name(self, name: str) -> Role | None:
        """The role of a program by its base name, or by the 15 bytes that the kernel keeps."""
        return self._roles.get(name) or self._roles.get(name[:PREFIX_LEN])
