"""One description's reading: the root that its paths belong to, and what could not be read.

Only what root or the container's owner wrote is read (``trust.py``).
"""

from __future__ import annotations

import os
from dataclasses import field
from enum import StrEnum, unique
from functools import partial
from typing import Literal, overload

from sensor.dataclass import dataclass
from sensor.identity.document import JsonDocument, parse, parse_array
from sensor.identity.files import (
    MAX_FILE_BYTES,
    Failure,
    failure_of,
    link_text,
    names,
    open_regular,
    read,
    read_trusted,
)
from sensor.identity.large_document import CHUNK, LargeDocument
from sensor.identity.trust import Owners, TrustedDirectories, may_speak, owners_of

MAX_LARGE_BYTES = 64 << 20
"""Largest file that is read piece by piece: 64 MiB, about half a second."""

MAX_USERS_BYTES = 4 << 20
"""The same of a file that another user than root may have written."""


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
    PODMAN_STATE = "podman_state"
    STORAGE_IMAGES = "storage_images"
    POD_LOGS = "pod_logs"
    CONTAINERD_METADATA = "containerd_metadata"
    ECS_METADATA = "ecs_metadata"
    DESCRIBER = "describer"
    """The reader itself failed: a defect of Castoff."""


@dataclass(slots=True)
class RootReader:
    """Reads below one root directory, of which ``root`` is an open descriptor.

    Close it after use: it holds the directories that it has read from.
    """

    root: int
    max_file_bytes: int = MAX_FILE_BYTES
    problems: list[str] = field(default_factory=list)
    owners: Owners = field(default_factory=partial(owners_of, None))
    """Whose files are believed."""
    host: bool = False
    """``root`` is the host's."""
    trusted: TrustedDirectories = field(default_factory=TrustedDirectories)
    _open: dict[str, int | Failure] = field(default_factory=dict)

    def document(self, kind: FileKind, path: str, *, optional: bool = False) -> JsonDocument | None:
        """Read a JSON object; else None, and a problem unless an optional file is missing.

        One that is larger than ``max_file_bytes`` is read with its largest members cut, which is a
        problem of its own: ``<kind>:cut``.
        """
        data = self._bytes(kind, path, self.max_file_bytes, optional=optional, large=True)
        if data is None:
            return None
        value = self._large(kind, path) if data is Failure.TOO_LARGE else parse(data)
        if isinstance(value, Failure):
            self.note(kind, value)
            return None
        return value

    def array(self, kind: FileKind, path: str, limit: int) -> tuple[JsonDocument, ...] | None:
        """Read a JSON array of objects; a missing file is not noted as a problem."""
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

    def trusts(self, directory: str) -> bool:
        """Return whether only root and the owner can change a directory and all above it."""
        return self.directory(directory) is not Failure.UNTRUSTED

    def close(self) -> None:
        """Close the directories that were read from."""
        for opened in self._open.values():
            if not isinstance(opened, Failure):
                os.close(opened)
        self._open.clear()

    def open(self, kind: FileKind, path: str) -> int | None:
        """Open a regular file, which the caller closes; a missing one is not noted as a problem."""
        directory, _, name = path.rpartition("/")
        opened = self.directory(directory)
        if not isinstance(opened, Failure):
            opened = open_regular(opened, name, self._is_owned)
        if not isinstance(opened, Failure):
            return opened
        if opened is not Failure.MISSING:
            self.note(kind, opened)
        return None

    def link(self, kind: FileKind, path: str) -> str | None:
        """Return the target of a symbolic link; another kind of file is not noted as a problem."""
        text = link_text(self.root, path)
        if not isinstance(text, Failure):
            return text
        if text not in (Failure.MISSING, Failure.NOT_REGULAR):
            self.note(kind, text)
        return None

    def note(self, kind: FileKind, failure: Failure) -> None:
        """Record a problem, once."""
        problem = f"{kind}:{failure}"
        if problem not in self.problems:
            self.problems.append(problem)

    def _large(self, kind: FileKind, path: str) -> JsonDocument | Failure:
        """Read a large file piece by piece."""
        descriptor = self.open(kind, path)
        if descriptor is None:
            return Failure.TOO_LARGE
        try:
            limit = MAX_LARGE_BYTES if self.owners == owners_of(None) else MAX_USERS_BYTES
            if os.fstat(descriptor).st_size > limit:
                return Failure.TOO_LARGE
            large = LargeDocument(partial(os.read, descriptor, CHUNK))
            found = large.parse()
        except OSError as error:
            return failure_of(error)
        finally:
            os.close(descriptor)
        if large.cut:
            self.note(kind, Failure.CUT)
        return found

    @overload
    def _bytes(
        self, kind: FileKind, path: str, limit: int, *, optional: bool, large: Literal[True]
    ) -> bytes | Literal[Failure.TOO_LARGE] | None: ...
    @overload
    def _bytes(self, kind: FileKind, path: str, limit: int, *, optional: bool) -> bytes | None: ...
    def _bytes(
        self, kind: FileKind, path: str, limit: int, *, optional: bool, large: bool = False
    ) -> bytes | Literal[Failure.TOO_LARGE] | None:
        directory, _, name = path.rpartition("/")
        opened = self.directory(directory)
        if isinstance(opened, Failure):
            data: bytes | Failure = opened
        elif not name:
            data = Failure.UNSAFE
        elif self.host:
            data = read_trusted(opened, name, limit, self._is_owned)
        else:
            data = read(opened, name, limit, self._is_owned)
        if isinstance(data, bytes):
            return data
        if large and data is Failure.TOO_LARGE:
            return data
        if not (optional and data is Failure.MISSING):
            self.note(kind, data)
        return None

    def directory(self, path: str) -> int | Failure:
        """Return a directory that only root and the owner can change; it stays open until close."""
        opened = self._open.get(path)
        if opened is None:
            opened = self.trusted.open(self.root, path or "/", self.owners, host=self.host)
            if opened is not Failure.MISSING:
                self._open[path] = opened
        return opened

    def _is_owned(self, status: os.stat_result) -> bool:
        return may_speak(status, self.owners)
