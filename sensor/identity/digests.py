"""Under which digest a Docker image was pulled, from ``image/<driver>/repositories.json``.

The file lists all images of the node, and changes when one comes or goes, while many containers
start from the same few. So an answer is kept for as long as the file is the same one: dockerd
replaces it by rename (moby pkg/ioutils ``AtomicWriteFile``), and inode, size and times of the new
file differ.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.identity.files import FileStamp, stamp
from sensor.identity.reading import FileKind, RootReader

if TYPE_CHECKING:
    from sensor.identity.document import JsonDocument

MAX_KEPT = 256
"""Answers that are kept. One more, and all are forgotten: those for old files are among them."""

MAX_KEPT_TEXT = 1024
"""Characters of an id, name and digest together; an answer with more is not kept."""


@dataclass(slots=True)
class PulledDigests:
    """The answers of one node. One instance serves any number of threads."""

    _kept: dict[tuple[FileStamp, str, str | None], str | None] = field(default_factory=dict)

    def digest(self, path: str, image_id: str, name: str | None, reading: RootReader) -> str | None:
        """Return an image's digest, None where the file at ``path`` has none or is missing."""
        # Asked before the file is read: what is read is as new as its stamp, or newer.
        seen = stamp(reading.root, path)
        if not isinstance(seen, FileStamp):
            return _read(path, image_id, name, reading)[1]
        key = (seen, image_id, name)
        if key in self._kept:
            return self._kept[key]
        is_read, found = _read(path, image_id, name, reading)
        if is_read and len(image_id) + len(name or "") + len(found or "") <= MAX_KEPT_TEXT:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[key] = found
        return found


def _read(
    path: str, image_id: str, name: str | None, reading: RootReader
) -> tuple[bool, str | None]:
    index = reading.document(FileKind.DOCKER_REPOSITORIES, path, optional=True)
    if index is None:
        return False, None
    return True, _digest(index.part("Repositories"), image_id, name)


def _digest(repositories: JsonDocument, image_id: str, name: str | None) -> str | None:
    """Find the digest under which an image was pulled (moby reference/store.go).

    ``Repositories`` maps a repository to its references, ``name:tag`` and ``name@sha256:…``, and
    these to image ids. Without the image's own name, the only digest of the id will do.
    """
    found: set[str] = set()
    for repository, references in repositories.named_parts():
        for reference, referred_id in references.pairs():
            _, at, digest = reference.partition("@")
            if not at or referred_id != image_id:
                continue
            if name is not None and name.rpartition(":")[0] == repository:
                return digest
            if name == repository:
                return digest
            found.add(digest)
    return found.pop() if len(found) == 1 else None
