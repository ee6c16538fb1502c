"""Which programs are watched, by the same rule as the kernel probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

COMM_LEN = 15
"""Bytes that the kernel keeps of a program's name (TASK_COMM_LEN without its NUL)."""

_DELETED = " (deleted)"
"""What the kernel appends to the path of a file that is gone (d_path())."""


class Programs:
    """A set of base names; one of exactly 15 bytes stands for longer ones that begin so ."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._prefixes = tuple(name for name in self._names if len(name.encode()) == COMM_LEN)

    def match(self, path: str | None) -> bool:
        """Return whether the base name of a path, or of argument 0, is watched."""
        if not path:
            return False
        base = path.removesuffix(_DELETED).rpartition("/")[2]
        return base in self._names or base.startswith(self._prefixes)
