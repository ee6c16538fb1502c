"""Events that left the node, read back: exports, outputs' files, and what a collector gives out.

A file holds one JSON document a line: native events, as the outputs ship them; the same as ``data``
of CloudEvents; rows of ClickHouse with the event as text in ``event``; hits of OpenSearch with it
in ``_source``. ``.gz`` and ``.zst`` are unpacked. All of it is hostile: lines have a limit.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO, cast

from sensor.dataclass import dataclass
from sensor.errors import StateUnusable
from sensor.evidence import zstd
from sensor.schema.log_stamp import LogPlace, bare, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE_LIMIT = 4 << 20
"""Bytes of one line. An event has at most a MiB, its copy as text in a row less than three."""

DEPTH_LIMIT = 4
DIGITS_MAX = 18
"""Digits of a sequence that stands as a text, as ClickHouse writes 64-bit integers."""
"""Envelopes around an event."""

_NATIVE = b'{"schema":"castoff.event/1"'
_TYPES = (".ndjson", ".jsonl", ".json")
_PACKED = (".gz", ".zst")


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """A line of a file. ``problem`` says why it is not an event; the other parts are unknown then.

    ``line`` is the event as its log kept it, if it was shipped as it was; ``document`` else.
    """

    number: int
    place: LogPlace | None = None
    line: bytes | None = None
    document: dict[str, object] | None = None
    problem: str | None = None

    def parsed(self) -> dict[str, object]:
        """Return the event; empty for anything else."""
        if self.document is not None:
            return self.document
        return document_of(self.line or b"") or {}


def document_of(line: bytes) -> dict[str, object] | None:
    """Return a line's JSON object, None for anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def canonical(document: dict[str, object]) -> bytes:
    """Return a digest of an event that does not depend on how its JSON is written."""
    without = {key: value for key, value in document.items() if key != "log"}
    text = json.dumps(without, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files with events: the file itself, or those of a directory by their names."""
    if not path.is_dir():
        return (path,)
    return tuple(
        sorted(
            one
            for one in path.iterdir()
            if one.is_file()
            and one.name != "manifest.json"
            and (one.suffix in _TYPES or (one.suffix in _PACKED and one.stem.endswith(_TYPES)))
        )
    )


def lines_of(path: Path) -> Iterator[ShippedLine]:
    """Yield the lines of a file. Raises :class:`StateUnusable` for one that cannot be opened.

    What goes wrong on the way is the last line's problem.
    """
    number = 0
    try:
        with closing(_opened(path)) as file:
            while raw := file.readline(LINE_LIMIT + 1):
                number += 1
                if len(raw) > LINE_LIMIT:
                    yield ShippedLine(number, problem=f"it is longer than {LINE_LIMIT} bytes")
                    return
                if raw.strip():
                    yield _read(number, raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield ShippedLine(number + 1, problem=f"the file ends or breaks here: {error}")
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror or error}"
        raise StateUnusable(problem, "Name a file or directory with events.") from error


def _read(number: int, raw: bytes) -> ShippedLine:
    if raw.startswith(_NATIVE):
        place = place_of(raw)
        if place is not None:
            return ShippedLine(number, place, bare(raw))
    document = document_of(raw)
    if document is None:
        cut = "" if raw.endswith(b"\n") else ", and the file ends in it"
        return ShippedLine(number, problem=f"it is not a JSON document{cut}")
    for _ in range(DEPTH_LIMIT):
        inner = document.get("_source", document.get("data", document.get("event")))
        if document.get("schema") == "castoff.event/1":
            break
        if isinstance(inner, str):
            inner = document_of(inner.encode("utf-8", "replace"))
        if not isinstance(inner, dict):
            break
        document = inner
    if document.get("schema") != "castoff.event/1":
        return ShippedLine(number, document=document)
    return ShippedLine(number, _place(document.get("log")), document=document)


def _place(log: object) -> LogPlace | None:
    if not isinstance(log, dict):
        return None
    log_id, sequence = log.get("id"), log.get("sequence")
    if isinstance(sequence, str) and sequence.isdecimal() and len(sequence) <= DIGITS_MAX:
        sequence = int(sequence)
    if not isinstance(log_id, str) or type(sequence) is not int or not 0 < sequence < 1 << 63:
        return None
    return LogPlace(log_id, sequence)


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    if path.suffix == ".zst":
        return zstd.reader(path)
    return path.open("rb")
