"""``GET /v1/coverage``: which layer saw which start, and where they disagree."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.model.requests import CoverageRow

LAYERS = ("kernel", "runtime", "audit", "engine")
ROWS_MAX = 1000
"""The newest disagreements that an answer lists."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A start that some witnesses reported and others did not."""

    id: str
    name: str | None
    time: str
    saw: tuple[str, ...]
    missing: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """Starts of a period by layer. ``listening`` counts those whose engine was listened to.

    ``since`` is the beginning of the period as asked, ``covers_since`` the moment from which the
    agent knows all starts: the later of ``since`` and its own beginning.
    """

    since: str
    covers_since: str
    until: str
    starts: int
    layers: tuple[tuple[str, int], ...]
    listening: int
    disagreements: tuple[Disagreement, ...]

    def to_json(self) -> bytes:
        """Return the document on one line."""
        document = asdict(self) | {"layers": dict(self.layers)}
        return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a document; raises ValueError when it is malformed."""
        document: dict[str, Any] = json.loads(data)
        try:
            rows = tuple(
                Disagreement(**{**row, "saw": tuple(row["saw"]), "missing": tuple(row["missing"])})
                for row in document.pop("disagreements")
            )
            layers = tuple(document.pop("layers").items())
            return cls(**document, layers=layers, disagreements=rows)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no coverage document: {error}") from error


def report(
    rows: tuple[CoverageRow, ...],
    times: tuple[str, ...],
    *,
    since: str,
    covers_since: str,
    until: str,
) -> CoverageReport:
    """Count ``rows``; ``times`` are their times as text, in the same order."""
    counts: Counter[str] = Counter()
    found: list[Disagreement] = []
    for row, time in zip(rows, times, strict=True):
        saw = tuple(layer for layer in LAYERS if getattr(row, layer))
        counts.update(saw)
        if row.reason is not None:
            missing = tuple(layer for layer in LAYERS if layer not in saw and layer != "audit")
            found.append(Disagreement(row.id, row.name, time, saw, missing, row.reason))
    return CoverageReport(
        since=since,
        covers_since=covers_since,
        until=until,
        starts=len(rows),
        layers=tuple((layer, counts[layer]) for layer in LAYERS),
        # An engine's event proves that its stream was followed, also where it began later.
        listening=sum(row.engine_listening or row.engine for row in rows),
        disagreements=tuple(found[-ROWS_MAX:]),
    )
