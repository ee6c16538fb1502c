"""The state of the judge that others show."""

from __future__ import annotations

from sensor.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class PolicyState:
    """The policy in force, and why the one on disk is not, if so."""

    digest: str | None
    files: tuple[str, ...]
    rules: int
    problem: str | None
    directory: str | None = None
    """Where its files are."""
