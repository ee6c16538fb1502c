"""What people call a container: kept when its description is gone with its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sensor.model.container import Orchestrator
    from sensor.model.events import Container
    from sensor.model.vocabulary import Engine


class Title(NamedTuple):
    """Name, image, engine and pod as the last event of a start had them; None where unknown."""

    name: str | None
    image: str | None
    engine: Engine | None
    pod: Orchestrator | None = None
    sandbox: bool = False


def title_of(container: Container | None, pod: Orchestrator | None = None) -> Title | None:
    """Return the title of an event's container, with its pod."""
    if container is None:
        return None
    image = container.image.name if container.image is not None else None
    return Title(container.name, image, container.runtime, pod, container.sandbox)
