"""A container's record in containerd's own metadata, read from its file and not from its socket.

containerd keeps its containers in ``<root>/io.containerd.metadata.v1.bolt/meta.db`` (bbolt), in
buckets ``v1/<namespace>/containers/<id>`` (metadata/buckets.go). The record is there before the
runtime's ``create`` and until the container is removed, longer than its bundle: it has image and
labels, and of a container that has ended already its whole OCI spec.

One record costs some 20 reads of pages that the page cache holds, 0.13 ms of a processor among 500
containers; a pod's container needs two, its own and its sandbox's. They are read in the identity
worker when the runtime's ``create`` is seen, not when the start is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.identity.bolt import Damaged
from sensor.identity.bolt import read as read_bolt
from sensor.identity.document import JsonDocument, parse
from sensor.identity.files import Failure
from sensor.identity.kubernetes import MAX_ATTEMPT
from sensor.identity.reading import FileKind

if TYPE_CHECKING:
    from sensor.identity.bolt import Bucket
    from sensor.identity.reading import RootReader

DATABASE = "io.containerd.metadata.v1.bolt/meta.db"

SPEC_MAX = 1 << 20
"""Longest OCI spec that is parsed."""

_CRI_METADATA = b"io.cri-containerd.container.metadata"
_NAMESPACES = ("k8s.io", "default", "moby")
"""Namespaces to search where the container's is unknown."""

_BYTES_FIELD = 2 << 3 | 2
_CONTINUES = 0x80
"""The bit of a varint's byte that says that more bytes follow."""
_SHIFT_MAX = 35
"""Bits in the five bytes of a number of 32 bits; no record is longer than such a number says."""
_SECONDS_TO_EPOCH = 62_135_596_800
"""Seconds from year 1, Go's zero time, to 1970."""
_TIME_SIZE = 15


@dataclass(frozen=True, slots=True)
class ContainerdRecord:
    """What containerd keeps of one container. ``spec`` is its OCI spec, empty when unreadable."""

    namespace: str
    image: str | None
    labels: tuple[tuple[str, str], ...]
    created_wall: int | None
    spec: JsonDocument
    attempt: int | None = None
    """What kubelet calls the container's attempt, which the CRI plugin keeps with the record."""


def containerd_record(
    container: str,
    namespace: str | None,
    reading: RootReader,
    roots: tuple[str, ...],
    *,
    with_spec: bool = False,
) -> ContainerdRecord | None:
    """Return the record of a container, None where no database of ``roots`` has one."""
    for root in roots:
        opened = reading.open(FileKind.CONTAINERD_METADATA, f"{root}/{DATABASE}")
        if opened is None:
            continue
        try:
            found = _search(opened, container, namespace, with_spec=with_spec)
        except (Damaged, OSError):
            reading.note(FileKind.CONTAINERD_METADATA, Failure.MALFORMED)
            found = None
        finally:
            os.close(opened)
        if found is not None:
            return found
    return None


def _search(
    descriptor: int, container: str, namespace: str | None, *, with_spec: bool
) -> ContainerdRecord | None:
    def pread(length: int, offset: int) -> bytes:
        return os.pread(descriptor, length, offset)

    wanted = (namespace,) if namespace else _NAMESPACES

    def take(root: Bucket) -> ContainerdRecord | None:
        version = root.bucket(b"v1")
        for name in wanted if version is not None else ():
            below = version.bucket(_raw(name)) if version is not None else None
            containers = below.bucket(b"containers") if below is not None else None
            found = containers.bucket(_raw(container)) if containers is not None else None
            if found is not None:
                return _record(name, found, with_spec=with_spec)
        return None

    return read_bolt(pread, take)


def _record(namespace: str, bucket: Bucket, *, with_spec: bool) -> ContainerdRecord:
    labels = bucket.bucket(b"labels")
    pairs = labels.items() if labels is not None else ()
    spec = bucket.get(b"spec") if with_spec else None
    return ContainerdRecord(
        namespace=namespace,
        image=_text(bucket.get(b"image")),
        labels=tuple((_text(key) or "", _text(value) or "") for key, value in pairs),
        created_wall=_time(bucket.get(b"createdat")),
        spec=_any(spec) if spec is not None else JsonDocument(),
        attempt=_attempt(bucket),
    )


def _attempt(bucket: Bucket) -> int | None:
    """Read the attempt from the CRI plugin's own metadata (pkg/cri/store/container/metadata.go).

    It is left out when it is 0.
    """
    extensions = bucket.bucket(b"extensions")
    value = extensions.get(_CRI_METADATA) if extensions is not None else None
    if value is None:
        return None
    metadata = _any(value).part("Metadata").part("Config").part("metadata")
    attempt = metadata.number("attempt") or 0
    return attempt if metadata and 0 <= attempt <= MAX_ATTEMPT else None


def _any(value: bytes) -> JsonDocument:
    """Read a ``google.protobuf.Any`` that holds JSON: field 2, behind the type's URL in field 1."""
    position = 0
    while position < len(value):
        tag, position = value[position], position + 1
        length = shift = 0
        while position < len(value):
            byte = value[position]
            position += 1
            length |= (byte & ~_CONTINUES) << shift
            shift += 7
            if byte < _CONTINUES or shift > _SHIFT_MAX:
                break
        if tag == _BYTES_FIELD:
            if length > SPEC_MAX:
                return JsonDocument()
            document = parse(value[position : position + length])
            return document if isinstance(document, JsonDocument) else JsonDocument()
        position += length
    return JsonDocument()


def _time(value: bytes | None) -> int | None:
    """Read a time as Go's time.Time.MarshalBinary writes it, in ns since the epoch."""
    if value is None or len(value) < _TIME_SIZE:
        return None
    seconds = int.from_bytes(value[1:9]) - _SECONDS_TO_EPOCH
    return seconds * 1_000_000_000 + int.from_bytes(value[9:13]) if seconds > 0 else None


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(value: bytes | None) -> str | None:
    return value.decode("utf-8", "surrogateescape") if value else None
