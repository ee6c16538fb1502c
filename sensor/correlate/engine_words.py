"""What engines say of their containers: name and image of one that left nothing else behind.

A container that was removed (``--rm``) before its description was read is known only from its
engine: from the stream, or, of the time while no agent ran, from the past events that the engine
still has. That proves nothing, so such a container is ``inferred``.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.dataclass import dataclass
from sensor.model.events import Evidence
from sensor.model.vocabulary import EvidenceKind

if TYPE_CHECKING:
    from sensor.correlate.events import Sighting
    from sensor.model.container import Description
    from sensor.model.vocabulary import ContainerId
    from sensor.model.witness_records import EngineEvent, EngineRecalled

WORDS_MAX = 2048
"""Containers of which a word is remembered; the one not spoken of for longest is forgotten."""


@dataclass(slots=True)
class EngineWords:
    """The last word about each container that had a name or an image in it."""

    _words: Bounded[ContainerId, EngineEvent | EngineRecalled] = field(
        default_factory=lambda: Bounded(WORDS_MAX)
    )

    def hear(self, report: EngineEvent | EngineRecalled) -> None:
        """Take note of what an engine reports."""
        if report.name is None and report.image is None:
            return
        self._words.put(report.id, report)

    def complete(self, sighting: Sighting) -> tuple[Sighting, Evidence | None]:
        """Give a container without a description the name and image that its engine reported.

        Returns the evidence for it, or None where nothing was missing or nothing is known.
        """
        description = sighting.description
        if description is not None and (description.name or description.image):
            return sighting, None
        report = self._words.get(sighting.id)
        if report is None:
            return sighting, None
        completed = replace(
            sighting,
            name_hint=report.name or sighting.name_hint,
            image_hint=report.image or sighting.image_hint,
        )
        if completed == sighting:
            return sighting, None
        at = str(report.engine_wall) if report.engine_wall is not None else None
        what = f"{report.witness} event: {report.action}"
        return completed, Evidence(report.witness, EvidenceKind.ENGINE_EVENT, what, report.time, at)


def is_word_alone(description: Description | None) -> bool:
    """Return whether the disk had nothing of the container: its bundle would have a command."""
    return description is None or description.command is None
