"""A start that nothing is known to have caused, of a workload whose starts normally have a cause.

A missing initiator means nothing where an engine or an orchestrator starts by itself, and where
commands may have gone unseen. Otherwise it counts as unknown: the past alone does not explain it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sensor.judge.feature import Feature
from sensor.judge.lesson import instance_key

if TYPE_CHECKING:
    from sensor.judge.baseline import Baseline
    from sensor.judge.case import Facts
    from sensor.judge.feature import Features
    from sensor.model.events import Event

SOURCES = frozenset({"kernel", "kernel.commands"})
"""Sources of a gap in which a command may be missing: no probes, or records that were lost."""
GAPS_MAX = 16
"""Gaps that are remembered, the last ones."""
LEAD = 600_000_000_000
"""Nanoseconds for which a client may run before its container starts: it may pull the image."""


class CommandGaps:
    """The last times in which commands may have gone unseen, in ns since boot."""

    def __init__(self) -> None:
        self._gaps: deque[tuple[int, int]] = deque(maxlen=GAPS_MAX)
        self._boot: str | None = None

    def note(self, event: Event) -> None:
        """Take note of an event, which may be a gap."""
        gap = event.gap
        if gap is None or gap.source not in SOURCES:
            return
        boot = event.host.boot_id if event.host is not None else None
        if boot != self._boot:
            # Times since boot of two boots do not compare.
            self._gaps.clear()
            self._boot = boot
        self._gaps.append((gap.since, gap.until))

    def covers(self, event: Event) -> bool:
        """Whether the command behind a start may be missing."""
        boot = event.host.boot_id if event.host is not None else None
        if boot != self._boot:
            return False
        at = event.time
        return any(since <= at and at - LEAD <= until for since, until in self._gaps)


def missing_initiator(
    facts: Facts, features: Features, baseline: Baseline, gaps: CommandGaps
) -> str | None:
    """Return why a start's unknown initiator matters, as a sentence; None where it does not."""
    if features.whos or facts.by_itself or gaps.covers(facts.event):
        return None
    profile = baseline.profile(instance_key(features))
    if profile is None:
        return None
    counts = [term.count for feature, _, term in profile.items() if feature is Feature.INITIATOR]
    if sum(counts) * 2 <= profile.own.count:
        return None
    return "initiator: unknown, and most earlier starts of this workload have one"
