"""The parts of an image's name, split as the reference grammar has them.

Source: distribution/reference, ``reference.go`` and ``normalize.go``. The first component is a
registry when it holds a dot or a colon or is ``localhost``; otherwise the registry is Docker Hub,
whose own images are below ``library``.
"""

from __future__ import annotations

from functools import lru_cache

from sensor.dataclass import dataclass

DEFAULT_REGISTRY = "docker.io"
_ALIASES = {"index.docker.io": DEFAULT_REGISTRY, "registry-1.docker.io": DEFAULT_REGISTRY}
LOCAL_REGISTRY = "localhost"
DEFAULT_ORGANISATION = "library"
DEFAULT_TAG = "latest"
REFERENCES_CACHED = 1024


@dataclass(frozen=True, slots=True)
class ImageReference:
    """``registry/path:tag``; ``nginx`` is ``docker.io/library/nginx:latest``."""

    registry: str
    path: str
    tag: str
    digest: str | None
    repository: str
    """Registry and path, without tag and digest."""
    organisation: str
    """Registry and all of the path but its last component."""
    base: str
    """The last component of the path."""

    @property
    def familiar(self) -> str:
        """The repository as people write it: without Docker Hub and its own organisation."""
        if self.registry != DEFAULT_REGISTRY:
            return self.repository
        return self.path.removeprefix(f"{DEFAULT_ORGANISATION}/")


@lru_cache(maxsize=REFERENCES_CACHED)
def parse(name: str) -> ImageReference:
    """Split an image's name. Every text has a result: a strange name is its own path."""
    rest, _, digest = name.partition("@")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        head, tag = rest, ""
    first, slash, path = head.partition("/")
    if not slash or not (set(first) & set(".:") or first == LOCAL_REGISTRY):
        first, path = DEFAULT_REGISTRY, head
    registry = _ALIASES.get(first, first)
    if registry == DEFAULT_REGISTRY and "/" not in path:
        path = f"{DEFAULT_ORGANISATION}/{path}"
    repository = f"{registry}/{path}"
    organisation, _, base = repository.rpartition("/")
    return ImageReference(
        registry, path, tag or DEFAULT_TAG, digest or None, repository, organisation, base
    )
