"""A start as its witnesses saw it."""

from __future__ import annotations

from sensor.model.requests import CoverageRow
from sensor.model.vocabulary import ContainerId


def row(
    id_: str,
    *,
    audit: bool = False,
    engine: bool = True,
    engine_listening: bool = True,
    reason: str | None = None,
) -> CoverageRow:
    return CoverageRow(
        id=ContainerId(id_),
        name=None,
        time=0,
        kernel=True,
        runtime=True,
        audit=audit,
        engine=engine,
        engine_listening=engine_listening,
        reason=reason,
    )
