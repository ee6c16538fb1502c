"""Events of a period for an investigation: a file, and a manifest that proves it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from sensor import __version__
from sensor.dataclass import dataclass
from sensor.errors import StateUnusable
from sensor.evidence import zstd
from sensor.evidence.manifest import FORMAT, NAME, Manifest
from sensor.evidence.shipped import document_of
from sensor.evidence.verdict import Discrepancy, Findings
from sensor.schema.log_stamp import stamped
from sensor.schema.times import rfc3339
from sensor.store.chain_walk import ChainWalk

if TYPE_CHECKING:
    from pathlib import Path

FILE = "events.ndjson"

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is exported: the log, the period (wall ns), and where to.

    ``policy`` is the SHA-256 of the policy's files.
    """

    log: Path
    directory: Path
    since: int | None = None
    until: int | None = None
    packed: bool = False
    policy: str | None = None


def export(request: ExportRequest) -> tuple[Manifest, Findings]:
    """Write an export and return its manifest, and what is wrong with the chain of its events.

    The events are one stretch of the log without holes. Raises :class:`StateUnusable`.
    """
    try:
        return _export(request)
    except OSError as error:
        problem = f"{error.filename or request.directory}: {error.strerror or error}"
        fix = "Name a directory that does not exist yet, on a disk with space."
        raise StateUnusable(problem, fix) from error


def _export(request: ExportRequest) -> tuple[Manifest, Findings]:
    request.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(request.directory.iterdir()):
        problem = f"{request.directory} is not empty"
        raise StateUnusable(problem, "Name a directory that does not exist yet.")
    path = request.directory / (FILE + ".zst" if request.packed else FILE)
    walk = ChainWalk(request.log, request.since, request.until)
    writing, findings = _Writing(), Findings()
    try:
        with contextlib.closing(_new(path, packed=request.packed)) as file:
            _copy(walk, file, writing, findings, str(request.log))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    digest, size = _hashed(path)
    before = walk.before
    made = Manifest(
        format=FORMAT,
        host=writing.host,
        machine_id=writing.machine_id,
        log_id=walk.log_id,
        file=path.name,
        sha256=digest,
        bytes=size,
        events=writing.events,
        outside=writing.outside,
        first=writing.first,
        last=writing.last,
        before=before[1].hex() if before is not None and writing.first == before[0] + 1 else None,
        digest=writing.digest,
        since=rfc3339(request.since),
        until=rfc3339(request.until),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        policy=request.policy,
        sound=findings.count == 0,
    )
    _write(request.directory / NAME, made.text())
    return made, findings


def _copy(walk: ChainWalk, file: BinaryIO, writing: _Writing, findings: Findings, log: str) -> None:
    """Write the lines of the log to the file, and note what is wrong with their chain."""
    for kept in walk:
        for found in kept.problems:
            findings.add(Discrepancy(log, found.what, found.first, found.last, found.explained))
        if kept.line is not None:
            writing.take(file, kept.line, walk.log_id, kept.number, kept.digest)


class _Writing:
    """What the lines that were written add up to."""

    def __init__(self) -> None:
        self.events = self.outside = 0
        self.first: int | None = None
        self.last: int | None = None
        self.digest: str | None = None
        self.host: str | None = None
        self.machine_id: str | None = None

    def take(
        self, file: BinaryIO, line: bytes, log_id: str, number: int | None, digest: bytes
    ) -> None:
        """Write an event with its place."""
        file.write(stamped(line, log_id, number))
        self.events += 1
        if self.host is None:
            host = (document_of(line) or {}).get("host")
            if isinstance(host, dict):
                self.host = _text(host.get("name"))
                self.machine_id = _text(host.get("machine_id"))
        if number is None:
            self.outside += 1
            return
        self.first = self.first or number
        self.last, self.digest = number, digest.hex()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _new(path: Path, *, packed: bool) -> BinaryIO:
    if packed:
        return zstd.writer(path)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def _hashed(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
        os.fsync(file.fileno())
    return digest.hexdigest(), size
