"""One start as the judge sees it: the facts that rules and steps ask for, worked out once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import maker, quick
from sensor.judge import image_reference
from sensor.judge.privilege import atoms_of
from sensor.judge.workload import WorkloadKey, workload_of
from sensor.model.vocabulary import StartKind, Trigger

if TYPE_CHECKING:
    from sensor.judge.image_reference import ImageReference
    from sensor.model.events import Event, Initiator
    from sensor.model.vocabulary import ContainerId

IMAGES_CACHED = 512
"""Names of images whose parts are remembered."""

BY_ITSELF = frozenset({Trigger.RESTART_POLICY, Trigger.ENGINE_BOOT, Trigger.ORCHESTRATOR})
"""Triggers behind which no person and no script stands at the moment of the start."""


@quick
@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a start. Unknown is None or an empty tuple."""

    event: Event
    kind: StartKind
    trigger: Trigger
    wall: int
    """Wall-clock ns of the start."""
    workload: WorkloadKey | None
    image: ImageReference | None
    image_names: tuple[str, ...]
    """The forms of the image's name that a pattern may match."""
    atoms: frozenset[str]
    """Privilege atoms (:mod:`sensor.judge.privilege`)."""
    initiators: tuple[Initiator, ...]
    """The initiator, or all candidates where several may have caused the start."""
    container_id: ContainerId | None
    """None where nothing trustworthy names the container."""
    by_itself: bool
    """An engine or an orchestrator started it on its own account."""
    owner: str | None = None
    """The account whose the container is; None for root of the host."""


_facts = maker(Facts)


def facts_of(event: Event) -> Facts | None:
    """Return the facts of a start; None for any other event."""
    start, container = event.start, event.container
    if start is None or container is None:
        return None
    image = container.image
    reference, names = _image(image.name) if image is not None and image.name else (None, ())
    trigger, initiator = start.trigger, event.initiator
    # In the order of the fields: keywords take as long as the rest.
    return _facts(
        event,
        start.kind,
        trigger,
        event.time + event.realtime_offset,
        workload_of(event),
        reference,
        names,
        atoms_of(event),
        (initiator,) if initiator is not None else event.candidates,
        container.id,
        trigger in BY_ITSELF,
        event.owner,
    )


@lru_cache(maxsize=IMAGES_CACHED)
def _image(name: str) -> tuple[ImageReference, tuple[str, ...]]:
    """Return the parts of an image's name, and the forms of it that a pattern may match."""
    reference = image_reference.parse(name)
    given = name.partition("@")[0]
    tag = f":{reference.tag}"
    repositories = (given.removesuffix(tag), reference.repository, reference.familiar)
    forms = (form for one in repositories for form in (one, one + tag))
    return reference, tuple(dict.fromkeys((given, *forms)))
