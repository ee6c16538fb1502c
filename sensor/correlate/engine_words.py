"""What engines say of their containers: name and image of one that left nothing else behind.

A container that was removed (``--rm``) before anybody could read its description is known by what
its engine told of it: in its stream, or, of the time while no agent ran, in the events that it
still remembers. That is the engine's word and no proof: such a container is ``inferred``.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sensor.model.events import Evidence

if TYPE_CHECKING:
    from sensor.correlate.events import Sighting
    from sensor.model.container import Description
    from sensor.model.observations import EngineEvent, EngineRecalled
    from sensor.model.vocabulary import ContainerId

WORDS_MAX = 2048
"""Containers of which a word is remembered; the one not spoken of for longest is forgotten."""


@dataclass(slots=True)
class EngineWords:
    """The last word about each container that had a name or an image in it."""

    _words: OrderedDict[ContainerId, EngineEvent | EngineRecalled] = field(
        default_factory=OrderedDict
    )

    def hear(self, told: EngineEvent | EngineRecalled) -> None:
        """Take note of what an engine tells."""
        if told.name is None and told.image is None:
            return
        self._words[told.id] = told
        self._words.move_to_end(told.id)
        if len(self._words) > WORDS_MAX:
            self._words.popitem(last=False)

    def complete(self, sighting: Sighting) -> tuple[Sighting, Evidence | None]:
        """Give a container that nobody could describe the name and image that its engine told.

        Returns the evidence for it, or None where nothing was missing or nothing is known.
        """
        description = sighting.description
        if description is not None and (description.name or description.image):
            return sighting, None
        told = self._words.get(sighting.id)
        if told is None:
            return sighting, None
        completed = replace(
            sighting,
            name_hint=told.name or sighting.name_hint,
            image_hint=told.image or sighting.image_hint,
        )
        if completed == sighting:
            return sighting, None
        at = str(told.engine_wall) if told.engine_wall is not None else None
        what = f"{told.witness} event: {told.action}"
        return completed, Evidence(told.witness, what, told.time, at)


def is_word_alone(description: Description | None) -> bool:
    """Return whether nothing on disk told of the container: its bundle would have its command."""
    return description is None or description.command is None
