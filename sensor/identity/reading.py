"""One description's reading: the root that its paths belong to, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique

from sensor.identity.document import Document, parse, parse_array
from sensor.identity.files import MAX_FILE_BYTES, Failure, names, read


@unique
class FileKind(StrEnum):
    """What a file is to us; the first half of an entry of ``Description.problems``."""

    ID = "id"
    BUNDLE = "bundle"
    PROCESS_ROOT = "process_root"
    HOST_ROOT = "host_root"
    WORKING_DIRECTORY = "working_directory"
    DOCKER_CONFIG = "docker_config"
    DOCKER_HOST_CONFIG = "docker_host_config"
    DOCKER_REPOSITORIES = "docker_repositories"
    DOCKER_DAEMON = "docker_daemon"
    STORAGE_CONTAINERS = "storage_containers"
    STORAGE_IMAGES = "storage_images"
    POD_LOGS = "pod_logs"
    DESCRIBER = "describer"
    """The reader itself failed: a defect of Castoff."""


@dataclass(slots=True)
class Reading:
    """Reads below one root directory, of which ``root`` is an open descriptor."""

    root: int
    max_file_bytes: int = MAX_FILE_BYTES
    problems: list[str] = field(default_factory=list)

    def document(self, kind: FileKind, path: str, *, optional: bool = False) -> Document | None:
        """Read a JSON object; else None, and a problem unless an optional file is missing."""
        data = self._bytes(kind, path, self.max_file_bytes, optional=optional)
        if data is None:
            return None
        value = parse(data)
        if isinstance(value, Failure):
            self.note(kind, value)
            return None
        return value

    def array(self, kind: FileKind, path: str, limit: int) -> tuple[Document, ...] | None:
        """Read a JSON array of objects; a missing file is no problem."""
        data = self._bytes(kind, path, limit, optional=True)
        if data is None:
            return None
        value = parse_array(data)
        if isinstance(value, Failure):
            self.note(kind, value)
            return None
        return value

    def names(self, kind: FileKind, path: str, limit: int) -> tuple[str, ...]:
        """List a directory; a missing one is empty and no problem."""
        found = names(self.root, path, limit)
        if isinstance(found, Failure):
            if found is not Failure.MISSING:
                self.note(kind, found)
            return ()
        return found

    def note(self, kind: FileKind, failure: Failure) -> None:
        """Record a problem, once."""
        problem = f"{kind}:{failure}"
        if problem not in self.problems:
            self.problems.append(problem)

    def _bytes(self, kind: FileKind, path: str, limit: int, *, optional: bool) -> bytes | None:
        data = read(self.root, path, limit)
        if isinstance(data, bytes):
            return data
        if not (optional and data is Failure.MISSING):
            self.note(kind, data)
        return None
