"""Where a bundle may lie when the runtime's command was not seen: found by the container's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.identity.files import Failure, exists, owner
from sensor.identity.podman import DRIVERS
from sensor.identity.reading import FileKind, RootReader
from sensor.model.vocabulary import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.identity.settings import IdentitySettings

MAX_NAMESPACES = 64
"""containerd namespaces that are looked into, of each root."""

MAX_USERS = 256
"""Homes and user run directories that are looked into."""

MAX_ID = 1024
"""Longest id that any OCI runtime takes (runc: ``validateID``)."""

_ROOTLESS = frozenset({None, Engine.PODMAN, Engine.DOCKER, Engine.CONTAINERD})

_TASKS_ALONE = frozenset({Engine.DOCKER, Engine.CONTAINERD})
"""Engines whose bundles are containerd's tasks and never lie in containers/storage."""


def is_safe_id(container: str) -> bool:
    """Return whether an id may become one component of a path."""
    return (
        0 < len(container) <= MAX_ID
        and "/" not in container
        and "\0" not in container
        and container not in (".", "..")
    )


def find_bundle(
    container: str,
    engine: Engine | None,
    reading: RootReader,
    settings: IdentitySettings,
    user: int | None = None,
) -> str | None:
    """Return the directory of the container's bundle, None if it is in none of the known places.

    ``user`` owns the container; only this user's own places are looked into beside root's.
    """
    for directory in _candidates(container, engine, reading, settings, user):
        if not exists(reading.root, f"{directory}/config.json"):
            continue
        if reading.trusts(directory):
            return directory
        reading.note(FileKind.BUNDLE, Failure.UNTRUSTED)
    return None


def _candidates(
    container: str,
    engine: Engine | None,
    reading: RootReader,
    settings: IdentitySettings,
    user: int | None,
) -> Iterator[str]:
    if engine is not Engine.PODMAN:
        for root in settings.task_roots:
            yield from _tasks(root, container, reading)
    if engine not in _TASKS_ALONE:
        for root in settings.storage_roots:
            yield from _stored(root, container)
    if engine not in _ROOTLESS or not user:
        return
    for root in settings.user_task_roots:
        yield from _tasks(f"{settings.user_run}/{user}/{root}", container, reading)
    if engine in _TASKS_ALONE:
        return
    for home in reading.names(FileKind.BUNDLE, settings.homes, MAX_USERS):
        path = f"{settings.homes}/{home}"
        if owner(reading.root, path) == user:
            yield from _stored(f"{path}/{settings.home_storage}", container)


def _tasks(root: str, container: str, reading: RootReader) -> Iterator[str]:
    for namespace in reading.names(FileKind.BUNDLE, root, MAX_NAMESPACES):
        yield f"{root}/{namespace}/{container}"


def _stored(root: str, container: str) -> Iterator[str]:
    for driver in DRIVERS:
        yield f"{root}/{driver}-containers/{container}/userdata"
