"""Podman's containers, from the indexes of containers-storage.

``<graphroot>/<driver>-containers/containers.json`` lists them (containers/storage containers.go;
those that need not outlive a crash in ``volatile-containers.json``), with libpod's own record as
JSON in ``metadata`` (libpod storage.go ``RuntimeContainerMetadata``).
``<graphroot>/<driver>-images/images.json`` knows an image's names and digest. Labels, restart
policy and earlier runs are in libpod's database (``podman_record.py``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.identity.document import JsonDocument, parse_text
from sensor.identity.facts import EngineFacts, image_of
from sensor.identity.podman_record import podman_record
from sensor.identity.reading import FileKind, RootReader
from sensor.identity.timestamp import wall_time

if TYPE_CHECKING:
    from sensor.identity.oci import Bundle
    from sensor.identity.settings import IdentitySettings
    from sensor.model.container import Image

DRIVERS = ("overlay", "vfs", "btrfs", "zfs", "aufs", "devicemapper")
"""Drivers of containers-storage, the usual one first."""

_BUNDLE = re.compile(r"(/.*)/([a-z0-9]+)-containers/([^/]+)/userdata", re.DOTALL)
_INDEXES = ("containers.json", "volatile-containers.json")
_PRIVILEGED = "io.podman.annotations.privileged"
_CONTAINER_TYPES = ("io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri.container-type")


def storage_of(bundle_path: str, container: str) -> tuple[str, str] | None:
    """Return the graph root and the driver that a bundle lies in, None if it is not of storage."""
    match = _BUNDLE.fullmatch(bundle_path)
    if match is None or match[3] != container or match[2] not in DRIVERS:
        return None
    return match[1], match[2]


def podman_facts(
    bundle: Bundle,
    bundle_path: str,
    container: str,
    reading: RootReader,
    settings: IdentitySettings,
) -> EngineFacts:
    """Read storage's record of a container."""
    privileged = bundle.annotation(_PRIVILEGED)
    sandbox = any(bundle.annotation(key) == "sandbox" for key in _CONTAINER_TYPES)
    storage = storage_of(bundle_path, container)
    entry = None
    if storage is not None:
        entry = _entry(f"{storage[0]}/{storage[1]}-containers", container, reading, settings)
    if storage is None or entry is None:
        return EngineFacts(sandbox=sandbox, privileged=_switch(privileged))
    metadata = parse_text(entry.text("metadata") or "{}")
    own = metadata if isinstance(metadata, JsonDocument) else JsonDocument()
    names = entry.texts("names") or ()
    known = podman_record(storage[0], container, reading)
    return EngineFacts(
        name=own.text("name") or next(iter(names), None),
        image=_image(entry, own, f"{storage[0]}/{storage[1]}-images", reading, settings),
        created_wall=wall_time(entry.text("created")),
        sandbox=sandbox,
        privileged=_switch(privileged),
        labels=known.labels if known is not None else None,
        record=known.record if known is not None else None,
    )


def _entry(
    directory: str, container: str, reading: RootReader, settings: IdentitySettings
) -> JsonDocument | None:
    for index in _INDEXES:
        entries = reading.array(
            FileKind.STORAGE_CONTAINERS, f"{directory}/{index}", settings.max_store_bytes
        )
        for entry in entries or ():
            if entry.text("id") == container:
                return entry
    return None


def _image(
    entry: JsonDocument,
    own: JsonDocument,
    directory: str,
    reading: RootReader,
    settings: IdentitySettings,
) -> Image | None:
    name = own.text("image-name")
    image_id = entry.text("image") or own.text("image-id")
    digest: str | None = None
    if image_id is not None:
        images = reading.array(
            FileKind.STORAGE_IMAGES, f"{directory}/images.json", settings.max_store_bytes
        )
        for image in images or ():
            if image.text("id") == image_id:
                digest = image.text("digest")
                name = name or next(iter(image.texts("names") or ()), None)
                break
    return image_of(name, image_id, digest)


def _switch(value: str | None) -> bool | None:
    return None if value is None else value.upper() == "TRUE"
