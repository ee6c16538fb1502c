"""Whether two references may be to one image, as Docker spells them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.model.container import Image


def is_same_image(wanted: str | None, image: Image | None) -> bool:
    """Whether the image of a command may be the container's: not when both are known to differ."""
    if wanted is None or image is None or image.name is None:
        return True
    has = image.name
    if wanted == has or (
        image.id is not None
        and image.id.removeprefix("sha256:").startswith(wanted.removeprefix("sha256:"))
    ):
        return True
    return spelled_out(wanted) == spelled_out(has)


def spelled_out(name: str) -> str:
    """Spell an image reference out as Docker does: default registry, library and tag."""
    if name.startswith("sha256:"):
        return name
    first, slash, rest = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{first}/{rest}"
    elif first == "docker.io" and "/" not in rest:
        name = f"docker.io/library/{rest}"
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last else f"{name}:latest"
