"""What was under the watched paths when the rules were loaded.

auditctl -l shows a rule's path and not what the kernel took it for. The kernel follows a file that
is re-created (it watches the directory), but a directory that is removed takes its rules along, and
one that is mounted over leaves them on what is below. Only the directory's identity at loading time
separates such a dead rule from a living one.

The state directory belongs to the agent's account, and root reads and writes this file in it. So
no name that the account could have put there is followed or waited for.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import field
from pathlib import Path

from sensor.dataclass import dataclass
from sensor.errors import PermissionMissing, StateUnusable
from sensor.linux.regular_file import open_regular

NAME = "audit-rules.json"
SIZE_MAX = 1 << 20
MODE = 0o644
"""Root writes it, and the agent reads it."""


@dataclass(frozen=True, slots=True)
class PathIdentity:
    """A path and its directory, each by device and inode; None for what is not there."""

    directory: tuple[int, int] | None
    file: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class RulesLoading:
    """One loading."""

    boot_id: str
    owns_people_rule: bool
    """The rule on tasks without a login was put there by Castoff."""
    places: dict[str, PathIdentity] = field(default_factory=dict)


def look(root: Path, target: str) -> PathIdentity:
    """See what is at a watched path now."""
    path = root / target.removeprefix("/")
    return PathIdentity(_identity(path.parent), _identity(path))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class MemoryFile:
    """The memory in the state directory. What cannot be read is as if it were not there."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME

    def load(self) -> RulesLoading | None:
        """Return the memory of the last loading."""
        try:
            with open_regular(self._path, follow=False) as file:
                content = json.loads(file.read(SIZE_MAX))
            places = {
                str(path): PathIdentity(_pair(place["directory"]), _pair(place["file"]))
                for path, place in content["places"].items()
            }
            return RulesLoading(
                str(content["boot_id"]), content["owns_people_rule"] is True, places
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, memory: RulesLoading) -> None:
        """Remember. Raises :class:`PermissionMissing` or :class:`StateUnusable`."""
        content = {
            "boot_id": memory.boot_id,
            "owns_people_rule": memory.owns_people_rule,
            "places": {
                path: {"directory": place.directory, "file": place.file}
                for path, place in memory.places.items()
            },
        }
        directory = self._path.parent
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made with O_EXCL under a name that cannot be foreseen.
            descriptor, draft = tempfile.mkstemp(prefix=f".{NAME}.", dir=directory)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(content, file)
                    os.fchmod(file.fileno(), MODE)
                Path(draft).replace(self._path)
            except OSError:
                Path(draft).unlink(missing_ok=True)
                raise
        except PermissionError as error:
            problem = f"may not write {self._path}"
            raise PermissionMissing(problem, "Run as root: sudo castoff audit-rules …") from error
        except OSError as error:
            problem = f"{self._path}: {error.strerror}"
            raise StateUnusable(problem, "Make room, or make the file system writable.") from error

    def forget(self) -> None:
        """Remove it."""
        self._path.unlink(missing_ok=True)


def _pair(value: list[int] | None) -> tuple[int, int] | None:
    if value is None:
        return None
    device, inode = value
    return int(device), int(inode)
